"""Noise spectra of images: a robust first estimate, and noise fields of a given spectrum.

Noise power is the variance of the real part, and of the imaginary part, of a Fourier value with
1/N^2 in the forward transform: 1/(2 N^2) in every shell for white noise of unit variance.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from compute.signal.fourier import radial_frequency

TRIMMED_FRACTION = 0.25  # of the images of a shell, at either end
ROUNDING = 1e-6  # a difference smaller than this part of the power is rounding of float32 images


def robust_noise_power(
    power: Float64[Tensor, "image shell"],
    mean_power: Float64[Tensor, "shell"],
    pixels_per_shell: Int[Tensor, "shell"] | Float[Tensor, "shell"],
) -> Float64[Tensor, "shell"]:
    """The noise power per shell: half the robust mean of |F|^2 less half the mean image's |F|^2.

    `power` holds each image's |F|^2 averaged over the half-plane pixels of a shell, `mean_power`
    the same of the mean image. The mean over images leaves out a quarter at either end and is
    divided by what that does to Gaussian noise, whose shell averages follow a gamma distribution;
    so outliers do not count, and white noise is met exactly. Shells without a positive value take
    the previous positive one, else the next. Raises ValueError if no shell is positive.
    """
    images = len(power)
    if images == 0:
        raise ValueError("the noise power was asked for without any image")
    trimmed = int(TRIMMED_FRACTION * images)
    kept = power.sort(dim=0).values[trimmed : images - trimmed].mean(dim=0)
    counts = pixels_per_shell.double().cpu().numpy()
    typical = kept / torch.from_numpy(_trimmed_gamma_mean(counts, trimmed / images)).to(kept.device)
    if images > 1:
        noise = (typical - mean_power) * (images / (images - 1))
        typical = torch.where(noise > ROUNDING * typical, noise, 0.0)
    return _without_gaps(0.5 * typical)


def coloured_noise(
    count: int, box: int, noise_power: Float64[Tensor, "shell"], generator: np.random.Generator
) -> Float32[Tensor, "image y x"]:
    """Random images whose Fourier values have the given noise power.

    `noise_power` is per shell of the image's own Fourier index. Beyond the last shell (the corners
    of the transform) the last value holds.
    """
    white = torch.from_numpy(generator.standard_normal((count, box, box), dtype="float32"))
    transform = torch.fft.rfft2(white.to(noise_power.device))
    shell = (radial_frequency(box, 2, noise_power.device) + 0.5).long()
    amplitude = (2.0 * box**2 * noise_power).sqrt().float()[shell.clamp(max=len(noise_power) - 1)]
    return torch.fft.irfft2(transform * amplitude, s=(box, box))


def _trimmed_gamma_mean(counts: np.ndarray, fraction: float) -> np.ndarray:
    """The mean of the middle of a gamma distribution of mean 1, `fraction` left out at either end.

    The average of n values |F|^2 of complex Gaussian noise follows a gamma distribution of shape n;
    the single value at zero frequency is real and has shape 1/2.
    """
    from scipy.special import (
        gammainc,
        gammaincinv,
    )  # a fifth of a second that most processes can do without

    shape = np.maximum(counts, 1.0)
    shape[0] = 0.5 * shape[0]
    if fraction == 0.0:
        return np.ones_like(shape)
    low, high = (gammaincinv(shape, quantile) for quantile in (fraction, 1.0 - fraction))
    mean: np.ndarray = gammainc(shape + 1.0, high) - gammainc(shape + 1.0, low)
    return mean / (1.0 - 2.0 * fraction)


def _without_gaps(noise_power: Float64[Tensor, "shell"]) -> Float64[Tensor, "shell"]:
    """The spectrum with values that are not positive replaced by the previous, else the next."""
    is_positive = noise_power > 0
    if not bool(is_positive.any()):
        raise ValueError("the images have no noise in any shell: are they empty or all the same?")
    index = torch.arange(len(noise_power), device=noise_power.device)
    previous = torch.where(is_positive, index, -1).cummax(dim=0).values
    first = int(torch.nonzero(is_positive)[0])
    return noise_power[previous.clamp(min=first)]
