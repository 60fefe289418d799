"""Imaging of every optics group of a refinement."""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from compute.expectation.prepare import Imaging, make_imaging
from compute.files.optics import OpticsGroup
from compute.files.particle_set import ParticleSet
from compute.params.refine import RefineParams
from compute.signal.ctf import Optics
from compute.signal.fourier import PixelList, half_plane_pixels


def make_imagings(
    particles: ParticleSet,
    params: RefineParams,
    box: int,
    pixel_size_A: float,
    device: torch.device,
) -> list[Imaging]:
    """One imaging per optics group, on the pixel list of the model's box."""
    lists = [
        half_plane_pixels(
            group.image_size, group.pixel_size_A, box, pixel_size_A, group.magnification
        )
        for group in particles.optics
    ]
    responses = relative_responses(particles.optics, lists)
    made = []
    for group, pixels, response in zip(particles.optics, lists, responses, strict=True):
        imaging = make_imaging(
            pixels.to(device),
            optics_of(group, params),
            group.pixel_size_A,
            params.particle_diameter_A,
            params.mask_edge_px,
            params.correct_ctf,
            None if response is None else response.to(device),
        )
        made.append(dataclasses.replace(imaging, background=imaging.background.to(device)))
    return made


def optics_of(group: OpticsGroup, params: RefineParams) -> Optics:
    """The lens of an optics group with the user's choices on the CTF."""
    return Optics(
        voltage_kV=group.voltage_kV,
        spherical_aberration_mm=group.spherical_aberration_mm,
        amplitude_contrast=group.amplitude_contrast,
        beam_tilt_x_mrad=group.beam_tilt_x_mrad,
        beam_tilt_y_mrad=group.beam_tilt_y_mrad,
        odd_zernike=group.odd_zernike,
        even_zernike=group.even_zernike,
        is_premultiplied=group.is_premultiplied,
        is_phase_flipped=params.ctf_phase_flipped,
        intact_first_peak=params.ctf_intact_first_peak,
    )


def relative_responses(
    optics: tuple[OpticsGroup, ...], lists: list[PixelList]
) -> list[Tensor | None]:
    """Mean detector response over that of each group, per pixel; None where all groups have the same detector."""
    if len({group.mtf_path for group in optics}) < 2 or any(
        group.mtf_path is None for group in optics
    ):
        return [None] * len(optics)
    curves = [_response_curve(group) for group in optics]
    result: list[Tensor | None] = []
    for pixels, (frequency, value) in zip(lists, curves, strict=True):
        radius = torch.hypot(pixels.shift_x_A, pixels.shift_y_A).numpy()
        own = np.interp(radius, frequency, value)
        mean = np.mean([np.interp(radius, *curve) for curve in curves], axis=0)
        result.append(torch.from_numpy(mean / np.maximum(own, 1e-6)).float())
    return result


def _response_curve(group: OpticsGroup) -> tuple[np.ndarray, np.ndarray]:
    """Frequency in 1/Å and modulation transfer of a group's detector, read from its STAR file."""
    from compute.files.postprocess_files import (
        read_mtf,  # not on every worker: it brings pandas, which takes 70 MB
    )

    frequency, value = read_mtf(str(group.mtf_path))
    return frequency / (group.original_pixel_size_A or group.pixel_size_A), value
