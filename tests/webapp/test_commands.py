"""The command line from a new project to a finished refinement, with a supervisor as a process of its own."""

import contextlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compute.files.project import read_project
from tests.webapp.conftest import SmallSet
from webapp import cli


@dataclass(frozen=True, slots=True)
class Shell:
    """Commands of `halfmap` in a folder, with settings of their own."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str, status: int = 0) -> str:
        """What a command prints; its errors, where it is to fail."""
        self.capture.readouterr()
        with contextlib.chdir(self.folder):
            ended = cli.command(words)
        output = self.capture.readouterr()
        assert ended == status, output
        return output.err if status else output.out

    def asked(self, *words: str) -> Any:
        """What a command answers as JSON."""
        return json.loads(self.run(*words, "--json"))


@pytest.fixture
def shell(
    tmp_path: Path,
    small_set: SmallSet,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    """A folder with the small set, outside of every project."""
    settings = tmp_path / "halfmap.toml"
    settings.write_text(
        f'database = "{tmp_path}/data/halfmap.db"\nprojects = "{tmp_path}/projects"\n'
        f'data_roots = ["{tmp_path}"]\n[profiles.quick]\nkind = "local"\ndefaults = {{mpi = 3}}\n'
    )
    monkeypatch.setenv("HALFMAP_CONFIG", str(settings))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    folder = tmp_path / "set"
    shutil.copytree(small_set.folder, folder)
    return Shell(folder, capsys)


REFINE = (
    "--i set.star --ref set_reference.mrc --particle_diameter 90 --ini_high 25 --sym D2 --faster --healpix_order 1 "
    "--auto_local_healpix_order 2 --auto_iter_max 3 --random_seed 1 --j 1"
).split()


def test_from_a_project_to_a_finished_refinement(shell: Shell, tmp_path: Path) -> None:
    assert "There are no projects yet" in shell.run("project", "list")
    made = shell.asked("project", "create", "beta")
    assert made["folder"] == f"{tmp_path}/projects/beta"
    assert [row["name"] for row in shell.asked("project", "list")] == ["beta"]
    job = shell.asked("submit", "refine", *REFINE, "--title", "first", "--profile", "quick")
    assert (job["job"], job["state"], job["profile"]) == (1, "waiting", "quick")
    assert "No supervisor runs" in shell.run("submit", "refine", *REFINE, "--mpi", "3")
    assert "stopped before it was started" in shell.run("stop", "2")
    assert shell.run("supervisor", "--check", status=1) == ""
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", "supervisor"],
        cwd="/",
        stdout=subprocess.DEVNULL,
    )
    try:
        log = shell.run("log", "-f", "beta:1")
    finally:
        supervisor.terminate()
        assert supervisor.wait(timeout=120) == 0
    assert "Refinement" in log
    status = shell.asked("status", "1")
    assert (status["state"], status["ending"]) == ("finished", "completed")
    assert [row["iteration"] for row in status["iterations"]] == [1, 2, 3]
    assert status["parameters"]["particles"] == f"{shell.folder}/set.star"
    assert status["attempts"][0]["exit_status"] == 0
    states = {row["job"]: row["state"] for row in shell.asked("jobs")}
    assert states == {1: "finished", 2: "finished"}
    shown = {one.name: one.state for one in read_project(tmp_path / "projects" / "beta").jobs}
    assert shown == {"Refine3D/job001": "Succeeded", "Refine3D/job002": "Aborted"}
    text = shell.run("status", "1")
    assert "Job 1 'first' (refine) of beta: finished" in text
    check_what_can_be_done_with_it(shell, tmp_path)


def check_what_can_be_done_with_it(shell: Shell, tmp_path: Path) -> None:
    """Clone, clean, delete and restore the finished job."""
    clone = shell.asked("clone", "1", "--draft", "--ini_high", "30")
    status = shell.asked("status", str(clone["job"]))
    assert (status["state"], status["parameters"]["initial_lowpass_A"]) == ("draft", 30.0)
    folder = tmp_path / "projects" / "beta" / "Refine3D" / "job001"
    preview = shell.asked("clean", "1")
    assert (preview["removed"], preview["kept"]) == (False, 2)
    assert {Path(path).name for path in preview["paths"]} >= {"run_it001_half1_class001.mrc"}
    assert all(Path(path).is_file() for path in preview["paths"])
    shell.run("clean", "1", "--yes")
    assert not any(Path(path).exists() for path in preview["paths"])
    assert (folder / "run_it002_checkpoint.npz").is_file()
    assert (folder / "run_class001.mrc").is_file()
    assert shell.asked("rename", "1", "the best one")["title"] == "the best one"
    assert "Job 1 'the best one' (refine) of beta" in shell.run("status", "1")
    assert "in the bin" in shell.run("delete", "1")
    assert not folder.exists()
    shell.run("delete", "1", "--restore")
    assert (folder / "run_class001.mrc").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("status 7", "there is no job '7' in this project"),
        ("submit refine --i none.star --ref set_reference.mrc", "none.star does not exist"),
        (
            "submit refine --i set.star --ref set_reference.mrc --mpi 4",
            "4 processes cannot be shared",
        ),
        (
            "submit refine --i set.star --ref set_reference.mrc --profile x",
            "no launcher profile 'x'",
        ),
        ("submit refine --i set.star --nonsense 1", "--nonsense is not an option"),
        ("jobs --project gamma", "there is no project 'gamma'"),
        ("project create beta", "is already in"),
        ("project create out --folder /elsewhere", "is outside the data folders"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(shell: Shell, words: str, sentence: str) -> None:
    shell.run("project", "create", "beta")
    errors = shell.run(*words.split(), status=2)
    assert sentence in errors
    assert "Traceback" not in errors


def test_help_of_submit_needs_no_type_of_job(shell: Shell) -> None:
    assert "--json" in shell.run("submit", "--help")
    assert "--ini_high" in shell.run("submit", "refine", "--help")
