"""The engine on CUDA against the CPU: run with `pytest -m gpu tests/compute/test_gpu.py` on a machine with a GPU.

On a bare machine: `python -m pip install torch numpy scipy numba pandas mrcfile starfile healpix mpi4py mpich pydantic
psutil jaxtyping beartype pytest pytest-timeout hypothesis nvidia-ml-py gemmi && python -m pytest -m gpu
tests/compute/test_gpu.py`.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from compute.expectation import host_block
from compute.expectation.device_plan import LIBRARY_BYTES
from compute.files import events
from compute.files.progress import read_progress
from compute.projection import kernels_torch
from compute.projection.reference import Projector, grid_shape
from compute.projection.slices import insert, slices
from compute.signal.fourier import half_plane_pixels
from tests.compute.jobs.refining import (
    copy_inputs,
    curve,
    make_set,
    options_of,
    pose_errors,
    refine_here,
)
from tests.compute.jobs.test_devices import SEARCHES, SHORT, sums_here, sums_on

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda", 0)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_slices_are_those_of_the_cpu() -> None:
    radius, padding = 20, 2
    values = random(*grid_shape(padding, radius), 2).half().float()  # as the CPU keeps them
    turns = torch.linalg.qr(random(50, 3, 3)).Q.contiguous()
    pixels = half_plane_pixels(2 * radius, 1.0)
    here = slices(Projector(values, padding, radius), turns, pixels.model_x, pixels.model_y)
    there = slices(
        Projector(values.to(CUDA), padding, radius),
        turns.to(CUDA),
        pixels.model_x.to(CUDA),
        pixels.model_y.to(CUDA),
    )
    assert there.device == CUDA
    torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-4)


def test_sums_are_those_of_the_cpu() -> None:
    from compute.projection.slices import Accumulator

    radius, padding = 20, 2
    turns = torch.linalg.qr(random(50, 3, 3)).Q.contiguous()
    pixels = half_plane_pixels(2 * radius, 1.0)
    count = len(pixels.shell)
    values, weights = random(50, 2, count), random(50, count).abs()
    found = []
    for device in (torch.device("cpu"), CUDA):
        accumulator = Accumulator(
            torch.zeros(*grid_shape(padding, radius), 3, device=device), padding, radius
        )
        given = (turns, pixels.model_x, pixels.model_y, values, weights)
        insert(accumulator, *(one.to(device) for one in given))
        found.append(accumulator.sums.cpu())
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)


def test_slicing_takes_little_memory_beside_its_result() -> None:
    radius, padding, orientations = 64, 2, 2000
    values = torch.zeros(*grid_shape(padding, radius), 2, device=CUDA)
    turns = torch.eye(3, device=CUDA).expand(orientations, 3, 3).contiguous()
    pixels = half_plane_pixels(2 * radius, 1.0).to(CUDA)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    made = kernels_torch.slices(values, turns, pixels.model_x, pixels.model_y, padding)
    beside = torch.cuda.max_memory_allocated() - before - made.nbytes
    assert beside < 1.2 * kernels_torch.TEMPORARY_BYTES


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_finds_what_the_cpu_finds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Factors rounded to tf32 in the first pass may let a pose with a thousandth of the weight go on, or not."""
    monkeypatch.setattr(
        host_block, "CORE_STEPS", 9.0
    )  # the CPU scores the whole local lattice, too
    here, evidence = sums_here(SEARCHES[kind])
    there, same, strangers = sums_on(CUDA, SEARCHES[kind])
    assert strangers == set()
    assert same == pytest.approx(evidence, rel=1e-3)
    assert float((there - here).abs().max()) < 2e-3 * float(here.abs().max())


def test_a_refinement_reaches_what_the_cpu_reaches(tmp_path: Path) -> None:
    made = make_set(tmp_path / "here", symmetry="D2", particles=80, snr=2.0, micrographs=3)
    options = options_of(made, **SHORT)
    there = copy_inputs(tmp_path / "here", tmp_path / "there")
    here = refine_here(tmp_path / "here", options)
    on_gpu = refine_here(there, options, device="cuda:0")
    assert here.progress.joined is not None and on_gpu.progress.joined is not None
    assert curve(here.progress.joined, on_gpu.progress.joined)[1:13].min() > 0.98
    turned, _ = pose_errors(on_gpu.files.data(None), here.files.data(None))
    assert float((turned < 3.0).mean()) > 0.9


@pytest.mark.parametrize("box", [64, 128])
def test_the_forecast_is_what_the_tensors_take(tmp_path: Path, box: int) -> None:
    """Both halves of one process on one GPU: forecast before the start and before the last iteration, to Nyquist.

    The forecast is an upper limit: it counts all images of a half at once, and all poses of a small grid.
    """
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(CUDA)
    made = make_set(
        tmp_path, symmetry="D2", particles=40, box=box, pixel_size_A=128.0 / box, snr=2.0
    )
    run = refine_here(tmp_path, options_of(made, **SHORT), device="cuda:0")
    peak_GB = torch.cuda.max_memory_allocated(CUDA) / 1e9
    told = [
        one
        for one in read_progress(run.files.job.progress)
        if isinstance(one, events.Memory) and one.device == "cuda:0"
    ]
    start, last, end = told
    assert end.measured_GB == pytest.approx(peak_GB)
    for one in (start, last):
        assert one.forecast_GB is not None and one.available_GB is not None
        assert one.available_GB < torch.cuda.get_device_properties(CUDA).total_memory / 1e9
        forecast_GB = one.forecast_GB - LIBRARY_BYTES / 1e9
        assert 0.1 * forecast_GB < peak_GB < 1.1 * forecast_GB
