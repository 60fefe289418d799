"""Extraction that goes on after a stop, a change of options or a full disc; nothing unfinished looks finished."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compute.files.errors import InputError
from compute.files.relion import read_exit_marker
from compute.jobs import extract as job
from compute.jobs import extract_files
from tests.compute.jobs import extracting as e

NAMES = [f"m{i}.mrc" for i in range(4)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Four micrographs with five particles each."""
    e.write_micrographs(tmp_path, {name: e.noise(seed=i) for i, name in enumerate(NAMES)})
    picks = {name: [(50 + 20 * k, 60 + 10 * k) for k in range(5)] for name in NAMES}
    e.write_coordinates(tmp_path, picks)
    return tmp_path


def changed(folder: Path) -> dict[str, int]:
    """When each stack was last written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mrcs")}


def test_a_second_run_does_nothing_again(project: Path) -> None:
    first = e.extract(project)
    before, table = changed(first.folder), (first.folder / "particles.star").read_bytes()
    e.extract(project, threads=2)
    assert changed(first.folder) == before
    assert (first.folder / "particles.star").read_bytes() == table
    assert not (first.folder / "superseded").exists()


def test_only_what_is_missing_or_damaged_is_made(project: Path) -> None:
    first = e.extract(project)
    before, images = changed(first.folder), first.images("m1.mrcs").copy()
    (first.folder / "m1_extract.star").unlink()
    stack = first.folder / "m2.mrcs"
    stack.write_bytes(stack.read_bytes()[:-100])
    e.write_micrograph(project / "m3.mrc", e.noise(seed=9))
    again = e.extract(project)
    after = changed(again.folder)
    assert [name for name in before if before[name] != after[name]] == [
        "m1.mrcs",
        "m2.mrcs",
        "m3.mrcs",
    ]
    np.testing.assert_array_equal(again.images("m1.mrcs"), images)
    np.testing.assert_array_equal(again.images("m3.mrcs")[0], e.noise(seed=9)[52:68, 42:58])
    assert len(again.xy) == 20


@pytest.mark.parametrize(
    "options",
    [{"box": 18}, {"invert_contrast": True}, {"float16": True}, {"normalise": True}, {"extract_bias_x": 1}],
)  # fmt: skip
def test_other_options_make_all_anew_and_keep_the_old(
    project: Path, options: dict[str, Any]
) -> None:
    first = e.extract(project)
    old = {path.name: path.read_bytes() for path in first.folder.glob("*.mrcs")}
    table = (first.folder / "particles.star").read_bytes()
    e.extract(project, **options)
    kept = first.folder / "superseded" / "attempt01"
    assert {path.name: path.read_bytes() for path in kept.glob("*.mrcs")} == old
    assert (kept / "particles.star").read_bytes() == table
    assert len(list(first.folder.glob("*.mrcs"))) == 4


def test_more_particles_are_only_made_where_they_are(project: Path) -> None:
    first = e.extract(project)
    before = changed(first.folder)
    e.write_coordinates(project, {"m2.mrc": [(70, 70)]})
    again = e.extract(project)
    after = changed(again.folder)
    assert [name for name in before if before[name] != after[name]] == ["m2.mrcs"]
    assert len(again.xy) == 16


def test_stacks_of_micrographs_no_longer_asked_for_are_not_joined(project: Path) -> None:
    e.extract(project)
    (project / "m0_pick.star").unlink()
    again = e.extract(project)
    assert set(again.columns["MicrographName"]) == {"m1.mrc", "m2.mrc", "m3.mrc"}
    assert (again.folder / "m0.mrcs").exists()


def test_a_stopped_run_is_continued(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_at_third(params: Any, work: Any, *others: Any) -> job.Done:
        if work.name == "m2.mrc":
            raise SystemExit(143)
        return original(params, work, *others)

    original = job.extract_micrograph
    with monkeypatch.context() as patch:
        patch.setattr(job, "extract_micrograph", stop_at_third)
        with pytest.raises(SystemExit):
            e.extract(project)
    folder = project / "E"
    assert read_exit_marker(folder) == "aborted"
    assert not (folder / "particles.star").exists()
    before = changed(folder)
    assert "m0.mrcs" in before and "m2.mrcs" not in before
    found = e.extract(project)
    assert len(found.xy) == 20
    assert {name: changed(folder)[name] for name in before} == before


def test_no_room_on_the_disc_is_said_before_the_start(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(project)
    monkeypatch.setattr(
        extract_files.shutil, "disk_usage", lambda folder: usage._replace(free=10_000)
    )
    with pytest.raises(InputError, match=r"take 2\d\.\d kB and 10\.0 kB are free"):
        e.extract(project)
    assert not list((project / "E").glob("*.mrcs"))


@pytest.fixture
def small_disc(tmp_path: Path) -> Iterator[Path]:
    """An empty folder on a file system of 300 kB; only root can make one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disc_that_fills_up_never_looks_finished(
    project: Path, small_disc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"output": str(small_disc / "particles"), "box": 64}
    with pytest.raises(InputError, match="make room or name another folder"):
        e.extract(project, **options)
    assert read_exit_marker(small_disc) == "failure"
    with monkeypatch.context() as patch:
        patch.setattr(extract_files, "SAFETY", 0.0)
        with pytest.raises(OSError) as full:
            e.extract(project, **options)
    assert full.value.errno == errno.ENOSPC
    assert full.value.strerror.startswith("disc full after 15 of 20 particles")
    assert read_exit_marker(small_disc) != "success"
    assert not (small_disc / "particles.star").exists()
    assert sorted(path.name for path in small_disc.glob("*.mrcs")) == [
        "m0.mrcs",
        "m1.mrcs",
        "m2.mrcs",
    ]
    assert not list(small_disc.glob("*.tmp"))
    before = changed(small_disc)
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disc)], check=True)
    found = e.extract(project, **options)
    assert len(found.xy) == 20 and read_exit_marker(small_disc) == "success"
    assert {name: changed(small_disc)[name] for name in before} == before


def test_a_full_disc_ends_the_process_with_a_failure(project: Path, small_disc: Path) -> None:
    free = shutil.disk_usage(small_disc).free
    (small_disc / "filler").write_bytes(bytes(free))
    words = "--i micrographs.star --coord_suffix _pick.star --extract_size 64 --o"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "webapp.cli",
            "extract",
            *words.split(),
            str(small_disc / "O" / "p"),
        ],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "space" in done.stderr or "free" in done.stderr
    assert not list(small_disc.rglob("*SUCCESS"))
