"""What a refinement knows before its first iteration: input poses, the noise in the images, what the map promises."""

from typing import Any

import numpy as np
import torch

from compute.expectation.prepare import Imaging
from compute.jobs.half_records import Parameters
from compute.jobs.refine_inputs import Inputs
from compute.sampling.rotations import euler_to_matrix
from compute.signal.noise import robust_noise_power
from compute.signal.random import uniforms
from compute.signal.shell_sums import mean_power

# Images of each half and optics group from which the first noise spectrum is taken (algorithm specification §2.3).
NOISE_IMAGES = 1000


def first_parameters(inputs: Inputs, half: int, offset_sigma_A: float) -> Parameters:
    """Poses, norms and scales of a half from the particle file; its noise is still unknown, and 1."""
    particles, rows = inputs.particles, inputs.rows[half - 1]
    norm = particles.norm_correction[rows].copy()
    return Parameters(
        rotation=euler_to_matrix(particles.angles_deg[rows]).astype(np.float32),
        origin_A=particles.origin_A[rows].copy(),
        norm=norm,
        mean_norm=float(norm.mean()),
        scale=np.ones(len(particles.group_names)),
        noise_power=np.ones((len(particles.optics), inputs.box // 2 + 1)),
        offset_sigma_A=offset_sigma_A,
    )


def noise_sample(inputs: Inputs, half: int) -> np.ndarray:
    """Positions in the half of the images whose power is measured: a random sample of every optics group."""
    rows = inputs.rows[half - 1]
    optics = inputs.particles.optics_index[rows]
    draws = uniforms(inputs.seed, f"noise sample {half}", rows)[:, 0]
    order = np.argsort(draws, kind="stable")
    kept = [order[optics[order] == index][:NOISE_IMAGES] for index in np.unique(optics)]
    return np.sort(np.concatenate(kept))


def first_noise(
    shards: list[dict[str, Any]], imagings: list[Imaging], shell_pixels: np.ndarray
) -> np.ndarray:
    """Noise spectra [optics group, shell] from the power of sampled images, as `Half.measure_power` returns it.

    shell_pixels: [optics group, shell] half-plane pixels. A group of which the half has no image gets ones.
    """
    optics = np.concatenate([shard["optics"] for shard in shards])
    power = np.concatenate([shard["power"] for shard in shards])
    sums = [sum(shard["sum"][index] for shard in shards) for index in range(len(imagings))]
    spectra = []
    for index, pixels in enumerate(shell_pixels):
        own = power[optics == index] / np.maximum(pixels, 1.0)
        if not len(own):
            spectra.append(np.ones(power.shape[1]))
            continue
        squared = np.abs(sums[index] / len(own)) ** 2
        shell = imagings[index].pixels.shell.numpy()
        mean = np.bincount(shell, squared, minlength=len(pixels)) / np.maximum(pixels, 1.0)
        found = robust_noise_power(
            torch.from_numpy(own), torch.from_numpy(mean), torch.from_numpy(pixels)
        )
        spectra.append(found.numpy())
    return np.stack(spectra)


def first_ssnr(inputs: Inputs, parameters: list[Parameters], device: torch.device) -> np.ndarray:
    """What the start map promises per shell: n τ²/(σ² 2i) for the smaller half (algorithm specification §4.6).

    τ² is the power per real component that the map's slices have in the images, as a mean over the shell.
    """
    box = inputs.box
    shells = box // 2 + 1
    transform = torch.fft.rfftn(torch.from_numpy(inputs.references[0]).to(device))
    signal = 0.5 * (mean_power(transform, shells) / box**4).cpu().numpy()
    noise = np.mean([one.noise_power.mean(0) for one in parameters], axis=0)
    smaller = min(len(rows) for rows in inputs.rows)
    return np.asarray(smaller * signal / (noise * 2 * np.maximum(np.arange(shells), 0.5)))
