"""Room for results: a disk that is too full is told beforehand, and earlier files are kept."""

from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.files.log import Log
from compute.files.progress import ProgressWriter
from compute.jobs import output
from compute.jobs.voice import Voice

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def voice(tmp_path: Path) -> Iterator[Voice]:
    with (
        ProgressWriter(tmp_path / "progress.jsonl") as progress,
        Log(tmp_path / "run.out", tmp_path / "run.err", progress) as log,
    ):
        yield Voice(log, progress)


def test_a_full_disk_is_told_before_anything_moves(
    tmp_path: Path, voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tmp_path / "mask.mrc"
    result.write_text("of an earlier run")
    monkeypatch.setattr(output.shutil, "disk_usage", lambda folder: Usage(9e9, 8e9, 1.1e9))
    with pytest.raises(
        InputError, match=r"need 1.20 GB in .* but only 1.10 GB are free: make room"
    ):
        output.make_room([result], 1_000_000_000, voice)
    assert result.read_text() == "of an earlier run"
    output.make_room([result], 900_000_000, voice)
    assert not result.exists()
    assert (tmp_path / "superseded/attempt01/mask.mrc").read_text() == "of an earlier run"


def test_where_nothing_was_nothing_moves(tmp_path: Path, voice: Voice) -> None:
    output.make_room([tmp_path / "mask.mrc"], 10, voice)
    assert not (tmp_path / "superseded").exists()
