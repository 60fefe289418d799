"""The `halfmap` command, up to the point where a job starts."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from compute.params.extract import ExtractParams
from webapp import cli, demo, doctor
from webapp.launch import local

Started = list[tuple[list[str], dict[str, str]]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    """Commands and environments that would have been started, in an empty working folder."""
    commands: Started = []

    def run(words: list[str], variables: dict[str, str]) -> int:
        commands.append((words, variables))
        return 5

    monkeypatch.setattr(local, "run", run)
    monkeypatch.chdir(tmp_path)
    return commands


def test_refine_writes_its_job_and_starts_the_ranks(started: Started) -> None:
    words = "refine --i p.star --ref m.mrc --o O/run --sym D2 --mpi 3 --j 2".split()
    assert cli.command(words) == 5
    job = json.loads(Path("O/job.json").read_text())
    assert job["job"] == "refine"
    assert job["params"] == {
        "particles": "p.star",
        "reference": "m.mrc",
        "output": "O/run",
        "symmetry": "D2",
        "mpi": 3,
        "threads": 2,
    }
    ((command, variables),) = started
    assert command[command.index("-n") + 1] == "3"
    assert command[-1] == "O/job.json"
    assert variables["HALFMAP_JOB_ID"] == job["job_id"]
    assert variables["OMP_NUM_THREADS"] == "2"


def test_one_process_is_started_plainly(started: Started) -> None:
    assert cli.command("refine --i p.star --ref m.mrc --o O/run --mpi 1".split()) == 5
    assert "-n" not in started[0][0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("refine --i p.star --ref m.mrc --o O/run --mpi 4", "use 1, or 3, 5, 7"),
        ("refine --i p.star --o O/run", "(--ref)"),
        ("refine --i p.star --ref m.mrc --o O/run --helix", "helices"),
        ("refine --i p.star --ref m.mrc --o O/run --ini_hig 3", "did you mean --ini_high"),
        ("simulate --o O/set", "--phantom"),
        ("extract --i m.star --coord_list c.star --o O/p --extract_size 361", "use 360 or 362"),
        ("extract --i m.star --o O/p --extract_size 360", "(--coord_list)"),
        ("compare --i a.mrc", "--ref"),
        ("refin", "'refin' is not a command"),
        ("demo --fast", "takes no options"),
        ("doctor --fast", "unrecognized arguments: --fast"),
    ],
)
def test_wrong_words_start_nothing(
    words: str, sentence: str, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.command(words.split()) == 2
    assert sentence in capsys.readouterr().err
    assert started == []
    assert not Path("O").exists()


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.command(["--version"]) == 0
    assert capsys.readouterr().out == f"halfmap {version('halfmap')}\n"


CHAPTER = (
    "`which relion_preprocess_mpi` --i CtfFind/job003/micrographs_ctf.star --reextract_data_star "
    "Select/job017/particles.star --recenter --recenter_x 0 --recenter_y 0 --recenter_z 0 --part_star "
    "Extract/job018/particles.star --pick_star Extract/job018/extractpick.star --part_dir Extract/job018/ --extract "
    "--extract_size 360 --float16 --scale 256 --norm --bg_radius 96 --white_dust -1 --black_dust -1 "
    "--invert_contrast --pipeline_control Extract/job018/"
)


def test_the_command_of_relions_extraction_can_be_pasted(started: Started) -> None:
    assert cli.command(["extract", *CHAPTER.split()[1:]]) == 5
    params = json.loads(Path("Extract/job018/job.json").read_text())["params"]
    assert ExtractParams(**params) == ExtractParams(
        micrographs="CtfFind/job003/micrographs_ctf.star",
        particles="Select/job017/particles.star",
        output="Extract/job018/particles",
        part_dir="Extract/job018/",
        pick_star="Extract/job018/extractpick.star",
        recenter=True,
        box=360,
        rescale_box=256,
        float16=True,
        background_radius_px=96,
        invert_contrast=True,
    )


def test_what_relions_extraction_leaves_away_is_off(started: Started) -> None:
    words = (
        "extract --i m.star --coord_list c.star --part_star E/p.star --extract --extract_size 64"
    )
    assert cli.command(words.split()) == 5
    params = ExtractParams(**json.loads(Path("E/job.json").read_text())["params"])
    assert not (params.float16 or params.normalise or params.invert_contrast)


@pytest.mark.parametrize("name", ["refine", "extract", "simulate", "compare", "postprocess"])
def test_help_of_each_job(name: str, started: Started, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.command([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"halfmap {name}" in text
    assert "Input and output:" in text
    assert started == []


def test_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.command(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("refine", "simulate", "compare", "demo", "doctor"))


@pytest.mark.parametrize("name", cli.TOOLS)
def test_every_command_has_its_function(name: str) -> None:
    assert callable(cli.tool(name))


def test_a_job_starts_without_the_database(tmp_path: Path) -> None:
    code = "import sys, webapp.cli; print({'sqlalchemy', 'alembic', 'numpy'} & set(sys.modules))"
    words = [sys.executable, "-c", code]
    run = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run.stdout == "set()\n"


def test_simulate_and_compare_run_in_one_process(started: Started) -> None:
    assert cli.command("simulate --phantom --sym D2 --o O/set".split()) == 5
    assert cli.command("compare --i a.mrc --ref b.mrc --o R/fsc.json".split()) == 5
    assert [command[-1] for command, _ in started] == ["O/job.json", "R/job.json"]
    assert all("mpi4py.run" not in command for command, _ in started)


def test_the_demo_asks_for_what_its_jobs_know() -> None:
    files = {"particles": "p.star", "reference": "m.mrc"}
    for name, values in (("simulate", demo.SIMULATE), ("refine", {**demo.REFINE, **files})):
        assert cli.JOBS[name][0].model_validate({**values, "output": "demo/run"})


def test_the_demo_stops_at_the_first_failure(
    started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main([]) == 5
    assert len(started) == 1


def test_launcher_and_library_that_do_not_belong_together() -> None:
    assert doctor.mpi_problems(3, "MPICH 5", 3) == []
    (problem,) = doctor.mpi_problems(1, "Open MPI 4", 3)
    assert "3 processes were started but each counts 1" in problem
