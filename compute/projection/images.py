"""Images of a map as the microscope gives them: slice times CTF, moved, back in real space."""

import torch
from jaxtyping import Complex, Float, Float32
from torch import Tensor

from compute.projection.reference import AnyProjector
from compute.projection.slices import slices
from compute.signal.fourier import PixelList, phase_shifts


def projection_transforms(
    projector: AnyProjector,
    rotations: Float32[Tensor, "image 3 3"],
    shifts_A: Float[Tensor, "image 2"],
    ctf: Float32[Tensor, "image pixel"],
    pixels: PixelList,
) -> Complex[Tensor, "image pixel"]:
    """Transforms of projections under the CTF whose content is moved by `shifts_A` (x, y)."""
    parts = slices(projector, rotations, pixels.model_x, pixels.model_y)
    central = torch.complex(parts[:, 0], parts[:, 1])
    shifts = phase_shifts(shifts_A, pixels, len(pixels.row))
    return central * ctf * shifts


def images_of(
    values: Complex[Tensor, "image pixel"], pixels: PixelList
) -> Float32[Tensor, "image y x"]:
    """Images whose transforms (1/N², origin at N//2) have the given values, and 0 where none is listed.

    The inverse of `compute.signal.fourier.image_transform` for images without the frequencies
    beyond the list.
    """
    box = pixels.box
    half = torch.zeros(len(values), box, box // 2 + 1, dtype=torch.complex64, device=values.device)
    signs = 1 - 2 * ((pixels.row + pixels.column) % 2)
    half[:, pixels.row, pixels.column] = (values * signs).to(torch.complex64)
    half[:, box // 2 + 1 :, 0] = half[:, 1 : box // 2, 0].flip(1).conj()
    return torch.fft.irfft2(half, s=(box, box), norm="forward")
