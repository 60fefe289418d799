"""Jobs side by side: what differs in their parameters, their figures, and the difference of their maps."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from compute.files.events import Iteration, Start
from compute.files.mrc import MapFile
from db.models.jobs import Attempt, Job
from db.models.projects import Project
from db.words import Role, State
from webapp.components.comparing import (
    COLUMNS,
    Compared,
    difference,
    different_parameters,
    job_rows,
)
from webapp.records import JobRecords
from webapp.views import JobView


def compared(number: int, asked: dict[str, Any], used: dict[str, Any] | None = None) -> Compared:
    job = Job(
        id=100 + number,
        number=number,
        type="refine",
        title="",
        parameters=asked,
        state=State.RUNNING,
        resolution_A=4.0 + number,
    )
    start = Start(job="refine", program_version="1", command="", parameters=used or {}, box_size=64)
    row = Iteration(iteration=7, resolution_unmasked_A=5.5, accuracy_angles_deg=1.5)
    attempts = [Attempt(seconds=40.0), Attempt(seconds=21.0, created_at=datetime.now(UTC))]
    view = JobView(job, Project(id=1, name="beta", folder="/p"), "", Role.VIEWER, attempts)
    return Compared(view, JobRecords(start=start if used else None, iterations=(row,)))


def test_only_what_differs_is_shown_and_the_place_comes_last() -> None:
    jobs = [
        compared(1, {"mpi": 3, "symmetry": "C1", "particles": "a.star", "output": "x"}),
        compared(
            2, {"mpi": 5, "symmetry": "D2", "particles": "a.star", "output": "y", "zoom": True}
        ),
    ]
    rows = different_parameters(jobs, {"symmetry": "Symmetry"})
    assert rows == [
        {"parameter": "Symmetry", "job 1": "C1", "job 2": "D2"},
        {"parameter": "zoom", "job 1": "", "job 2": "yes"},
        {"parameter": "mpi", "job 1": "3", "job 2": "5"},
    ]
    everything = different_parameters(jobs, {}, shows_all=True)
    assert [row["parameter"] for row in everything] == ["symmetry", "particles", "zoom", "mpi"]


def test_defaults_that_a_started_job_used_count() -> None:
    jobs = [
        compared(1, {"symmetry": "C1"}, {"symmetry": "C1", "padding": 2}),
        compared(2, {}, {"padding": 1}),
    ]
    told = {row["parameter"]: row for row in different_parameters(jobs, {})}
    assert told["padding"] == {"parameter": "padding", "job 1": "2", "job 2": "1"}


def test_each_job_has_a_row_of_figures() -> None:
    row = job_rows([compared(3, {}, {"a": 1})])[0]
    assert row.keys() == {column["key"] for column in COLUMNS} | {"url", "took"}
    assert (row["number"], row["resolution"], row["without_mask"]) == (3, 7.0, 5.5)
    assert (row["seconds"], row["took"], row["iterations"]) == (61.0, "1 min 01 s", 7)
    assert (row["box"], row["url"]) == (64, "job?id=103")


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(8, 8, 8)).astype(np.float32)


def test_maps_are_scaled_before_they_are_subtracted(volume: np.ndarray) -> None:
    changed = volume.copy()
    changed[4, 4, 4] += 30.0
    found, words = difference(MapFile(volume, 2.0), MapFile(7.0 * volume + 3.0, 2.0))
    assert found is not None and np.abs(found).max() < 1e-4
    assert "correlate by 1.000" in words
    found, _ = difference(MapFile(volume, 2.0), MapFile(changed, 2.0))
    assert found is not None
    assert np.unravel_index(found.argmax(), found.shape) == (4, 4, 4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: MapFile(v[:6, :6, :6], 2.0), "boxes are 8 px of 2 Å and 6 px of 2 Å"),
        (lambda v: MapFile(v, 2.1), "Rescale one map"),
        (lambda v: MapFile(v, 0.0), "Rescale one map"),
        (lambda v: MapFile(0 * v, 2.0), "empty"),
        (lambda v: MapFile(-v, 2.0), "do not match"),
    ],
)
def test_it_is_said_why_there_is_no_difference(volume: np.ndarray, change: Any, words: str) -> None:
    found, said = difference(MapFile(volume, 2.0), change(volume))
    assert found is None
    assert words in said
