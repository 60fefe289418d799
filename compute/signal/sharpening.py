"""What turns the average of two half-maps into the map that is looked at: MTF, FSC weight, B-factor.

Transforms are those of `rfftn(norm="forward")`: the zero frequency holds the mean. Shells are
round(|k|), frequencies s = |k| / extent in 1/Å. The B-factor is that of amplitudes, exp(-B s^2 / 4),
found from the line ln <|F|> = intercept + slope s^2, B = 4 slope (Rosenthal & Henderson 2003, J. Mol.
Biol. 333, 721); a negative one sharpens.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float, Float64
from torch import Tensor

from compute.signal.fourier import radial_frequency
from compute.signal.fsc import fsc_weight

NO_AMPLITUDE = -99.0
"""The logarithm that stands in tables for the amplitude of an empty shell."""
SMALLEST_FSC = 1e-4
"""The weight is zero from the first shell on whose FSC is below this."""
SMALLEST_MTF = 1e-10


@dataclass(frozen=True, slots=True)
class GuinierFit:
    """A straight line through ln <|F|> against s^2: slope (Å^2), intercept, squared correlation."""

    slope_A2: float
    intercept: float
    correlation: float
    points: int

    @property
    def b_factor_A2(self) -> float:
        """The B-factor that makes the amplitudes flat."""
        return 4.0 * self.slope_A2


def mtf_weight(
    frequency_per_A: Float[Tensor, "*axes"],
    table_per_pixel: Float64[np.ndarray, "row"],
    table_mtf: Float64[np.ndarray, "row"],
    detector_pixel_size_A: float,
) -> Float[Tensor, "*axes"]:
    """The modulation transfer of a detector at frequencies (1/Å), from its table in 1/pixel.

    Interpolated linearly; the ends of the table stand for what lies outside. Raises ValueError where
    the table is not in order or falls below 1e-10.
    """
    if len(table_mtf) < 2 or np.any(np.diff(table_per_pixel) <= 0):
        raise ValueError(
            "the frequencies of the MTF must rise from row to row, in two rows or more"
        )
    if np.any(table_mtf < SMALLEST_MTF):
        row = int(np.argmax(table_mtf < SMALLEST_MTF))
        raise ValueError(f"the MTF is {table_mtf[row]:g} in row {row + 1} but must be positive")
    values = np.interp(
        frequency_per_A.double().cpu().numpy(), table_per_pixel / detector_pixel_size_A, table_mtf
    )
    return torch.from_numpy(values).to(frequency_per_A.device, frequency_per_A.dtype)


def divide_by_mtf(
    transform: Complex[Tensor, "z y xhalf"],
    table_per_pixel: Float64[np.ndarray, "row"],
    table_mtf: Float64[np.ndarray, "row"],
    detector_pixel_size_A: float,
    extent_A: float,
) -> Complex[Tensor, "z y xhalf"]:
    """The transform over the MTF below the Nyquist frequency, and as it is from there on."""
    box = transform.shape[0]
    radius = radial_frequency(box, 3, transform.device)
    mtf = mtf_weight(radius / extent_A, table_per_pixel, table_mtf, detector_pixel_size_A)
    return transform / mtf.where(radius < box / 2, 1.0)


def fsc_filter(curve: Float64[Tensor, "shell"]) -> Float64[Tensor, "shell"]:
    """sqrt(2 FSC / (1 + FSC)) of each shell, 0 from the first one on whose FSC is below 1e-4."""
    below = torch.nonzero(~(curve[1:] >= SMALLEST_FSC))
    weight = fsc_weight(curve)
    if len(below):
        weight[1 + int(below[0]) :] = 0.0
    return weight


def weight_shells(
    transform: Complex[Tensor, "z y xhalf"], weight: Float64[Tensor, "shell"]
) -> Complex[Tensor, "z y xhalf"]:
    """The transform times a weight for each shell; 0 beyond the last shell."""
    whole = torch.cat([weight, weight.new_zeros(1)])
    return transform * whole[_shells(transform, len(weight))].to(transform.real.dtype)


def apply_b_factor(
    transform: Complex[Tensor, "z y xhalf"], b_factor_A2: float, extent_A: float
) -> Complex[Tensor, "z y xhalf"]:
    """The transform times exp(-B s^2 / 4) up to the Nyquist frequency, and 0 beyond it."""
    box = transform.shape[0]
    radius = radial_frequency(box, 3, transform.device)
    factor = torch.exp((-b_factor_A2 / 4.0 / extent_A**2) * radius.square())
    return transform * factor.where(radius <= box / 2, 0.0)


def log_amplitudes(
    transform: Complex[Tensor, "z y xhalf"], shells: int
) -> Float64[Tensor, "shell"]:
    """ln <|F|> of shells 0 … shells-1; -99 for a shell without any amplitude."""
    shell = _shells(transform, shells).flatten()
    sums = torch.bincount(shell, transform.abs().double().flatten(), minlength=shells + 1)[:shells]
    counts = torch.bincount(shell, minlength=shells + 1)[:shells]
    mean = sums / counts
    return torch.where(mean > 0, mean.clamp(min=1e-300).log(), NO_AMPLITUDE)


def guinier_fit(
    squared_per_A2: Float64[Tensor, "shell"],
    log_amplitude: Float64[Tensor, "shell"],
    is_used: Bool[Tensor, "shell"],
) -> GuinierFit | None:
    """The line of least squares through the used points that have an amplitude; None for fewer than two."""
    used = is_used & (log_amplitude > NO_AMPLITUDE)
    count = int(used.sum())
    if count < 2:
        return None
    x, y = squared_per_A2[used], log_amplitude[used]
    dx, dy = x - x.mean(), y - y.mean()
    xx, xy, yy = float(dx @ dx), float(dx @ dy), float(dy @ dy)
    slope = xy / xx
    correlation = xy * xy / (xx * yy) if yy > 0 else 1.0
    return GuinierFit(slope, float(y.mean()) - slope * float(x.mean()), correlation, count)


def _shells(transform: Complex[Tensor, "z y xhalf"], shells: int) -> Tensor:
    """round(|k|) of each value, `shells` for those beyond the last shell."""
    radius = radial_frequency(transform.shape[0], 3, transform.device)
    return (radius + 0.5).long().clamp_(max=shells)
