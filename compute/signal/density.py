"""Density of a set of points (atoms) on a cubic grid."""

import torch
from jaxtyping import Complex, Float, Float64, Int64
from torch import Tensor

_OVERSAMPLING = 2
"""Fine grid per final grid: with cubic B-splines the aliased part is below 1.3 % at the last
shell, ((1/4) / (1 - 1/4))^4, and below 0.05 % at half of it."""

_CHUNK = 1 << 18


def density_map(
    positions_A: Float64[Tensor, "atom 3"],
    weights: Float64[Tensor, "atom"],
    box: int,
    pixel_size_A: float,
    b_factor_A2: float = 100.0,
) -> Float[Tensor, "z y x"]:
    """Map of point scatterers at `positions_A` (x, y, z, from the box centre), float32.

    Its transform is sum_j w_j exp(-2 pi i s.r_j) exp(-B s^2 / 4) up to the grid's last frequency,
    where s is in 1/Å, so that the voxels add up to the sum of the weights. The points are spread
    with cubic B-splines on a grid twice as fine, whose own transform is divided out.
    Raises ValueError for an odd box and for points outside the box.
    """
    if box % 2 or box < 4:
        raise ValueError(f"the box is {box} pixels but boxes must be even and at least 4")
    reach = float(positions_A.abs().max()) / pixel_size_A
    if reach > box / 2 - 1:
        raise ValueError(
            f"the model reaches {reach * pixel_size_A:.1f} Å from its centre but a box of {box} "
            f"pixels of {pixel_size_A:g} Å reaches {(box / 2 - 1) * pixel_size_A:.1f} Å: "
            "take a larger box or a larger pixel size"
        )
    fine_box = _OVERSAMPLING * box
    grid = _spread(positions_A * (_OVERSAMPLING / pixel_size_A), weights, fine_box)
    transform = _cropped(torch.fft.rfftn(torch.fft.ifftshift(grid)), box)
    along_axis = torch.fft.fftfreq(box, dtype=torch.float64, device=grid.device)
    spline = torch.sinc(along_axis / _OVERSAMPLING) ** 4
    falloff = torch.exp(-b_factor_A2 / 4.0 * (along_axis / pixel_size_A) ** 2) / spline
    falloff[box // 2] = 0.0
    half = falloff[: box // 2 + 1]
    transform *= (falloff[:, None, None] * falloff[None, :, None] * half).to(transform.dtype)
    values: Tensor = torch.fft.irfftn(transform, s=(box, box, box))
    return torch.fft.fftshift(values)


def _spread(
    positions: Float64[Tensor, "atom 3"], weights: Float64[Tensor, "atom"], box: int
) -> Float[Tensor, "z y x"]:
    """Grid with every point's weight shared out by the cubic B-spline over 4^3 voxels."""
    grid = torch.zeros(box**3, dtype=torch.float32, device=positions.device)
    steps = torch.arange(-1, 3, device=positions.device)
    for first in range(0, len(weights), _CHUNK):
        at = positions[first : first + _CHUNK] + box // 2
        corner = torch.floor(at).to(torch.int64)
        share = _spline_weights(at - corner)
        index: Int64[Tensor, "atom axis tap"] = (corner[:, :, None] + steps) % box
        flat = (index[:, 2, :, None, None] * box + index[:, 1, None, :, None]) * box
        flat = flat + index[:, 0, None, None, :]
        value = share[:, 2, :, None, None] * share[:, 1, None, :, None] * share[:, 0, None, None]
        value = value * weights[first : first + _CHUNK, None, None, None]
        grid.index_add_(0, flat.reshape(-1), value.reshape(-1).float())
    return grid.reshape(box, box, box)


def _spline_weights(fraction: Float64[Tensor, "atom axis"]) -> Float64[Tensor, "atom axis 4"]:
    """Cubic B-spline at the four grid points around a position (de Boor's uniform case)."""
    t = fraction
    return torch.stack(
        (
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        ),
        dim=-1,
    )


def _cropped(
    transform: Complex[Tensor, "z y xhalf"], box: int
) -> Complex[Tensor, "small_z small_y small_xhalf"]:
    """The lowest frequencies of a half transform, as the half transform of a box of `box`."""
    keep = torch.cat((torch.arange(box // 2), torch.arange(-box // 2, 0) + transform.shape[0])).to(
        transform.device
    )
    return transform[keep][:, keep][:, :, : box // 2 + 1].clone()
