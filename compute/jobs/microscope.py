"""The microscope of a simulation: particle numbers in, finished images out."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from compute.files.ctf_table import read_ctf_table
from compute.jobs.specimen import Specimen
from compute.params.coefficients import parse_coefficients, parse_magnification
from compute.params.simulate import SimulateParams
from compute.projection.images import images_of, projection_transforms
from compute.projection.reference import AnyProjector
from compute.projection.slices import build_for_slicing
from compute.sampling.rotations import euler_to_matrix
from compute.signal.ctf import Optics, aberration_phase, ctf
from compute.signal.fourier import PixelList, half_plane_pixels
from compute.signal.masks import disc_background
from compute.signal.simulation import (
    CONTAMINATION,
    PARTICLE,
    SimulatedParticles,
    Spread,
    choose_micrographs,
    contamination,
    draw_micrographs,
    draw_particles,
    noise_images,
    noise_spectrum,
)

PIXELS_AT_ONCE = 1 << 22
"""Pixels of a batch of images: 16 MB of float32, several times that while they are made."""

_PADDING = 2
_SAMPLED_IMAGES = 256
"""Images whose mean signal variance sets the level of the noise: known to about 1 %."""


@dataclass(frozen=True, slots=True)
class Microscope:
    """Everything that turns particle numbers into images; `defocus` is U, V, angle per particle.

    Without `has_ctf` the images show the specimen itself, for a CTF that is applied later.
    """

    params: SimulateParams
    particles: SimulatedParticles
    defocus: Float64[np.ndarray, "particle 3"]
    projector: AnyProjector
    pixels: PixelList
    inside: Float32[Tensor, "y x"]
    has_ctf: bool = True

    def projections(self, ids: np.ndarray) -> Float32[Tensor, "image y x"]:
        """Images of the specimen under the CTF and all aberrations, without noise, whatever the particles' kind."""
        device = self.inside.device
        rotations = euler_to_matrix(self.particles.angles_deg[ids])
        transforms = projection_transforms(
            self.projector,
            torch.from_numpy(rotations).float().to(device),
            torch.from_numpy(-self.particles.origin_A[ids]).to(device),
            self._ctf(ids, *self.pixels.frequency_A()),
            self.pixels,
        )
        phase = aberration_phase(*self.pixels.frequency_A(), lens(self.params))
        if phase is not None and self.has_ctf:
            transforms = transforms * torch.exp(1j * phase).to(torch.complex64)
        return images_of(transforms, self.pixels)

    def signal(self, ids: np.ndarray) -> Float32[Tensor, "image y x"]:
        """What the images show besides noise: the specimen, contamination of its contrast, or nothing."""
        kind = self.particles.kind[ids]
        images = self.projections(ids)
        contaminated = np.flatnonzero(kind == CONTAMINATION)
        if len(contaminated):
            chosen = ids[contaminated]
            radius_A = 0.5 * self.params.box * self.params.pixel_size_A
            blobs = contamination(chosen, 0.8 * radius_A, self.pixels, self.params.random_seed)
            contrast = self._ctf(chosen, *self.pixels.frequency_A())
            heaps = images_of(blobs * contrast, self.pixels)
            wanted = signal_variance(images[contaminated], self.inside)
            found = signal_variance(heaps, self.inside)
            images[contaminated] = heaps * (wanted / found).sqrt().float()[:, None, None]
        factor = self.particles.scale[ids] * ((kind == PARTICLE) | (kind == CONTAMINATION))
        return images * torch.from_numpy(factor).float().to(images.device)[:, None, None]

    def images(self, ids: np.ndarray) -> Float32[Tensor, "image y x"]:
        """Finished images: signal and noise, background at mean 0 and standard deviation 1.

        Images that are to be multiplied by their CTF are so at last, and keep the grey scale of the others.
        """
        images = self.signal(ids)
        if self.params.snr > 0.0:
            power = noise_spectrum(self.params.box, self.params.noise == "coloured")
            noise = noise_images(ids, self.params.box, power, self.params.random_seed)
            images = normalised(images + noise.to(images.device), self.inside)
        if self.params.premultiply_ctf:
            images = self._multiplied(images, ids)
        norm = torch.from_numpy(self.particles.norm[ids]).float().to(images.device)
        return images * norm[:, None, None]

    def _multiplied(
        self, images: Float32[Tensor, "image y x"], ids: np.ndarray
    ) -> Float32[Tensor, "image y x"]:
        """Images times their CTF at every frequency, the corners of the transform too."""
        box, pixel_A, device = self.params.box, self.params.pixel_size_A, images.device
        y_A, x_A = torch.meshgrid(
            torch.fft.fftfreq(box, pixel_A, dtype=torch.float64, device=device),
            torch.fft.rfftfreq(box, pixel_A, dtype=torch.float64, device=device),
            indexing="ij",
        )
        xx, xy, yx, yy = parse_magnification(self.params.magnification) or (1.0, 0.0, 0.0, 1.0)
        x_A, y_A = (xx * x_A + xy * y_A).flatten(), (yx * x_A + yy * y_A).flatten()
        contrast = self._ctf(ids, x_A, y_A).view(len(ids), box, -1)
        return torch.fft.irfft2(torch.fft.rfft2(images) * contrast, s=(box, box))

    def _ctf(
        self, ids: np.ndarray, x_A: Float64[Tensor, "pixel"], y_A: Float64[Tensor, "pixel"]
    ) -> Float32[Tensor, "image pixel"]:
        if not self.has_ctf:
            return torch.ones(len(ids), len(x_A), device=self.inside.device)
        u, v, angle = torch.from_numpy(self.defocus[ids].T.copy()).to(self.inside.device)
        none = torch.zeros_like(u)
        b_factor = none + self.params.b_factor_A2
        return ctf(x_A, y_A, lens(self.params), u, v, angle, none, b_factor, none + 1.0)


