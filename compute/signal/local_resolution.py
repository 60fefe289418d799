"""Local resolution: the FSC of two half-maps inside a small soft sphere around each of many points.

The curve of each window is made non-increasing by weighted least squares (isotonic regression), so that the
noise of single shells, which hold few values in a small window, does not decide where it crosses the
threshold. What windowing alone correlates is measured with random phases (Chen et al. 2013), averaged over
windows, and taken out as for a whole map. Windowed FSC: Cardone, Heymann & Steven 2013, J. Struct. Biol.
184, 226.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from compute.signal.fourier import lowpass_at, radial_frequency
from compute.signal.masks import sphere
from compute.signal.slices import squared_radius

BATCH_VALUES = 1 << 21
"""Values of one batch of windows: what stays in the caches of a processor or two."""


@dataclass(frozen=True, slots=True)
class Window:
    """A soft sphere in a small box, and which shell each value of its half transform belongs to.

    `membership` has one column for each shell 0 … box/2; the shells are those of the window's box.
    """

    weight: Float32[Tensor, "z y x"]
    membership: Float32[Tensor, "value shell"]

    @property
    def box(self) -> int:
        """Edge of the window's box in voxels."""
        return self.weight.shape[0]

    @property
    def counts(self) -> Float32[Tensor, "shell"]:
        """Values in each shell."""
        return self.membership.sum(0)


