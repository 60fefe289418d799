"""Devices: which worker gets which, the search on one that is not the CPU, and one that runs out of memory."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.expectation import batch, host_block, step
from compute.expectation.meter import Unmeasured
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.files import events
from compute.files.errors import InputError
from compute.files.progress import read_progress
from compute.jobs import devices
from compute.jobs.half_images import HalfImages
from compute.jobs.simulate import SimulatedSet
from compute.projection.reference import packed
from compute.projection.slices import empty_accumulator
from compute.sampling.orientations import local_grid
from tests.compute.expectation.scene import (
    BOX,
    NO_TURN,
    make_block,
    make_search,
    make_world,
    noise_images,
    tables_for,
)
from tests.compute.jobs.refining import Run, copy_inputs, curve, options_of, refine_here
from tests.compute.stand_in import moved, stand_in

Tiny = tuple[Path, SimulatedSet]
SHORT = {"symmetry": "D2", "healpix_order": 1, "local_search_order": 2, "maximum_iterations": 3}


@pytest.mark.parametrize(
    ("text", "present", "expected"),
    [
        ("0:1", 2, [0, 1, 0, 1]),
        ("0,1", 2, [0, 1, 0, 1]),
        ("1", 2, [1, 1, 1, 1]),
        ("0,1:2,3", 4, [0, 2, 1, 3]),
        ("3:2:1:0", 4, [3, 2, 1, 0]),
        ("", 3, [0, 1, 2, 0]),
        (":", 2, [0, 1, 0, 1]),
    ],
)
def test_gpus_are_dealt_out(text: str, present: int, expected: list[int]) -> None:
    assert [devices.gpu_number(text, worker, present) for worker in range(4)] == expected


def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="leave --gpu out to run on the CPU"):
        devices.gpu_number("", 0, 0)
    with pytest.raises(ValueError, match=r"names GPU 2 but this machine has 2: use 0 and 1"):
        devices.gpu_number("0:2", 1, 2)
    with pytest.raises(ValueError, match=r"names GPU 4 but this machine has 4: use 0 to 3"):
        devices.gpu_number("4", 0, 4)


def test_without_the_option_everything_is_on_the_cpu() -> None:
    assert devices.assigned(None, None) == (["cpu", "cpu"], "")


def test_what_finds_no_room_on_a_device_is_done_on_the_cpu() -> None:
    """From then on, too: the room is the workers'."""
    asked: list[str] = []

    def work(device: torch.device) -> int:
        asked.append(device.type)
        if device.type != "cpu":
            raise torch.OutOfMemoryError("no room")
        return 7

    desk = devices.Desk(torch.device("meta"), gives_back=True)
    assert (desk.run(work), desk.run(work)) == (7, 7)
    assert asked == ["meta", "cpu", "cpu"]


def test_a_machine_without_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.assigned("0:1", None) == ([], devices.NO_GPU)


SEARCHES = {
    "shared": make_search(),
    "local": make_search(local_grid(15.0, 30.0, 3.0, NO_TURN)),
    "correlation": make_search(is_correlation=True),
    "coarse only": make_search(oversample=False),
}


def noisy_scene(device: torch.device | None, search: Search) -> tuple[Block, SharedTables, Tensor]:
    """Three noisy images with the tables of a search on a device, and the pixels that fix the scale.

    The volume holds half floats, as the CPU keeps them.
    """
    world = make_world()
    kept = packed(world.projector)
    rounded = dataclasses.replace(world.projector, values=kept.values)
    world = dataclasses.replace(world, projector=rounded)
    power = world.noise_power(0.05)
    turns = torch.eye(3).expand(3, 3, 3).contiguous()
    images = world.images(turns, torch.zeros(3, 2)) + noise_images(3, power)
    block = make_block(images, world)
    determined = torch.ones(len(world.pixels.shell))
    if device is not None:
        world, block, power, determined = (
            moved(one, device) for one in (world, block, power, determined)
        )
    return block, tables_for(search, world, power), determined


def sums_here(search: Search) -> tuple[Tensor, list[float]]:
    """Sums and evidence of those images on the CPU."""
    block, tables, determined = noisy_scene(None, search)
    (found,) = step.search_images(block, search, tables, determined)
    accumulator = empty_accumulator(2, BOX // 2)
    step.accumulate(found, tables, accumulator)
    return accumulator.sums, found.log_evidence.tolist()


def sums_on(device: torch.device, search: Search) -> tuple[Tensor, list[float], set[str]]:
    """The same on another device, and what of the results is not there."""
    block, tables, determined = noisy_scene(device, search)
    (found,) = batch.search_block(block, search, tables, determined, Unmeasured())
    accumulator = empty_accumulator(2, BOX // 2, device)
    batch.put_back(found, tables, accumulator)
    strangers = {
        field.name
        for field in dataclasses.fields(found)
        if isinstance(value := getattr(found, field.name), Tensor)
        and value.device != determined.device
    }
    return accumulator.sums.cpu(), found.log_evidence.cpu().tolist(), strangers


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_stays_on_its_device(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixed devices are an error of the stand-in, as they are of a GPU; both score the whole local lattice."""
    monkeypatch.setattr(host_block, "CORE_STEPS", 9.0)
    here, evidence = sums_here(SEARCHES[kind])
    with stand_in() as device:
        there, same, strangers = sums_on(device, SEARCHES[kind])
    assert strangers == set()
    assert same == pytest.approx(evidence, rel=1e-6)
    assert float((there - here).abs().max()) < 2e-5 * float(here.abs().max())


@pytest.mark.parametrize("zero_mask", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_refinement_on_another_device_finds_the_same(
    tiny: Tiny, tmp_path: Path, zero_mask: bool
) -> None:
    made = tiny[1]
    options = options_of(made, **SHORT, zero_mask=zero_mask)
    here = refine_here(copy_inputs(tiny[0], tmp_path / "here"), options)
    folder = copy_inputs(tiny[0], tmp_path / "there")
    with stand_in() as device:
        there = refine_here(folder, options, device=str(device))
    assert here.progress.joined is not None and there.progress.joined is not None
    assert curve(here.progress.joined, there.progress.joined)[1:13].min() > 0.98


def refined_with_room_for(images: int, tiny: Tiny, folder: Path) -> Run:
    """A refinement on a device that holds so many images at a time."""
    prepared = HalfImages.prepared

    def tight(self: HalfImages, block: np.ndarray, index: int, iteration: int) -> Block:
        if len(block) > images:
            raise torch.OutOfMemoryError("no room")
        return prepared(self, block, index, iteration)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HalfImages, "prepared", tight)
        patch.setattr(step, "IMAGES_PER_BLOCK", 16)
        return refine_here(copy_inputs(tiny[0], folder), options_of(tiny[1], **SHORT))


def test_a_device_without_room_gets_fewer_images_at_a_time(tiny: Tiny, tmp_path: Path) -> None:
    whole = refined_with_room_for(1000, tiny, tmp_path / "whole")
    tight = refined_with_room_for(3, tiny, tmp_path / "tight")
    assert whole.progress.joined is not None and tight.progress.joined is not None
    np.testing.assert_allclose(
        tight.progress.joined, whole.progress.joined, atol=1e-3 * float(whole.progress.joined.std())
    )
    told = [
        one
        for one in read_progress(tight.files.job.progress)
        if isinstance(one, events.Warn) and one.code == "E38"
    ]
    assert len(told) == 1 and "ran out with 16 images at a time" in told[0].message


def test_a_device_without_room_for_one_image_ends_the_job(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a single image: continue .* without --gpu on the CPU"):
        refined_with_room_for(0, tiny, tmp_path / "none")
