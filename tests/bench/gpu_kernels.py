"""How fast the kernels for GPUs are, one by one: `python -m tests.bench.gpu_kernels [--shapes]`, on a machine with one.

Images are compared with orientations near their own, as in a local search, and with ones strewn about; samples per
second are those of `tests.bench.floor`. With `--shapes`, the scoring kernel is also timed with other shapes of what one
program compares, which is how the constants of `pairs_triton` are chosen. Every result is first compared with plain
torch. Results: `results/gpu_kernels_<kind>.json`.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from compute.expectation import pairs_torch
from compute.projection.reference import PairedProjector, Projector, grid_shape, paired
from compute.signal.fourier import half_plane_pixels
from tests.bench.machine import kind
from tests.bench.speed import NO_GPU, RESULTS

PADDING = 2
DEVICE = torch.device("cuda")
CHECKED = 256
"""Pairs whose results are compared with the definition."""
SHAPES = [*itertools.product((16, 32, 64), (16, 32), (4, 8)), (128, 16, 8)]
"""Pairs, pixels and warps of one program."""
Times = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Scene:
    """Images of a working size, each with so many orientations, and shifts."""

    size: int
    images: int
    orientations: int
    shifts: int
    is_near: bool

    @property
    def name(self) -> str:
        """Its sizes."""
        where = "near" if self.is_near else "strewn"
        return f"{self.size} px, {self.images} x {self.orientations} {where}, {self.shifts} shifts"


SCENES = (
    Scene(120, 64, 400, 29, True),
    Scene(120, 64, 200, 116, False),
    Scene(240, 64, 100, 116, True),
)


@dataclass(frozen=True)
class Made:
    """The numbers of a scene on the device."""

    projector: PairedProjector
    rotations: Tensor
    owner: Tensor
    xy: tuple[Tensor, Tensor]
    images: Tensor
    strength: Tensor
    phases: Tensor

    @property
    def samples(self) -> int:
        """Points sampled for all pairs."""
        return len(self.rotations) * len(self.xy[0])


def made(scene: Scene) -> Made:
    """Random numbers for a scene, the same each time."""
    draw = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    pixels = half_plane_pixels(scene.size, 1.0)
    count, pairs = len(pixels.shell), (scene.images, scene.orientations)
    centres = torch.linalg.qr(random(scene.images, 1, 3, 3)).Q
    turns = torch.linalg.qr(random(*pairs, 3, 3)).Q
    if scene.is_near:
        skew = 0.03 * random(*pairs, 3, 3)
        turns = torch.linalg.matrix_exp(skew - skew.transpose(2, 3)) @ centres
    values = random(*grid_shape(PADDING, scene.size // 2), 2)
    return Made(
        paired(Projector(values.to(DEVICE), PADDING, scene.size // 2)),
        turns.reshape(-1, 3, 3).contiguous().to(DEVICE),
        torch.arange(scene.images).repeat_interleave(scene.orientations).to(DEVICE),
        (pixels.model_x.to(DEVICE), pixels.model_y.to(DEVICE)),
        random(scene.images, 2, count).to(DEVICE),
        random(scene.images, count).abs().to(DEVICE),
        random(scene.shifts, 2, count).to(DEVICE),
    )


def timed(work: Callable[[], object], samples: int) -> dict[str, float]:
    """Milliseconds of some work (median), and how many samples that are in a second."""
    from triton.testing import do_bench

    milliseconds = do_bench(work, warmup=10, rep=40, return_mode="median")
    return {"ms": round(milliseconds, 3), "Gsamples_per_s": round(samples / milliseconds / 1e6, 2)}


def compared(scene: Scene, with_shapes: bool) -> Times:
    """The scoring kernel, in the first pass (tf32) and in the second."""
    from compute.expectation import pairs_triton

    given, found = made(scene), {}
    arguments = (given.xy, given.images, given.strength, given.phases)

    def run(kernels: Any, last: int | None, is_exact: bool) -> Tensor:
        which = given.rotations[:last], given.owner[:last]
        cross: Tensor = kernels.scores(given.projector, *which, *arguments, is_exact)[0]
        return cross

    expected = run(pairs_torch, CHECKED, True)
    chosen = (pairs_triton.PAIRS, pairs_triton.PIXELS, pairs_triton.WARPS)
    for shape in [chosen, *(SHAPES if with_shapes else ())]:
        pairs_triton.PAIRS, pairs_triton.PIXELS, pairs_triton.WARPS = shape
        for is_exact in (False, True):
            name = f"scores, {'second' if is_exact else 'first'} pass, {shape}"
            try:
                error = (run(pairs_triton, None, is_exact)[:CHECKED] - expected).std()
                found[name] = timed(
                    lambda is_exact=is_exact: run(pairs_triton, None, is_exact), given.samples
                ) | {"error": float(error / expected.std())}
            except Exception as error:
                print(f"{name}: {type(error).__name__}", file=sys.stderr)
    pairs_triton.PAIRS, pairs_triton.PIXELS, pairs_triton.WARPS = chosen
    return found


def summed(scene: Scene) -> Times:
    """The kernels of the posterior's sums and of insertion, with three and with four numbers for a voxel."""
    from compute.expectation import pairs_triton

    given = made(scene)
    pairs, pixels = len(given.rotations), len(given.xy[0])
    means = torch.randn(pairs, 2, pixels, device=DEVICE)
    shares = torch.rand(pairs, device=DEVICE)
    where = (given.rotations, given.owner, given.xy, given.images, shares, means)
    fit, model = torch.zeros(2, scene.images, pixels, device=DEVICE)
    found = {
        "model sums": timed(
            lambda: pairs_triton.model_sums(given.projector, *where, fit, model), given.samples
        )
    }
    every = []
    for numbers in (3, 4):
        sums = torch.zeros(*grid_shape(PADDING, scene.size // 2), numbers, device=DEVICE)

        def put(sums: Tensor = sums) -> None:
            pairs_triton.put_back(sums[..., :3], PADDING, *where, given.strength)

        put()
        every.append(sums[..., :3].clone())
        found[f"insertion, {numbers} numbers"] = timed(put, given.samples)
    apart = (every[1] - every[0]).abs().max() / every[0].abs().max()
    found["insertion, 4 numbers"]["error"] = float(apart)
    return found


def main(arguments: list[str]) -> int:
    """Time all kernels; 2 where there is no GPU for them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shapes", action="store_true")
    with_shapes = parser.parse_args(arguments).shapes
    if not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    results = {}
    for scene in SCENES:
        results[scene.name] = compared(scene, with_shapes) | summed(scene)
        print(scene.name)
        for name, one in results[scene.name].items():
            print(f"  {name:40s} {one['ms']:9.3f} ms {one['Gsamples_per_s']:8.2f} Gsamples/s")
    path = RESULTS / f"gpu_kernels_{kind()}.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
