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

    `fit` is the line for the map inside its mask, down to the resolution; where there is no mask, or it was given
    up, that for the whole box, which is always in `whole_box`. Without an automatic B-factor both are None.
    `fit_end_A` is the highest resolution of the fit's range; None where that is open.
    """

    volume: Float32[Tensor, "z y x"]
    b_factor_A2: float
    fit: GuinierFit | None
    whole_box: GuinierFit | None
    fit_end_A: float | None
    guinier: GuinierTable

    @property
    def region(self) -> str:
        """What the line was fitted to, in words."""
        return "inside the mask" if self.guinier.inside_mask is not None else "whole box"


def sharpen(
    average: Complex[Tensor, "z y xhalf"],
    found: HalfFsc,
    params: PostprocessParams,
    mtf: Mtf | None = None,
    mask: Float32[Tensor, "z y x"] | None = None,
) -> Sharpened:
    """The average of the halves after MTF, FSC weight, B-factor and low-pass filter, in this order.

    The mask serves only to fit the amplitudes inside it: around a particle there is noise alone, which makes the
    amplitudes of the whole box fall less than the particle's do.
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
    inside, end_A = None, params.fit_highest_resolution_A
    fit = whole_box = None
    if params.auto_b_factor:
        before = log_amplitudes(transform, shells)
        fit = whole_box = _fitted(before, extent_A, params, end_A)
        if mask is not None and found.is_inside_mask:
            inside, end_A = _inside(transform, mask, shells), end_A or found.resolution_A()
            fit = _fitted(inside, extent_A, params, end_A)
    b_factor_A2 = fit.b_factor_A2 if fit is not None else params.own_b_factor_A2
    if b_factor_A2 != 0:
        transform = apply_b_factor(transform, b_factor_A2, extent_A)
    last = log_amplitudes(transform, shells)
    transform = _filtered(transform, found, params)
    optional = (corrected, weighted, inside)
    second, third, masked = (None if one is None else one.numpy() for one in optional)
    intercept = None if fit is None else fit.intercept
    guinier = GuinierTable(original.numpy(), second, third, last.numpy(), intercept, masked)
    volume = torch.fft.irfftn(transform, s=(box,) * 3, norm="forward")
    return Sharpened(volume, b_factor_A2, fit, whole_box, end_A or None, guinier)


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


def _inside(
    transform: Complex[Tensor, "z y xhalf"], mask: Float32[Tensor, "z y x"], shells: int
) -> Float64[Tensor, "shell"]:
    """Logarithms of the amplitudes of what a map holds inside a mask."""
    alone = torch.fft.irfftn(transform, s=mask.shape, norm="forward") * mask
    return log_amplitudes(torch.fft.rfftn(alone, norm="forward"), shells)


def _fitted(
    amplitudes: Float64[Tensor, "shell"],
    extent_A: float,
    params: PostprocessParams,
    highest_resolution_A: float,
) -> GuinierFit | None:
    """The line through the shells of the fit's range that have an amplitude; 0 leaves its end open."""
    frequency = torch.arange(len(amplitudes), dtype=torch.float64) / extent_A
    is_used = frequency >= 1.0 / params.fit_lowest_resolution_A
    if highest_resolution_A > 0:
        is_used &= frequency <= 1.0 / highest_resolution_A
    return guinier_fit(frequency.square(), amplitudes, is_used)
