"""The padded Fourier volume of a map, ready to be sliced."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Complex, Float, Float16, Int64
from torch import Tensor

from compute.projection import large_pages
from compute.projection.placing_cpu import place

ON_DEVICE = 4
"""Numbers that a voxel of sums takes on a GPU, the last of them unused: four in a row are added at once."""
SLAB_PLANES = 64
"""Planes looked at together for the largest value, on a GPU."""
SLAB_VALUES = 1 << 20
"""Values transformed at a time: a few temporaries of 8 MB each."""
HALF_EXPONENT = 15
"""The largest value of a packed projector lies below two to this power: half floats reach 65504."""
LARGEST_PACKED = 1856
"""The largest padded working size on the CPU: places in a packed projector are numbers of 32 bits."""


@dataclass(frozen=True, slots=True)
class Projector:
    """The half transform of a map on a finer grid.

    values: real and imaginary parts, x >= 0; the zero frequency is at (origin, origin, 0).
    padding: how much finer the grid is than the map's own Fourier lattice.
    radius: largest frequency kept, in the map's own Fourier index; the rest is zero.
    """

    values: Float[Tensor, "z y x 2"]
    padding: int
    radius: int

    @property
    def origin(self) -> int:
        """Index of the zero frequency along z and y."""
        return (self.values.shape[0] - 1) // 2

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.values.device

    def times(self, factor: float) -> "Projector":
        """The projector of the map times a factor."""
        return replace(self, values=self.values * factor)


@dataclass(frozen=True, slots=True)
class PackedProjector:
    """A projector as the CPU slices it: half floats in bricks of one line of the cache.

    A brick holds values of 2 x 2 x 4 places along z, y and x; the last along x is the first of the next brick.
    Bricks times `factor`, a power of two, are the values: rounded to 11 binary digits, 2⁻²⁹ of the largest one at
    worst. That takes two thirds of the memory of the values themselves, and slices fetch a quarter of the lines.
    """

    bricks: Float16[Tensor, "bricks_z bricks_y bricks_x 2 2 4 2"]
    factor: float
    padding: int
    radius: int

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.bricks.device

    @property
    def values(self) -> Float[Tensor, "z y x 2"]:
        """The rounded values, as a `Projector` has them: made anew each time."""
        layers, rows, columns = self.bricks.shape[:3]
        side, _, length = grid_shape(self.padding, self.radius)
        ordered = self.bricks.permute(0, 3, 1, 4, 2, 5, 6)
        inner = ordered[:, :, :, :, :, :3].reshape(2 * layers, 2 * rows, 3 * columns, 2)
        last = ordered[:, :, :, :, -1:, 3].reshape(2 * layers, 2 * rows, 1, 2)
        whole = torch.cat((inner, last), 2)[:side, :side, :length]
        return whole.float() * self.factor

    def times(self, factor: float) -> "PackedProjector":
        """The projector of the map times a factor."""
        return replace(self, factor=self.factor * factor)


@dataclass(frozen=True, slots=True)
class PairedProjector:
    """A projector as kernels in Triton slice it: every value as half floats beside the next one along x.

    A record is real and imaginary part of both, 16 bits each from the lowest on: a kernel reads what lies between in
    four loads. Records times `factor`, a power of two, are the values, rounded as those of a `PackedProjector`.
    """

    records: Int64[Tensor, "z y x"]
    factor: float
    padding: int
    radius: int

    @property
    def origin(self) -> int:
        """Index of the zero frequency along z and y."""
        return (self.records.shape[0] - 1) // 2

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.records.device

    @property
    def values(self) -> Float[Tensor, "z y x 2"]:
        """The rounded values, as a `Projector` has them: made anew each time."""
        return self.records.view(torch.float16).unflatten(2, (-1, 4))[..., :2].float() * self.factor

    def times(self, factor: float) -> "PairedProjector":
        """The projector of the map times a factor."""
        return replace(self, factor=self.factor * factor)


AnyProjector = Projector | PackedProjector | PairedProjector


def paired(projector: AnyProjector) -> PairedProjector:
    """The projector as kernels in Triton slice it."""
    if isinstance(projector, PairedProjector):
        return projector
    values = projector.values
    factor = _factor(max(float(plane.abs().max()) for plane in values.split(SLAB_PLANES)))
    halves = torch.zeros(*values.shape[:3], 4, dtype=torch.float16, device=values.device)
    torch.mul(values, 1 / factor, out=halves[..., :2])
    halves[:, :, :-1, 2:] = halves[:, :, 1:, :2]
    return PairedProjector(
        halves.view(torch.int64)[..., 0], factor, projector.padding, projector.radius
    )


def _factor(largest: float) -> float:
    """The power of two that values are divided by before they are rounded to half floats."""
    return 2.0 ** (math.frexp(largest)[1] - HALF_EXPONENT) if largest > 0 else 1.0


def packed(projector: AnyProjector) -> PackedProjector:
    """The projector as the CPU slices it.

    Raises ValueError beyond a working size of `LARGEST_PACKED` / padding, whose values are too many to be numbered.
    """
    if isinstance(projector, PackedProjector):
        return projector
    if isinstance(projector, PairedProjector):
        projector = Projector(projector.values, projector.padding, projector.radius)
    reach = projector.padding * projector.radius
    if 2 * reach > LARGEST_PACKED:
        raise ValueError(
            f"working size {2 * projector.radius} with padding {projector.padding} is too large for the CPU, which "
            f"takes at most {LARGEST_PACKED // projector.padding}; refine on a GPU or at a coarser pixel"
        )
    values = projector.values
    factor = _factor(max(float(plane.abs().max()) for plane in values))
    layers, columns = reach + 2, reach // 3 + 1
    shape = (layers, layers, columns, 2, 2, 4, 2)
    bricks = torch.from_numpy(large_pages.zeros(shape, np.float16))
    two = torch.zeros(2, 2 * layers, 3 * columns + 1, 2, dtype=torch.float16)
    for layer, planes in zip(bricks.view(torch.int32), values.split(2), strict=True):
        two[len(planes) :] = 0.0
        two[: len(planes), : values.shape[1], : values.shape[2]] = planes / factor
        ordered = two.view(torch.int32)[..., 0].unfold(2, 4, 3).unflatten(1, (layers, 2))
        layer[..., 0] = ordered.permute(1, 3, 0, 2, 4)
    return PackedProjector(bricks, factor, projector.padding, projector.radius)


def grid_shape(padding: int, radius: int) -> tuple[int, int, int]:
    """Shape of a half volume that holds |q| <= padding*radius and the eight neighbours of any such point."""
    side = 2 * padding * radius + 3
    return side, side, padding * radius + 2


def interpolation_falloff(
    box: int, padding: int, device: torch.device, planes: slice = slice(None)
) -> Float[Tensor, "z y x"]:
    """Squared sinc by which linear interpolation in the padded transform damps the map at each voxel of some planes.

    At radius r (pixels) it is sinc²(r / (box·padding)), sinc(u) = sin(πu)/(πu).
    """
    axis = (torch.arange(box, device=device) - box // 2).square_()
    radius = torch.arange(3 * (box // 2) ** 2 + 1, device=device).double().sqrt_()
    falloff = torch.special.sinc(radius / (box * padding)).square_().float()
    return falloff.take(axis[planes, None, None] + axis[:, None] + axis)


def build_projector(volume: Float[Tensor, "z y x"], padding: int, size: int) -> Projector:
    """The projector of a map for images of working size `size`.

    A slice of it equals the transform (with its factor 1/N²) of the map's line integral, a plain sum over voxels.
    The falloff of linear interpolation is compensated beforehand. The transform is pruned: each axis is padded only
    when its turn comes, and only frequencies inside the working size are carried on. Beyond the projector and the
    map, memory is that of the transform along x, box² · (padding·size/2 + 1) complex numbers, and a few slabs.

    Raises ValueError when the box is odd or the working size exceeds it.
    """
    box = volume.shape[0]
    if box % 2 or size > box or size % 2:
        raise ValueError(
            f"working size {size} must be even and at most the even box size, which is {box}"
        )
    radius = size // 2
    extent = padding * radius
    padded = padding * box
    device = volume.device
    start = torch.exp(
        2j * torch.pi * (box // 2) * torch.arange(padded, device=device).double() / padded
    )
    phase = start.to(torch.complex64)
    along_x = _transform_along_x(volume, padding, extent, phase)
    values = torch.zeros(*grid_shape(padding, radius), 2, device=device)
    for part in _slabs(extent + 1, padded * (2 * extent + 1)):
        along_y = torch.fft.fft(along_x[:, :, part], n=padded, dim=1)
        kept = along_y.new_empty(box, 2 * extent + 1, along_y.shape[2])
        before = slice(padded - extent, padded)
        torch.mul(along_y[:, before], phase[before, None], out=kept[:, :extent])
        torch.mul(along_y[:, : extent + 1], phase[: extent + 1, None], out=kept[:, extent:])
        whole = torch.fft.fft(kept, n=padded, dim=0)
        if device.type == "cpu":
            arrays = (torch.view_as_real(one).numpy() for one in (whole, phase))
            place(*arrays, np.float32(1 / box**2), part.start, values.numpy())
        else:
            place_torch(whole, phase, 1 / box**2, part.start, values)
    return Projector(values, padding, radius)


def place_torch(
    transform: Complex[Tensor, "z y x"],
    phase: Complex[Tensor, " z"],
    factor: float,
    first_x: int,
    values: Float[Tensor, "side rows length 2"],
) -> None:
    """Frequencies of a transformed slab times their phase along z and a factor into the values of a projector.

    The zero frequency of the transform is in front along z and in the middle along y; x begins with the frequency
    first_x. Values outside the sphere are 0.
    """
    extent, count = transform.shape[1] // 2, transform.shape[2]
    rows = torch.arange(-extent, extent + 1, device=values.device)
    half = transform[rows] * (factor * phase[rows])[:, None, None]
    squares, along_x = rows * rows, torch.arange(first_x, first_x + count, device=values.device)
    outside = squares[:, None, None] + squares[:, None] + along_x**2 > extent**2
    inner = slice(1, 2 * extent + 2)
    half[outside] = 0.0
    values[inner, inner, first_x : first_x + count] = torch.view_as_real(half)


def _transform_along_x(
    volume: Float[Tensor, "z y x"], padding: int, extent: int, phase: Complex[Tensor, " padded"]
) -> Complex[Tensor, "z y frequency"]:
    """The map without its falloff, padded and transformed along x up to the frequency `extent`."""
    box, padded = volume.shape[0], len(phase)
    out = torch.empty(box, box, extent + 1, dtype=torch.complex64, device=volume.device)
    for planes in _slabs(box, box * padded):
        falloff = interpolation_falloff(box, padding, volume.device, planes)
        half = torch.fft.rfft(volume[planes] / falloff, n=padded, dim=2)
        out[planes] = half[:, :, : extent + 1] * phase[: extent + 1]
    return out


def _slabs(length: int, values_per_layer: int) -> Iterator[slice]:
    """Consecutive ranges of layers that hold about `SLAB_VALUES` values each."""
    step = max(1, SLAB_VALUES // values_per_layer)
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
