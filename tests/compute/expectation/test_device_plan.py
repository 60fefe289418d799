"""The forecast of a device's memory against what tensors on the stand-in device really take."""

import dataclasses

import numpy as np
import pytest
import torch

from compute.expectation import batch, plan
from compute.expectation.device_plan import (
    LIBRARY_BYTES,
    device_bytes,
    device_sums_bytes,
    forecast_device,
)
from compute.expectation.meter import Unmeasured
from compute.expectation.plan import Setting, Stage
from compute.expectation.prepare import Block, PreparedImages
from compute.expectation.search import Search, shared_tables
from compute.maximisation import prior, reconstruct, symmetrise
from compute.projection.reference import build_projector
from compute.projection.slices import empty_accumulator
from compute.sampling.orientations import global_grid, local_grid
from compute.sampling.symmetry import parse_symmetry
from compute.sampling.translations import translation_grid
from compute.signal.fourier import half_plane_pixels
from tests.compute.stand_in import Meter, stand_in

SETTING = Setting(
    box=32,
    padding=2,
    threads=1,
    leader_bytes=0.0,
    worker_bytes=0.0,
    image_bytes=0.0,
    particle_bytes=0.0,
    is_symmetric=True,
)
LARGE = dataclasses.replace(SETTING, box=256)
STAGE = Stage(
    size=256,
    coarse_size=256,
    accumulation_size=256,
    orientations=123,
    translations=21,
    orientation_children=8,
    translation_children=4,
    is_local=True,
)
IMAGES = 4
"""Images of which nearly all poses go on to the second pass."""


