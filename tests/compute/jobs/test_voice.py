"""How a job's end is said: what came of a stop is no failure."""

import io
import zipfile
from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.files.events import End
from compute.files.progress import read_progress
from compute.files.relion import JobFolder, read_exit_marker
from compute.jobs import voice


def ended(folder: Path) -> tuple[End, str | None]:
    """The last record of a job and its marker."""
    last = read_progress(folder / "progress.jsonl")[-1]
    assert isinstance(last, End)
    return last, read_exit_marker(folder)


def test_what_a_stop_leads_to_is_a_stop(tmp_path: Path) -> None:
    """A checkpoint that is left in the middle of a member complains, and its error takes the place of the stop."""
    archive = zipfile.ZipFile(io.BytesIO(), "w")
    with pytest.raises(ValueError, match="ZIP file") as caught, voice.speaking(JobFolder(tmp_path)):
        with archive:
            member = archive.open("volume.npy", "w")
            raise SystemExit(143)
    member.close()
    archive.close()
    end, marker = ended(tmp_path)
    assert (end.reason, end.exit_status, marker) == ("stopped", 143, "aborted")
    assert end.message == "The job was stopped."
    assert voice.exit_status(caught.value) == 143


def test_unusable_input_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught, voice.speaking(JobFolder(tmp_path)):
        raise InputError("the mask is empty")
    end, marker = ended(tmp_path)
    assert (end.reason, end.exit_status, marker) == ("failed", 2, "failure")
    assert end.message == "the mask is empty" and voice.exit_status(caught.value) == 2