def build_microscope(
    params: SimulateParams, specimen: Specimen, diameter_A: float
) -> tuple[Microscope, Float32[Tensor, "z y x"]]:
    """The microscope, and the specimen's map in the scale that gives the signal-to-noise ratio."""
    device = specimen.volume.device
    spread = Spread(
        offset_sigma_A=params.offset_sigma_A,
        defocus_jitter_A=params.defocus_jitter_A,
        norm=params.norm_variation,
        scale=params.scale_variation,
        junk_fraction=params.junk_fraction,
    )
    seed = params.random_seed
    particles = draw_particles(params.particles, params.micrographs, spread, seed)
    defocus = _micrographs(params)[particles.micrograph]
    defocus[:, :2] += particles.defocus_jitter_A[:, None]
    inside = 1.0 - disc_background(params.box, 0.5 * diameter_A / params.pixel_size_A, 0.0)
    microscope = Microscope(
        params=params,
        particles=particles,
        defocus=defocus,
        projector=build_for_slicing(specimen.volume, _PADDING, params.box),
        pixels=half_plane_pixels(
            params.box,
            params.pixel_size_A,
            magnification=parse_magnification(params.magnification),
        ).to(device),
        inside=inside.to(device),
    )
    count = min(params.particles, _SAMPLED_IMAGES)
    sample = np.linspace(0, params.particles - 1, count).round().astype(np.int64)
    variances = [
        signal_variance(microscope.projections(ids), microscope.inside)
        for ids in np.array_split(sample, max(1, count * params.box**2 // PIXELS_AT_ONCE))
    ]
    amplitude = float((params.snr or 1.0) / torch.cat(variances).mean()) ** 0.5
    scaled = microscope.projector.times(amplitude)
    return replace(microscope, projector=scaled), specimen.volume * amplitude


def signal_variance(
    images: Float32[Tensor, "image y x"], inside: Float32[Tensor, "y x"]
) -> Float64[Tensor, "image"]:
    """The variance of each image over the pixels inside the particle's mask."""
    return images.flatten(1)[:, inside.flatten() > 0.5].double().var(dim=1, correction=0)


def normalised(
    images: Float32[Tensor, "image y x"], inside: Float32[Tensor, "y x"]
) -> Float32[Tensor, "image y x"]:
    """Images with mean 0 and standard deviation 1 over the pixels outside the particle's mask."""
    background = images.flatten(1)[:, inside.flatten() <= 0.5].double()
    mean = background.mean(dim=1)[:, None, None]
    deviation = background.std(dim=1, correction=0)[:, None, None]
    return ((images - mean) / deviation).float()


def _micrographs(params: SimulateParams) -> Float64[np.ndarray, "micrograph 3"]:
    """Defocus U, V (Å) and angle (degrees) of every micrograph."""
    count, seed = params.micrographs, params.random_seed
    if params.ctf_table:
        return choose_micrographs(read_ctf_table(params.ctf_table), count, seed)
    defocus_range_A = (params.defocus_minimum_A, params.defocus_maximum_A)
    return draw_micrographs(count, defocus_range_A, params.astigmatism_A, seed)


def lens(params: SimulateParams) -> Optics:
    """The microscope's lens."""
    return Optics(
        voltage_kV=params.voltage_kV,
        spherical_aberration_mm=params.spherical_aberration_mm,
        amplitude_contrast=params.amplitude_contrast,
        beam_tilt_x_mrad=params.beam_tilt_x_mrad,
        beam_tilt_y_mrad=params.beam_tilt_y_mrad,
        odd_zernike=parse_coefficients(params.odd_zernike),
        even_zernike=parse_coefficients(params.even_zernike),
    )
