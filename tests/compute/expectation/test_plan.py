"""The memory forecast: sizes of the grids that are really allocated, limits, and what makes it grow."""

import dataclasses

import pytest
import torch

from compute.expectation import plan
from compute.expectation.plan import Setting, Stage, forecast, worker_bytes
from compute.projection.reference import build_projector, packed
from compute.projection.slices import empty_accumulator

SETTING = Setting(
    box=256,
    padding=2,
    threads=1,
    leader_bytes=520e6,
    worker_bytes=350e6,
    image_bytes=3e6,
    particle_bytes=0.0,
    is_symmetric=True,
)
LOCAL = Stage(
    size=256,
    coarse_size=256,
    accumulation_size=256,
    orientations=123,
    translations=21,
    orientation_children=8,
    translation_children=4,
    is_local=True,
)
EARLY = dataclasses.replace(
    LOCAL, size=60, coarse_size=30, accumulation_size=60, orientations=4608, is_local=False
)


@pytest.mark.parametrize(("padding", "size"), [(1, 12), (2, 12), (2, 20), (3, 8)])
def test_volumes_have_the_forecast_size(padding: int, size: int) -> None:
    setting = dataclasses.replace(SETTING, box=24, padding=padding)
    stage = dataclasses.replace(LOCAL, size=size, accumulation_size=size)
    projector = build_projector(torch.zeros(24, 24, 24), padding, size)
    sums = empty_accumulator(padding, size // 2).sums
    assert plan.projector_bytes(setting, stage) == projector.values.nbytes
    assert plan.sums_bytes(setting, stage) == sums.nbytes


def test_the_projector_that_is_sliced_has_the_forecast_size() -> None:
    setting = dataclasses.replace(SETTING, box=96, padding=2)
    stage = dataclasses.replace(LOCAL, size=96)
    bricks = packed(build_projector(torch.zeros(96, 96, 96), 2, 96)).bricks
    assert bricks.nbytes == pytest.approx(plan.sliced_bytes(setting, stage), rel=0.03)


def test_a_worker_to_nyquist_at_256_pixels_takes_less_than_two_gigabytes() -> None:
    """The volumes alone are 1.19 GB: 5.33 and 12 bytes for 515 x 515 x 258 values."""
    volumes = plan.sliced_bytes(SETTING, LOCAL) + plan.sums_bytes(SETTING, LOCAL)
    assert volumes == pytest.approx((16 / 3 + 12) * 515 * 515 * 258)
    leader, worker = forecast(SETTING, EARLY, LOCAL, 3)
    assert (leader.role, leader.ranks, worker.role, worker.ranks) == ("leader", 1, "worker", 2)
    assert 1.6 < worker.last_GB < 1.9
    assert worker.now_GB < 1.2 and leader.now_GB < 1.2


def test_one_process_holds_the_sums_of_both_halves() -> None:
    (alone,) = forecast(SETTING, EARLY, LOCAL, 1)
    (_, worker) = forecast(SETTING, EARLY, LOCAL, 3)
    more = plan.sums_bytes(SETTING, LOCAL) / plan.GB
    assert alone.role == "both halves"
    assert worker.last_GB + more < alone.last_GB < 3.6


def test_less_padding_takes_an_eighth() -> None:
    thin = dataclasses.replace(SETTING, padding=1)
    ratio = plan.sums_bytes(SETTING, LOCAL) / plan.sums_bytes(thin, LOCAL)
    assert ratio == pytest.approx(8, rel=0.02)
    assert worker_bytes(thin, LOCAL) < 0.6 * worker_bytes(SETTING, LOCAL)


@pytest.mark.parametrize(
    "change",
    [{"threads": 4}, {"image_bytes": 4e9}, {"particle_bytes": 1e9}, {"worker_bytes": 5e8}],
)
def test_what_is_held_beside_is_counted(change: dict[str, float]) -> None:
    more = dataclasses.replace(SETTING, **change)  # type: ignore[arg-type]
    assert worker_bytes(more, LOCAL) > worker_bytes(SETTING, LOCAL)


def test_the_last_iteration_is_never_smaller_than_the_first() -> None:
    for ranks in (1, 3, 5):
        for one in forecast(SETTING, LOCAL, EARLY, ranks):
            assert one.last_GB >= one.now_GB
