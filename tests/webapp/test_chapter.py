"""From micrographs to a sharpened map: beyond what the coarse particles hold, by commands that exist."""

from pathlib import Path

import pytest

from compute.files.events import End
from compute.files.progress import read_progress
from compute.files.relion import read_exit_marker
from webapp import chapter, cli
from webapp.options import build, parse


@pytest.mark.parametrize("name", list(chapter.SCALES))
def test_every_command_is_understood(name: str) -> None:
    for _, command in chapter.steps(chapter.SCALES[name], ["--gpu", "0"]):
        job, *words = command.split()
        assert build(cli.JOBS[job][0], parse(cli.JOBS[job][0], words))


def test_the_settings_are_those_of_the_chapter() -> None:
    commands = [command for _, command in chapter.steps(chapter.SCALES["full"], [])]
    assert "--extract_size 256 --scale 64" in commands[1]
    assert "--recenter" in commands[3] and "--extract_size 360 --scale 256" in commands[3]
    assert "--ini_high 50 --firstiter_cc" in commands[5] and "--sym D2" in commands[5]
    for scale in chapter.SCALES.values():
        assert scale.coarse_box % (2 * chapter.COARSENING) == 0


def told(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> dict[str, float]:
    """Run the chapter in a folder; what came out."""
    status = chapter.main(["--scale", name, "--folder", str(folder)])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    jobs = [path for path in sorted(folder.glob("*/job*")) if (path / "progress.jsonl").exists()]
    assert len(jobs) == 9
    assert {read_exit_marker(path) for path in jobs} == {"success"}
    assert all(isinstance(read_progress(path / "progress.jsonl")[-1], End) for path in jobs)
    assert printed.out.splitlines()[-1].startswith("The map agrees with the truth to")
    assert (folder / "story.txt").read_text() in printed.out
    return chapter.figures(folder)


def test_a_quick_chapter_passes_the_limit_of_the_coarse_particles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(tmp_path / "C", capsys, "quick")
    assert found["truth_A"] < 0.7 * chapter.LIMIT_A
    assert found["halves_A"] < 0.8 * chapter.LIMIT_A


@pytest.mark.slow
def test_the_chapter_reaches_far_beyond_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(tmp_path / "C", capsys, "small")
    assert found["truth_A"] < 0.7 * chapter.LIMIT_A
    assert found["halves_A"] < 0.7 * chapter.LIMIT_A


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert chapter.main(["--folder", str(tmp_path)]) == 2
    assert "no chapter of ours" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()
    assert chapter.main(["--scale", "huge"]) == 2