def make_window(diameter_px: float) -> Window:
    """A sphere whose weight is one half at its diameter, and falls over a third of it."""
    edge = diameter_px / 3
    outer = diameter_px / 2 + edge / 2
    box = good_box(2 * math.ceil(outer))
    shell = (radial_frequency(box, 3) + 0.5).long().flatten()
    shells = torch.arange(box // 2 + 1)
    return Window(sphere(box, outer - edge, edge), (shell[:, None] == shells).float())


def sample_points(
    is_wanted: Bool[Tensor, "z y x"], step: int
) -> tuple[Int64[Tensor, "point 3"], Int64[Tensor, "point 3"]]:
    """Grid nodes and voxels (z, y, x) of a grid of `step` voxels that lie where they are wanted."""
    nodes = torch.nonzero(is_wanted[::step, ::step, ::step])
    return nodes, nodes * step


def local_fsc(
    first: Float32[Tensor, "z y x"],
    second: Float32[Tensor, "z y x"],
    points: Int64[Tensor, "point 3"],
    window: Window,
    told: Callable[[int], None] = lambda done: None,
) -> Float32[Tensor, "point shell"]:
    """The FSC inside the window around each point; `told` hears of each batch how many points it had.

    Beyond the box the maps are zero. A shell without power in a map has the FSC 0, shell 0 has 1.
    """
    if not len(points):
        return first.new_zeros(0, len(window.counts))
    views = [_windows_of(volume, window.box) for volume in (first, second)]
    curves = []
    for batch in _batches(points, window.box):
        z, y, x = batch.unbind(1)
        a, b = (
            torch.view_as_real(torch.fft.rfftn(view[z, y, x] * window.weight, dim=(1, 2, 3)))
            for view in views
        )
        sums = [
            (one * two).sum(-1).flatten(1) @ window.membership
            for one, two in ((a, b), (a, a), (b, b))
        ]
        power = (sums[1] * sums[2]).sqrt()
        curve = torch.where(power > 0, sums[0] / power.where(power > 0, 1.0), 0.0)
        curve[:, 0] = 1.0
        curves.append(curve)
        told(len(batch))
    return torch.cat(curves)


def corrected(
    curves: Float32[Tensor, "point shell"], random: Float64[Tensor, "shell"], from_shell: int
) -> Float32[Tensor, "point shell"]:
    """(FSC - random) / (1 - random) from a shell on, with the mean curve of random phases (not below 0)."""
    bias = random.clamp(0.0, 0.99).float()
    bias[:from_shell] = 0.0
    return (curves - bias) / (1.0 - bias)


def non_increasing(
    curves: Float32[Tensor, "point shell"], counts: Float32[Tensor, "shell"]
) -> Float32[Tensor, "point shell"]:
    """The non-increasing curves nearest to the given ones, each shell weighted by its number of values.

    The value at k is the least, over starts i <= k, of the largest mean from i to any end j >= k
    (Barlow et al. 1972, the min-max formula of isotonic regression).
    """
    zero = curves.new_zeros(len(curves), 1)
    sums = torch.cat([zero, (curves * counts).cumsum(1)], 1)
    weights = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    shells = len(counts)
    best = curves.new_full(curves.shape, torch.inf)
    for start in range(shells):
        means = (sums[:, start + 1 :] - sums[:, start : start + 1]) / (
            weights[start + 1 :] - weights[start]
        )
        largest = means.flip(1).cummax(1).values.flip(1)
        best[:, start:] = torch.minimum(best[:, start:], largest)
    return best


def crossing_frequency(
    curves: Float32[Tensor, "point shell"], threshold: float, extent_A: float
) -> Float32[Tensor, "point"]:
    """The frequency (1/Å) at which each curve first falls below a threshold, between shells.

    The last shell's where it never does, and that of shell 1 where it does so at once.
    """
    below = curves[:, 1:] < threshold
    first = torch.where(below.any(1), 1 + below.int().argmax(1), curves.shape[1])
    last = curves.shape[1] - 1
    after = curves.gather(1, first.clamp(max=last)[:, None])[:, 0]
    before = curves.gather(1, (first - 1)[:, None])[:, 0]
    share = (before - threshold) / (before - after).clamp(min=1e-6)
    shell = torch.where(first > last, float(last), first - 1 + share.clamp(0.0, 1.0))
    return shell.clamp(min=1.0) / extent_A


def spread(
    values: Float32[Tensor, "point"],
    nodes: Int64[Tensor, "point 3"],
    step: int,
    box: int,
    elsewhere: float,
) -> Float32[Tensor, "z y x"]:
    """Values at grid nodes, interpolated to all voxels of a box; `elsewhere` where no node is near."""
    nodes_per_edge = -(-(box - 1) // step) + 1
    grid = torch.zeros(2, nodes_per_edge, nodes_per_edge, nodes_per_edge)
    z, y, x = nodes.unbind(1)
    grid[0, z, y, x] = values
    grid[1, z, y, x] = 1.0
    size = ((nodes_per_edge - 1) * step + 1,) * 3
    fine = torch.nn.functional.interpolate(
        grid[None], size=size, mode="trilinear", align_corners=True
    )[0, :, :box, :box, :box]
    is_near = fine[1] > 1e-3
    return torch.where(is_near, fine[0] / fine[1].where(is_near, 1.0), elsewhere)


def locally_filtered(
    volume: Float32[Tensor, "z y x"],
    frequency_per_A: Float32[Tensor, "z y x"],
    pixel_size_A: float,
    most_levels: int,
    told: Callable[[int], None] = lambda done: None,
) -> Float32[Tensor, "z y x"]:
    """The map low-passed at each voxel's own frequency (1/Å): a mixture of maps filtered at even steps between.

    There are at most `most_levels` of them, and no more than four for each shell.
    """
    box, extent_A = len(volume), len(volume) * pixel_size_A
    low, high = float(frequency_per_A.min()), float(frequency_per_A.max())
    levels = 1 + min(most_levels - 1, math.ceil(4.0 * (high - low) * extent_A))
    spacing = (high - low) / (levels - 1) if levels > 1 else 1.0
    place = (frequency_per_A - low) / spacing
    transform, squared = torch.fft.rfftn(volume), squared_radius(box)
    radius = torch.arange(int(squared.max()) + 1, dtype=torch.float64).sqrt()
    filtered = torch.zeros_like(volume)
    for level in range(levels):
        weight = lowpass_at(radius, int(extent_A * (low + level * spacing) + 0.5)).float()
        share = (place - level).abs_().neg_().add_(1.0).clamp_(min=0.0)
        filtered.addcmul_(share, torch.fft.irfftn(transform * weight[squared], s=volume.shape))
        told(1)
    told(most_levels - levels)
    return filtered


def _windows_of(volume: Float32[Tensor, "z y x"], box: int) -> Tensor:
    """A view with the window around each voxel: (z, y, x, window z, window y, window x)."""
    padded = torch.nn.functional.pad(volume, (box // 2, box - box // 2 - 1) * 3)
    for axis in range(3):
        padded = padded.unfold(axis, box, 1)
    return padded


def _batches(points: Int64[Tensor, "point 3"], box: int) -> Iterator[Int64[Tensor, "few 3"]]:
    yield from points.split(max(1, BATCH_VALUES // box**3))


def good_box(least: int) -> int:
    """The smallest even box from `least` on whose transform is fast (factors 2, 3 and 5)."""
    box = least + least % 2
    while True:
        rest = box
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return box
        box += 2
