"""The random part of a simulated particle set: poses, offsets, CTF, grey-scale, junk and noise.

Every number belongs to (seed, purpose, particle or micrograph), so a particle is the same whatever
the others are and however the work is cut into batches.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float32, Float64, Int64
from scipy.special import ndtri
from torch import Tensor

from compute.signal.fourier import PixelList
from compute.signal.noise import coloured_noise
from compute.signal.random import generator, uniforms

PARTICLE, NOISE_ONLY, CONTAMINATION = 1, 2, 3
"""What an image shows; contamination is a heap of featureless blobs."""

NOISE_CORNER, NOISE_PIXEL_A = 0.15, 3.54
"""Where coloured noise falls, in 1/px at this pixel size."""
CANDIDATES = 2000
"""Places tried at once for the particles of a micrograph."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How much simulated images differ: widths of the distributions, and the share of junk."""

    offset_sigma_A: float
    defocus_jitter_A: float
    norm: float
    scale: float
    junk_fraction: float


@dataclass(frozen=True, slots=True)
class SimulatedParticles:
    """The truth about every particle.

    angles_deg: rot, tilt, psi. origin_A: shift (x, y) to apply to centre the particle. micrograph:
    from 0. defocus_jitter_A: added to both defoci of the micrograph. norm: factor of the whole
    image; scale: factor of its signal. kind: particle, noise only or contamination. half: 1 or 2.
    """

    angles_deg: Float64[np.ndarray, "particle 3"]
    origin_A: Float64[np.ndarray, "particle 2"]
    micrograph: Int64[np.ndarray, "particle"]
    defocus_jitter_A: Float64[np.ndarray, "particle"]
    norm: Float64[np.ndarray, "particle"]
    scale: Float64[np.ndarray, "particle"]
    kind: Int64[np.ndarray, "particle"]
    half: Int64[np.ndarray, "particle"]


def draw_particles(count: int, micrographs: int, spread: Spread, seed: int) -> SimulatedParticles:
    """Particles with uniform orientations and Gaussian offsets, shared out evenly over micrographs.

    Half of the junk is noise alone, the other half contamination. Grey-scale factors are cut at
    0.2, so that contrast is never inverted.
    """
    ids = np.arange(count)
    pose = uniforms(seed, "pose", ids, 3)
    tilt = np.degrees(np.arccos(1.0 - 2.0 * pose[:, 1]))
    angles = np.stack((360.0 * pose[:, 0] - 180.0, tilt, 360.0 * pose[:, 2] - 180.0), axis=1)
    micrograph = ids * micrographs // count
    scales = 1.0 + spread.scale * _normals(seed, "scale", np.arange(micrographs))[:, 0]
    norms = 1.0 + spread.norm * _normals(seed, "norm", ids)[:, 0]
    junk = uniforms(seed, "junk", ids, 2)
    junk_kind = np.where(junk[:, 1] < 0.5, NOISE_ONLY, CONTAMINATION)
    return SimulatedParticles(
        angles_deg=angles,
        origin_A=spread.offset_sigma_A * _normals(seed, "offset", ids, 2),
        micrograph=micrograph.astype(np.int64),
        defocus_jitter_A=spread.defocus_jitter_A * _normals(seed, "defocus", ids)[:, 0],
        norm=np.maximum(norms, 0.2),
        scale=np.maximum(scales, 0.2)[micrograph],
        kind=np.where(junk[:, 0] < spread.junk_fraction, junk_kind, PARTICLE).astype(np.int64),
        half=1 + (uniforms(seed, "half", ids)[:, 0] < 0.5).astype(np.int64),
    )


def draw_micrographs(
    count: int, defocus_range_A: tuple[float, float], astigmatism_A: float, seed: int
) -> Float64[np.ndarray, "micrograph 3"]:
    """Defocus U, V (Å) and angle (degrees) of micrographs; U is the larger one.

    The mean of both is uniform in the range, their difference the size of a Gaussian number of the
    given width, the angle uniform in ±90 degrees.
    """
    ids = np.arange(count)
    drawn = uniforms(seed, "micrograph", ids, 2)
    low, high = defocus_range_A
    mean = low + (high - low) * drawn[:, 0]
    half_difference = 0.5 * np.abs(astigmatism_A * _normals(seed, "astigmatism", ids)[:, 0])
    angle = 180.0 * drawn[:, 1] - 90.0
    return np.stack((mean + half_difference, mean - half_difference, angle), axis=1)


def choose_micrographs(
    table: Float64[np.ndarray, "row 3"], count: int, seed: int
) -> Float64[np.ndarray, "micrograph 3"]:
    """Rows of a table of CTF parameters in random order, again from the start when used up."""
    order = np.argsort(uniforms(seed, "table", np.arange(len(table)))[:, 0])
    chosen: np.ndarray = table[order[np.arange(count) % len(table)]]
    return chosen


