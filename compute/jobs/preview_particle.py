"""Previews of particle images: as they are, and as the eye reads them."""

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from compute.files.errors import InputError
from compute.files.stacks import StackReader
from compute.jobs.preview_slices import Answer
from compute.params import preview
from compute.signal.ctf import Optics, ctf
from compute.signal.slices import grey

PERCENTILES = (0.5, 99.5)


def particle(request: preview.ParticleRequest) -> Answer:
    """The image, and the same with the phases flipped where the CTF is negative, then low-passed."""
    try:
        with StackReader(request.stack) as stack:
            found = stack.read(np.array([request.index]))[0]
    except ValueError as error:
        raise InputError(str(error)) from None
    if not np.isfinite(found).all():
        raise InputError(f"image {request.index + 1} of {request.stack} has values that are none")
    image = torch.from_numpy(found)
    clear = readable(image, request)
    said = {"box": len(image), "mean": float(image.mean()), "deviation": float(image.std())}
    return said, {"image": _grey(image), "readable": _grey(clear)}


def readable(
    image: Float32[Tensor, "y x"], request: preview.ParticleRequest
) -> Float32[Tensor, "y x"]:
    """An image whose phases are flipped by its CTF and that ends at the low-pass, over two Fourier pixels."""
    box = len(image)
    extent_A = box * request.pixel_size_A
    across = torch.arange(box // 2 + 1, dtype=torch.float64)
    down = torch.fft.fftfreq(box, 1 / box, dtype=torch.float64)
    y, x = (one.flatten() for one in torch.meshgrid(down, across, indexing="ij"))
    weight = torch.ones_like(x)
    if request.voltage_kV > 0:
        optics = Optics(
            request.voltage_kV,
            request.spherical_aberration_mm,
            request.amplitude_contrast,
            only_flip=True,
        )
        figures = (
            request.defocus_u_A,
            request.defocus_v_A,
            request.defocus_angle_deg,
            request.phase_shift_deg,
            0.0,
            1.0,
        )
        one_each = [torch.tensor([value], dtype=torch.float64) for value in figures]
        weight = ctf(x / extent_A, y / extent_A, optics, *one_each)[0].double()
    if request.lowpass_A > 0:
        position = ((torch.hypot(x, y) - extent_A / request.lowpass_A + 1) / 2).clamp(0.0, 1.0)
        weight = weight * (0.5 + 0.5 * torch.cos(torch.pi * position))
    transform = torch.fft.rfft2(image) * weight.reshape(box, -1).float()
    return torch.fft.irfft2(transform, s=(box, box))


def _grey(image: Float32[Tensor, "y x"]) -> np.ndarray:
    low, high = np.percentile(image.numpy(), PERCENTILES)
    return grey(image, float(low), float(high)).numpy()