def measured(setting: Setting, is_local: bool) -> tuple[float, float]:
    """What is forecast for one iteration of a few images, and the peak on the stand-in."""
    box, group, meter = setting.box, parse_symmetry("D2"), Meter()
    nothing = np.zeros(3)
    grid = local_grid(7.5, 7.5, 3.0, nothing) if is_local else global_grid(1, group, nothing, None)
    search = Search(
        orientations=grid,
        translations=translation_grid(8.0, 4.0, np.zeros(2)),
        size=box,
        coarse_size=box if is_local else box // 2,
        accumulation_size=box,
        oversample=True,
        is_correlation=False,
        adaptive_fraction=0.999,
        maximum_significant=0,
        score_divisor=1.0,
        offset_sigma_A=5.0,
    )
    stage = Stage(
        size=box,
        coarse_size=search.coarse_size,
        accumulation_size=box,
        orientations=len(grid.coarse),
        translations=len(search.translations.coarse),
        orientation_children=8,
        translation_children=4,
        is_local=is_local,
    )
    with stand_in(meter) as device:
        pixels = half_plane_pixels(box, 4.0).to(device)
        noise = torch.ones(box // 2 + 1, dtype=torch.float64).to(device)
        volume = torch.randn(box, box, box, generator=torch.Generator().manual_seed(1)).to(device)
        meter.reset()
        projector = build_projector(volume, setting.padding, box)
        del volume
        accumulator = empty_accumulator(setting.padding, box // 2, device)
        tables = shared_tables(search, projector, pixels, noise)
        transformed = torch.randn(IMAGES, len(pixels.shell), dtype=torch.complex64).to(device)
        forward = torch.ones(IMAGES, len(pixels.shell)).to(device)
        block = Block(
            PreparedImages(0.01 * transformed, transformed, forward, forward),
            torch.eye(3).expand(IMAGES, 1, 3, 3).contiguous().to(device),
            torch.zeros(IMAGES, 2).to(device),
        )
        for found in batch.search_block(block, search, tables, forward[0], Unmeasured()):
            batch.put_back(found, tables, accumulator)
        del projector, tables, transformed, forward, block, found
        symmetrise.enforce_friedel(accumulator)
        symmetrise.apply_point_group(accumulator, group.operators)
        reconstruct.downsample(accumulator)
        spectrum = prior.reconstruction_noise(accumulator, box // 2 + 1)
        made = reconstruct.reconstruct(accumulator, box, spectrum, 5)
        assert made.shape == (box, box, box)
    return device_bytes(setting, stage, IMAGES), meter.peak


@pytest.mark.parametrize("is_local", [True, False], ids=["local", "shared grid"])
def test_an_iteration_takes_what_was_forecast(is_local: bool) -> None:
    """Never more, and not much less."""
    forecast, peak = measured(SETTING, is_local)
    assert 0.6 * forecast < peak <= forecast


@pytest.mark.parametrize(("box", "padding"), [(64, 2), (96, 1)])
def test_the_volumes_of_a_larger_map_take_what_was_forecast(box: int, padding: int) -> None:
    """They are what fills a device at 256 pixels and more."""
    setting = dataclasses.replace(SETTING, box=box, padding=padding)
    stage = dataclasses.replace(STAGE, size=box, accumulation_size=box)
    meter = Meter()
    with stand_in(meter) as device:
        volume = torch.zeros(box, box, box).to(device)
        build_projector(volume, padding, box)
        making, _ = meter.peak, meter.reset()
        del volume
        accumulator = empty_accumulator(padding, box // 2, device)
        accumulator.sums[..., 2] = 1.0
        reconstruct.reconstruct(accumulator, box)
        reconstruction = meter.peak
    expected = plan.map_bytes(box) + plan.making_projector_bytes(setting, stage)
    assert expected - plan.SLAB_BYTES < making < expected
    expected = plan.sums_bytes(setting, stage) + plan.reconstruction_bytes(setting, stage)
    assert expected - plan.SLAB_BYTES < reconstruction < expected + plan.map_bytes(box)


def test_a_block_of_images_takes_a_bounded_part_beside_the_volumes() -> None:
    volumes = plan.projector_bytes(LARGE, STAGE) + device_sums_bytes(LARGE, STAGE)
    assert volumes < device_bytes(LARGE, STAGE) < volumes + 2e9
    assert device_bytes(LARGE, STAGE, 1) < volumes + 0.8e9
    thin = dataclasses.replace(LARGE, padding=1)
    assert device_bytes(LARGE, STAGE) - device_bytes(thin, STAGE) > 0.8 * volumes


def test_workers_of_one_device_add_up() -> None:
    early = dataclasses.replace(STAGE, size=60, coarse_size=60, accumulation_size=60)
    one, four = (forecast_device(LARGE, early, STAGE, count, False) for count in (1, 4))
    assert four.workers == 4
    leader = LIBRARY_BYTES / 1e9
    assert four.last_GB - leader == pytest.approx(4 * (one.last_GB - leader))
    assert four.now_GB - leader == pytest.approx(4 * (one.now_GB - leader))
    assert one.last_GB == pytest.approx((device_bytes(LARGE, STAGE) + 2 * LIBRARY_BYTES) / 1e9)


def test_a_process_with_both_halves_on_a_device_keeps_the_sums_of_both() -> None:
    alone = forecast_device(LARGE, STAGE, STAGE, 2, True)
    one = forecast_device(LARGE, STAGE, STAGE, 1, False)
    more = (device_sums_bytes(LARGE, STAGE) - LIBRARY_BYTES) / 1e9  # and no leader of its own
    assert alone.last_GB == pytest.approx(one.last_GB + more)
    assert alone.last_GB < forecast_device(LARGE, STAGE, STAGE, 2, False).last_GB


def test_the_last_iteration_is_never_smaller_than_the_first() -> None:
    small = dataclasses.replace(STAGE, size=60, coarse_size=60, accumulation_size=60)
    found = forecast_device(LARGE, STAGE, small, 2, False)
    assert found.last_GB == found.now_GB


def test_a_worker_with_a_gpu_needs_little_memory_of_its_own() -> None:
    on_device = dataclasses.replace(LARGE, is_on_device=True)
    assert plan.worker_bytes(on_device, STAGE) < 0.5 * plan.worker_bytes(LARGE, STAGE)
    (alone,) = plan.forecast(on_device, STAGE, STAGE, 1)
    assert alone.last_GB < 0.5 * plan.forecast(LARGE, STAGE, STAGE, 1)[0].last_GB