def noise_spectrum(
    box: int, is_coloured: bool, corner: float = NOISE_CORNER
) -> Float64[Tensor, "shell"]:
    """Noise power per shell of images whose pixels have unit variance (1/N² convention).

    White, or falling with frequency u (1/px) as 0.22 + 0.78 / (1 + (u/corner)⁴), which with 0.15 fits
    what is measured around the beta-galactosidase particles of EMPIAR-10204 at 3.54 Å per pixel.
    """
    frequency = torch.arange(box // 2 + 1, dtype=torch.float64) / box
    power = torch.ones_like(frequency)
    if is_coloured:
        power = 0.22 + 0.78 / (1.0 + (frequency / corner) ** 4)
    along = torch.fft.fftfreq(box, 1.0 / box, dtype=torch.float64)
    shell = (torch.hypot(along[:, None], along) + 0.5).long().clamp(max=box // 2)
    return power / (2.0 * power[shell].sum())


def noise_images(
    particles: Int64[np.ndarray, "image"], box: int, power: Float64[Tensor, "shell"], seed: int
) -> Float32[Tensor, "image y x"]:
    """The noise of each particle: the same field whenever and in whatever company it is asked for."""

    def field(particle: int) -> Float32[Tensor, "1 y x"]:
        return coloured_noise(1, box, power, generator(seed, "noise", particle))

    with ThreadPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return torch.cat(list(pool.map(field, particles.tolist())))


def contamination(
    particles: Int64[np.ndarray, "image"], radius_A: float, pixels: PixelList, seed: int
) -> Complex[Tensor, "image pixel"]:
    """Transforms of four Gaussian blobs per image, strewn over a disc of radius `radius_A`.

    Widths are 0.1 to 0.35 of the radius; the blobs of an image add up to a brightness of 1.
    """
    drawn = torch.from_numpy(uniforms(seed, "contamination", particles, 16)).reshape(-1, 4, 4)
    drawn = drawn.to(pixels.shift_x_A.device)
    distance = radius_A * drawn[:, :, 0].sqrt()
    angle = 2.0 * torch.pi * drawn[:, :, 1]
    sigma = radius_A * (0.1 + 0.25 * drawn[:, :, 2])
    share = drawn[:, :, 3] / drawn[:, :, 3].sum(dim=1, keepdim=True) / pixels.box**2
    squared = pixels.shift_x_A.square() + pixels.shift_y_A.square()
    total = torch.zeros(len(drawn), len(squared), dtype=torch.complex128, device=drawn.device)
    for blob in range(drawn.shape[1]):
        at_x, at_y = distance * angle.cos(), distance * angle.sin()
        turns = at_x[:, blob, None] * pixels.shift_x_A + at_y[:, blob, None] * pixels.shift_y_A
        falloff = torch.exp(-2.0 * torch.pi**2 * sigma[:, blob, None].square() * squared)
        size = share[:, blob, None] * falloff
        total += torch.polar(size, -2.0 * torch.pi * turns)
    return total.to(torch.complex64)


def place_particles(
    count: int, side: int, margin: float, spacing: float, seed: int, micrograph: int
) -> Int64[np.ndarray, "particle 2"]:
    """Pixels (x, y) of particles in a square micrograph: at random, `spacing` apart, `margin` from the edge.

    Random sequential placement: places are tried one after the other and kept where they are free.
    Raises ValueError with the number that fitted, where a whole batch of tries finds no place more.
    """
    chosen = np.empty((0, 2))
    for batch in range(count + 1):
        if len(chosen) >= count:
            break
        before = len(chosen)
        random = generator(seed, "place", micrograph, batch)
        for place in random.uniform(margin, side - margin, (CANDIDATES, 2)).round():
            if ((chosen - place) ** 2).sum(axis=1).min(initial=np.inf) >= spacing**2:
                chosen = np.append(chosen, place[None], axis=0)
        if len(chosen) == before:
            raise ValueError(f"{before} of {count}")
    return chosen[:count].astype(np.int64)


def ice(side: int, deviation: float, seed: int, micrograph: int) -> Float32[Tensor, "y x"]:
    """A smooth background of a micrograph: a slope and a bowl at random, of this standard deviation."""
    slope_x, slope_y, bowl = generator(seed, "ice", micrograph).normal(size=3)
    along = torch.linspace(-1.0, 1.0, side)
    field = slope_x * along + slope_y * along[:, None] + bowl * (along**2 + along[:, None] ** 2)
    field = field - field.mean()
    return field * (deviation / field.std())


def _normals(
    seed: int, purpose: str, ids: np.ndarray, draws: int = 1
) -> Float64[np.ndarray, "id draw"]:
    """Standard normal numbers, by the inverse of the normal distribution function."""
    uniform = uniforms(seed, purpose, ids, draws)
    values: np.ndarray = ndtri(np.clip(uniform, 2.0**-53, 1.0 - 2.0**-53))
    return values
