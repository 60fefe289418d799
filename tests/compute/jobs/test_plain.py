"""What the jobs of one process have in common: records, endings, and a folder that is theirs alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compute.files import events
from compute.files.errors import InputError
from compute.files.mrc import write_map
from compute.files.progress import ProgressWriter, read_progress
from compute.files.relion import JobFolder, read_exit_marker
from compute.jobs import plain
from compute.params.rescale import RescaleParams


def rescaling(folder: Path) -> RescaleParams:
    """A small map at half the box."""
    volume = np.random.default_rng(1).standard_normal((16, 16, 16), dtype=np.float32)
    write_map(folder / "map.mrc", volume, 2.0)
    output = str(folder / "Rescale" / "map")
    return RescaleParams(maps=str(folder / "map.mrc"), output=output, new_pixel_size_A=4.0)


def test_a_job_records_its_start_its_end_and_what_it_made(tmp_path: Path) -> None:
    plain.run("rescale", rescaling(tmp_path))
    folder = JobFolder(tmp_path / "Rescale")
    told = read_progress(folder.progress)
    start, end = told[0], told[-1]
    assert isinstance(start, events.Start) and isinstance(end, events.End)
    assert (start.job, start.attempt, start.ranks[0].pid) == ("rescale", 1, os.getpid())
    assert (end.reason, end.exit_status) == ("finished", 0)
    assert end.outputs and all((folder.path / one.path).is_file() for one in end.outputs)
    assert read_exit_marker(folder.path) == "success"


def test_a_second_attempt_is_counted(tmp_path: Path) -> None:
    params = rescaling(tmp_path)
    plain.run("rescale", params)
    plain.run("rescale", params)
    told = read_progress(tmp_path / "Rescale" / "progress.jsonl")
    assert [one.attempt for one in told if isinstance(one, events.Start)] == [1, 2]


def test_the_folder_of_another_job_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "Rescale")
    folder.path.mkdir()
    with ProgressWriter(folder.progress) as progress:
        progress.write(events.Start(job="refine", program_version="0", command=""))
    before = folder.progress.read_bytes()
    with pytest.raises(InputError, match=r"another kind \(refine\)"):
        plain.run("rescale", rescaling(tmp_path))
    assert folder.progress.read_bytes() == before
    assert {path.name for path in folder.path.iterdir()} == {"progress.jsonl"}


def test_a_process_says_once_why_it_fails_and_records_it(tmp_path: Path) -> None:
    params = rescaling(tmp_path).model_dump(mode="json")
    params["maps"] = str(tmp_path / "none.mrc")
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"job": "rescale", "params": params}))
    ran = subprocess.run(
        [sys.executable, "-m", "compute", str(job)], capture_output=True, text=True, check=False
    )
    end = read_progress(tmp_path / "Rescale" / "progress.jsonl")[-1]
    assert isinstance(end, events.End)
    assert (ran.returncode, end.reason, end.exit_status) == (2, "failed", 2)
    assert ran.stderr.count(end.message) == 1
    assert read_exit_marker(tmp_path / "Rescale") == "failure"
