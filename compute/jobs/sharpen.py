"""The average of two half-maps after MTF, FSC weight, B-factor and low-pass filter."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float32, Float64
from torch import Tensor

from compute.files.postprocess_files import GuinierTable
from compute.jobs.half_fsc import HalfFsc
from compute.params.postprocess import PostprocessParams
from compute.signal.fourier import lowpass_weight
from compute.signal.sharpening import (
    GuinierFit,
    apply_b_factor,
    divide_by_mtf,
    fsc_filter,
    guinier_fit,
    log_amplitudes,
    weight_shells,
)

Mtf = tuple[Float64[np.ndarray, "row"], Float64[np.ndarray, "row"]]


@dataclass(frozen=True, slots=True)
class Sharpened:
    """The map, the B-factor that was applied, the line it came from and the amplitudes of all steps.

    `inside` is the line for the map inside the mask down to the resolution, if there is a mask.
    """

    volume: Float32[Tensor, "z y x"]
    b_factor_A2: float
    fit: GuinierFit | None
    inside: GuinierFit | None
    guinier: GuinierTable


def sharpen(
    average: Complex[Tensor, "z y xhalf"],
    found: HalfFsc,
    params: PostprocessParams,
    mtf: Mtf | None = None,
    mask: Float32[Tensor, "z y x"] | None = None,
) -> Sharpened:
    """The average of the halves after MTF, FSC weight, B-factor and low-pass filter, in this order.

    The mask serves only to fit the amplitudes inside it.
    """
    box, extent_A = average.shape[0], found.extent_A
    shells = len(found.final)
    original = log_amplitudes(average, shells)
    transform, corrected, weighted = average, None, None
    if mtf is not None:
        transform = divide_by_mtf(transform, *mtf, params.mtf_pixel_size_A, extent_A)
        corrected = log_amplitudes(transform, shells)
    if not params.skip_fsc_weighting:
        transform = weight_shells(transform, fsc_filter(found.final))
        weighted = log_amplitudes(transform, shells)
    fit = inside = None
    if params.auto_b_factor:
        fit = _fitted(transform, shells, extent_A, params, params.fit_highest_resolution_A)
        if mask is not None:
            alone = torch.fft.irfftn(transform, s=(box,) * 3, norm="forward") * mask
            end_A = params.fit_highest_resolution_A or found.resolution_A()
            masked = torch.fft.rfftn(alone, norm="forward")
            inside = _fitted(masked, shells, extent_A, params, end_A)
        fit = inside if params.fit_inside_mask else fit
    b_factor_A2 = fit.b_factor_A2 if fit is not None else params.own_b_factor_A2
    if b_factor_A2 != 0:
        transform = apply_b_factor(transform, b_factor_A2, extent_A)
    steps = (original, corrected, weighted, log_amplitudes(transform, shells))
    transform = _filtered(transform, found, params)
    first, second, third, last = (None if one is None else one.numpy() for one in steps)
    assert first is not None and last is not None
    guinier = GuinierTable(first, second, third, last, None if fit is None else fit.intercept)
    volume = torch.fft.irfftn(transform, s=(box,) * 3, norm="forward")
    return Sharpened(volume, b_factor_A2, fit, inside, guinier)


def sharpened_alike(
    half: Complex[Tensor, "z y xhalf"],
    found: HalfFsc,
    params: PostprocessParams,
    b_factor_A2: float,
    mtf: Mtf | None = None,
) -> Float32[Tensor, "z y x"]:
    """A half-map after the same steps as the average, with the B-factor that was found for that."""
    box, transform = half.shape[0], half
    if mtf is not None:
        transform = divide_by_mtf(transform, *mtf, params.mtf_pixel_size_A, found.extent_A)
    if not params.skip_fsc_weighting:
        transform = weight_shells(transform, fsc_filter(found.final))
    if b_factor_A2 != 0:
        transform = apply_b_factor(transform, b_factor_A2, found.extent_A)
    transform = _filtered(transform, found, params)
    return torch.fft.irfftn(transform, s=(box,) * 3, norm="forward")


def _filtered(
    transform: Complex[Tensor, "z y xhalf"], found: HalfFsc, params: PostprocessParams
) -> Complex[Tensor, "z y xhalf"]:
    """What the low-pass filter leaves; one below 0 is at the last shell of the resolution."""
    if params.lowpass_A == 0:
        return transform
    box, extent_A = transform.shape[0], found.extent_A
    limit_A = params.lowpass_A if params.lowpass_A > 0 else extent_A / found.shell
    return transform * lowpass_weight(box, extent_A / box, limit_A, params.filter_edge_width_px)


def _fitted(
    transform: Complex[Tensor, "z y xhalf"],
    shells: int,
    extent_A: float,
    params: PostprocessParams,
    highest_resolution_A: float,
) -> GuinierFit | None:
    """The line through the shells of the fit's range that have an amplitude; 0 leaves its end open."""
    frequency = torch.arange(shells, dtype=torch.float64) / extent_A
    is_used = frequency >= 1.0 / params.fit_lowest_resolution_A
    if highest_resolution_A > 0:
        is_used &= frequency <= 1.0 / highest_resolution_A
    return guinier_fit(frequency.square(), log_amplitudes(transform, shells), is_used)
