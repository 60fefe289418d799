"""The forecast that a form shows is the one that the refinement makes when it starts."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from compute.files.events import Memory, Start
from compute.files.progress import read_progress
from compute.jobs.preview_forecast import memory_forecast
from compute.params.preview import ForecastRequest
from compute.params.refine import RefineParams


def forecast(**figures: object) -> dict:
    """The answer for a refinement of 1000 particles of 256 pixels by three processes; any figure may be replaced."""
    options = {"particles": "p.star", "reference": "m.mrc", "output": "x/run", "symmetry": "D2"}
    plain = {
        "params": options,
        "particles": 1000,
        "box": 256,
        "pixel_size_A": 1.2,
        "ranks": 3,
        "threads": 1,
    }
    return memory_forecast(ForecastRequest(**{**plain, **figures}))[0]


def test_it_is_that_of_the_refinement_itself(three: Path) -> None:
    events = read_progress(next(three.rglob("progress.jsonl")))
    start = next(one for one in events if isinstance(one, Start))
    said = {
        one.what: one.forecast_GB
        for one in events
        if isinstance(one, Memory) and one.what.endswith("last iteration")
    }
    used = RefineParams(**start.parameters)
    roles = forecast(
        params=used,
        particles=start.particles,
        box=start.box_size,
        pixel_size_A=start.pixel_size_A,
        threads=start.ranks[1].threads,
    )["roles"]
    assert [(one["role"], one["ranks"]) for one in roles] == [("leader", 1), ("worker", 2)]
    for one in roles:
        assert one["last_GB"] == pytest.approx(said[f"{one['role']}, last iteration"], rel=0.35)
        assert one["now_GB"] <= one["last_GB"]


def test_more_is_needed_for_larger_boxes_and_with_padding() -> None:
    small, large = forecast(box=128), forecast(box=256)
    assert large["roles"][1]["last_GB"] > small["roles"][1]["last_GB"] + 0.5
    thin = forecast(
        params={"particles": "p.star", "reference": "m.mrc", "output": "x/run", "padding": 1}
    )
    assert thin["roles"][1]["last_GB"] < large["roles"][1]["last_GB"] - 0.4


def test_one_process_does_everything_and_a_gpu_is_told_apart() -> None:
    alone = forecast(ranks=1, threads=2)
    assert [one["role"] for one in alone["roles"]] == ["both halves"]
    assert alone["device"] is None
    shared = forecast(gpus=1)
    assert shared["device"]["workers"] == 2
    assert 0.5 < shared["device"]["now_GB"] <= shared["device"]["last_GB"] < 40
    assert shared["roles"][1]["last_GB"] < forecast()["roles"][1]["last_GB"]


def test_what_no_refinement_can_have_is_refused() -> None:
    with pytest.raises(ValidationError, match="symmetry"):
        forecast(params={"particles": "p.star", "output": "x/run", "symmetry": "Q9"})
