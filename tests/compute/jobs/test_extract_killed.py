"""Extraction as a process of its own: killed in the middle, and where modes of files forbid it to read or write."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compute.files.events import End
from compute.files.progress import read_progress
from compute.files.relion import read_exit_marker
from tests import unprivileged
from tests.compute.jobs import extracting as e

NAMES = [f"m{i}.mrc" for i in range(4)]
EXTRACT = "--i micrographs.star --coord_suffix _pick.star --extract_size 16 --threads 1 --o"
KILLED_BY_THE_THIRD = """
import json, os, signal, sys
from compute.__main__ import main
from compute.files import stacks
close, closed = stacks.StackWriter.close, []
def count(self):
    closed.append(self)
    if len(closed) == 3:
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    close(self)
stacks.StackWriter.close = count
sys.exit(main(["job.json"]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Four micrographs with five particles each."""
    e.write_micrographs(tmp_path, {name: e.noise(seed=i) for i, name in enumerate(NAMES)})
    e.write_coordinates(tmp_path, {name: [(50 + 20 * k, 60) for k in range(5)] for name in NAMES})
    return tmp_path


def extract(project: Path, output: str, more: str = "") -> subprocess.CompletedProcess[str]:
    """`halfmap extract`, as a user without privileges."""
    words = ["-m", "webapp.cli", "extract", *EXTRACT.split(), output, *more.split()]
    return unprivileged.run(words, project)


def test_a_killed_run_never_looks_finished_and_is_continued(project: Path) -> None:
    (project / "job.json").write_text(
        '{"job": "extract", "params": {"micrographs": "micrographs.star", "coordinates_suffix": "_pick.star",'
        ' "box": 16, "threads": 1, "output": "E/p"}}'
    )
    killed = subprocess.run([sys.executable, "-c", KILLED_BY_THE_THIRD], cwd=project)
    assert killed.returncode == -signal.SIGKILL
    folder = project / "E"
    assert read_exit_marker(folder) is None
    assert not isinstance(read_progress(folder / "progress.jsonl")[-1], End)
    assert not (folder / "p.star").exists()
    assert sorted(path.name for path in folder.glob("*.mrcs")) == ["m0.mrcs", "m1.mrcs"]
    (unfinished,) = folder.glob("*.tmp")
    assert re.fullmatch(r"m2\.mrcs\.\d+\.tmp", unfinished.name) and unfinished.stat().st_size
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("m[01]*")}
    assert extract(project, "E/p").returncode == 0
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert read_exit_marker(folder) == "success" and (folder / "p.star").exists()
    assert len(list(folder.glob("*.mrcs"))) == 4 and not list(folder.glob("*.tmp"))


@pytest.mark.parametrize("name", ["m3.mrc", "micrographs.star", "m2_pick.star"])
def test_files_that_may_not_be_read_are_named_before_any_work(project: Path, name: str) -> None:
    (project / name).chmod(0)
    done = extract(project, "E/p")
    assert done.returncode == 2
    assert f"{name} cannot be read: Permission denied" in done.stderr
    assert read_exit_marker(project / "E") == "failure" and not list(project.rglob("*.mrcs"))


@pytest.mark.parametrize("output", ["closed/p", "closed/E/p"])
def test_a_folder_that_may_not_be_written_is_named(project: Path, output: str) -> None:
    (project / "closed").mkdir()
    (project / "closed").chmod(0o555)
    done = extract(project, output)
    assert done.returncode == 2
    assert f"the folder {Path(output).parent} cannot be written: Permission denied" in done.stderr
    assert not list((project / "closed").iterdir())


def test_a_folder_of_stacks_that_may_not_be_written_is_named_before_any_work(project: Path) -> None:
    (project / "closed").mkdir()
    (project / "closed").chmod(0o555)
    done = extract(project, "E/p", "--part_dir closed/")
    assert done.returncode == 2
    assert re.search(r"/closed, where the stacks go, cannot be written", done.stderr)
    assert read_exit_marker(project / "E") == "failure" and not list(project.rglob("*.mrcs"))


def test_a_map_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "map.mrc").write_bytes(bytes(2000))
    (tmp_path / "map.mrc").chmod(0)
    words = "mask --i map.mrc --o M/mask"
    done = unprivileged.run(["-m", "webapp.cli", *words.split()], tmp_path)
    assert done.returncode == 2
    assert "map.mrc cannot be read: Permission denied" in done.stderr
    assert not list(tmp_path.rglob("*SUCCESS"))
