"""Images made ready for scoring: corrected, centred, masked, transformed, each with its CTF."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from compute.expectation.prepare_cpu import centre_and_mask
from compute.signal import masks
from compute.signal.ctf import Optics, aberration_phase, ctf
from compute.signal.fourier import PixelList, image_transform, shift_by_pixels


@dataclass(frozen=True, slots=True)
class Imaging:
    """How the images of one optics group were formed, on the pixels that the refinement uses.

    correction: what every image transform is multiplied by (aberrations, relative detector response), or None.
    background: weight of the surroundings of the particle in the circular mask.
    """

    pixels: PixelList
    optics: Optics
    pixel_size_A: float
    background: Float[Tensor, "y x"]
    correction: Complex[Tensor, " pixel"] | None
    is_ctf_corrected: bool


@dataclass(frozen=True, slots=True)
class Defocus:
    """CTF parameters that belong to each image: Å, degrees, Å²."""

    u_A: Float[Tensor, " image"]
    v_A: Float[Tensor, " image"]
    angle_deg: Float[Tensor, " image"]
    phase_shift_deg: Float[Tensor, " image"]
    b_factor_A2: Float[Tensor, " image"]
    scale: Float[Tensor, " image"]


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """Transforms of a block of images on the flat pixel list, in the model's grey scale.

    masked is aligned and measured, unmasked is put back into the map. forward multiplies a slice before it is
    compared; backward multiplies an image before it is inserted: both the CTF times the group's scale, except that
    images already multiplied by their CTF have CTF² forward and none backward.
    """

    masked: Complex[Tensor, "image pixel"]
    unmasked: Complex[Tensor, "image pixel"]
    forward: Float[Tensor, "image pixel"]
    backward: Float[Tensor, "image pixel"]

    def part(self, which: slice) -> "PreparedImages":
        """Some of the images."""
        return PreparedImages(
            self.masked[which], self.unmasked[which], self.forward[which], self.backward[which]
        )


@dataclass(frozen=True, slots=True)
class Block:
    """Images of one optics group with their present poses.

    centres: current map-to-image rotations, each with its mates where a symmetry is relaxed; base_A: the whole-pixel
    shift already applied to the images, in Å.
    """

    images: PreparedImages
    centres: Float[Tensor, "image mate 3 3"]
    base_A: Float[Tensor, "image 2"]

    def part(self, which: slice) -> "Block":
        """Some of the images."""
        return Block(self.images.part(which), self.centres[which], self.base_A[which])


def make_imaging(
    pixels: PixelList,
    optics: Optics,
    pixel_size_A: float,
    particle_diameter_A: float,
    mask_edge_px: float,
    is_ctf_corrected: bool,
    response: Float[Tensor, " pixel"] | None = None,
) -> Imaging:
    """The imaging of an optics group; response divides out a detector response relative to the other groups'."""
    radius = particle_diameter_A / (2 * pixel_size_A)
    background = masks.disc_background(pixels.box, radius, mask_edge_px)
    extent = pixels.model_extent_A
    phase = aberration_phase(
        pixels.model_x.double() / extent, pixels.model_y.double() / extent, optics
    )
    correction = None
    if phase is not None:
        correction = torch.exp(-1j * phase).to(torch.complex64)
    if response is not None:
        ratio = response.to(torch.complex64)
        correction = ratio if correction is None else correction * ratio
    return Imaging(pixels, optics, pixel_size_A, background, correction, is_ctf_corrected)


def image_ctf(imaging: Imaging, defocus: Defocus) -> Float[Tensor, "image pixel"]:
    """The CTF of every image at the pixels of its list; ones where no correction is wanted."""
    pixels = imaging.pixels
    if not imaging.is_ctf_corrected:
        return torch.ones(len(defocus.u_A), len(pixels.shell), device=pixels.shell.device)
    return ctf(
        pixels.model_x.double() / pixels.model_extent_A,
        pixels.model_y.double() / pixels.model_extent_A,
        imaging.optics,
        defocus.u_A,
        defocus.v_A,
        defocus.angle_deg,
        defocus.phase_shift_deg,
        defocus.b_factor_A2,
        defocus.scale,
    )


def transform(
    images: Float[Tensor, "image y x"], imaging: Imaging
) -> Complex[Tensor, "image pixel"]:
    """Image transforms in the model's grey scale, with aberrations and detector response corrected."""
    transformed = image_transform(images, imaging.pixels, 1.0 / imaging.pixels.amplitude)
    return transformed if imaging.correction is None else transformed * imaging.correction


def prepare(
    images: Float[Tensor, "image y x"],
    imaging: Imaging,
    defocus: Defocus,
    norm_factor: Float[Tensor, " image"],
    shifts_px: Int[Tensor, "image 2"],
    scale: Float[Tensor, " image"],
    fill: Float[Tensor, "image y x"] | None,
) -> PreparedImages:
    """Images multiplied by their norm factor, shifted by whole pixels, masked and transformed.

    fill replaces the surroundings of the particle; None puts their own mean there.
    """
    given = images, imaging, norm_factor, shifts_px, fill
    ready = _centred if images.device.type != "cpu" else _centred_on_host
    unmasked, masked = (transform(each, imaging) for each in ready(*given))
    values = image_ctf(imaging, defocus)
    if imaging.optics.is_premultiplied and imaging.is_ctf_corrected:
        forward, backward = values.square() * scale[:, None], scale[:, None].expand_as(values)
    else:
        forward = values * scale[:, None]
        backward = forward
    return PreparedImages(masked, unmasked, forward, backward)


def _centred(
    images: Float[Tensor, "image y x"],
    imaging: Imaging,
    norm_factor: Float[Tensor, " image"],
    shifts_px: Int[Tensor, "image 2"],
    fill: Float[Tensor, "image y x"] | None,
) -> tuple[Float[Tensor, "image y x"], Float[Tensor, "image y x"]]:
    """Images multiplied and shifted, and the same masked."""
    centred = shift_by_pixels(images * norm_factor[:, None, None], shifts_px)
    return centred, masks.mask_images(centred, imaging.background, fill)


def _centred_on_host(
    images: Float[Tensor, "image y x"],
    imaging: Imaging,
    norm_factor: Float[Tensor, " image"],
    shifts_px: Int[Tensor, "image 2"],
    fill: Float[Tensor, "image y x"] | None,
) -> tuple[Float[Tensor, "image y x"], Float[Tensor, "image y x"]]:
    """The same, compiled for the CPU."""
    centred, masked = torch.empty_like(images), torch.empty_like(images)
    centre_and_mask(
        images.numpy(),
        norm_factor.numpy(),
        shifts_px.numpy(),
        imaging.background.numpy(),
        (images if fill is None else fill).numpy(),
        fill is not None,
        centred.numpy(),
        masked.numpy(),
    )
    return centred, masked
