"""What the leader does with the results of an expectation step: merge them, and update each half's parameters."""

from dataclasses import dataclass

import numpy as np
import torch

from compute.files.errors import InputError
from compute.files.particles import ParticleSet
from compute.jobs.half_records import PER_IMAGE, Parameters, ShardResults
from compute.jobs.lost_particles import lost_sentence
from compute.maximisation import update
from compute.params.refine import RefineParams
from compute.sampling.orientations import direction_density
from compute.sampling.symmetry import SymmetryGroup


@dataclass(frozen=True, slots=True)
class HalfResults:
    """Results of all images of a half, in the order of its rows, and their sums.

    lost: why images have no finite score, by their positions in the half.
    """

    rotation: np.ndarray
    origin_A: np.ndarray
    maximum_probability: np.ndarray
    significant_samples: np.ndarray
    log_evidence: np.ndarray
    weight: np.ndarray
    residual_power: np.ndarray
    cross: np.ndarray
    model_power: np.ndarray
    offset_square_A2: np.ndarray
    noise_residual: np.ndarray
    direction_sums: np.ndarray
    orientations: int
    translations: int
    seconds: dict[str, float]
    notes: list[str]
    lost: dict[int, str]


def merge(shards: list[ShardResults]) -> HalfResults:
    """The shards of a half's workers as one record; sums are added in the order of the workers.

    Raises RuntimeError unless every image of the half is in exactly one shard.
    """
    rows = np.concatenate([shard.rows for shard in shards])
    order = np.argsort(rows, kind="stable")
    if not np.array_equal(rows[order], np.arange(len(rows))):
        raise RuntimeError("an image was searched by no worker of its half, or by more than one")
    columns = {
        name: np.concatenate([getattr(shard, name) for shard in shards])[order]
        for name in PER_IMAGE
    }
    names = shards[0].seconds
    return HalfResults(
        **columns,
        noise_residual=sum(shard.noise_residual for shard in shards[1:]) + shards[0].noise_residual,
        direction_sums=sum(shard.direction_sums for shard in shards[1:]) + shards[0].direction_sums,
        orientations=shards[0].orientations,
        translations=shards[0].translations,
        seconds={name: max(shard.seconds[name] for shard in shards) for name in names},
        notes=[note for shard in shards for note in shard.notes],
        lost={position: reason for shard in shards for position, reason in shard.lost.items()},
    )


def check_found(results: list[HalfResults], iteration: int) -> None:
    """Raise InputError where no particle of a half had an orientation with a finite score."""
    for half, one in enumerate(results, 1):
        if not one.weight.any():
            raise InputError(
                f"none of the {len(one.weight)} particles of half {half} had an orientation with a finite score in "
                f"iteration {iteration} ({lost_sentence(list(one.lost.values()))}): check the pixel sizes, the "
                "normalisation of the images and the mask diameter"
            )


def update_parameters(
    old: Parameters,
    results: HalfResults,
    rows: np.ndarray,
    particles: ParticleSet,
    params: RefineParams,
    pixels_per_shell: np.ndarray,
    determined_pixels: np.ndarray,
    group: SymmetryGroup,
    order: int,
    is_correlation: bool,
) -> Parameters:
    """The half's parameters after an iteration: poses, and unless it was a correlation search also the rest.

    pixels_per_shell: [optics group, shell] half-plane pixels inside the disc. determined_pixels: [optics group]
    pixels whose signal-to-noise ratio exceeded 3. A correlation search leaves norm, scale and noise alone, because
    its residuals are against a map of unknown grey scale.
    """
    weight = results.weight
    sigma = update.update_offset_sigma(float(results.offset_square_A2.sum()), float(weight.sum()))
    new = Parameters(
        rotation=results.rotation,
        origin_A=results.origin_A,
        norm=old.norm,
        mean_norm=old.mean_norm,
        scale=old.scale,
        noise_power=old.noise_power,
        offset_sigma_A=sigma,
        direction_weights=None,
    )
    if len(results.direction_sums):
        new.direction_weights = direction_density(results.direction_sums, order, group)
    if is_correlation:
        return new
    optics = particles.optics_index[rows]
    if params.norm_correction:
        found = update.update_norm(
            torch.from_numpy(old.norm),
            old.mean_norm,
            torch.from_numpy(results.residual_power),
            torch.from_numpy(weight),
        )
        new.norm, new.mean_norm = found.norm.numpy(), found.mean_norm
    optics_weight = np.bincount(optics, weight, minlength=len(particles.optics))
    new.noise_power = update.update_noise(
        torch.from_numpy(results.noise_residual),
        torch.from_numpy(optics_weight),
        torch.from_numpy(pixels_per_shell),
        torch.from_numpy(old.noise_power),
    ).numpy()
    groups = len(particles.group_names)
    if params.scale_correction and groups > 1:
        index = particles.group_index[rows]
        new.scale = update.update_scales(
            *(
                torch.from_numpy(np.bincount(index, values, minlength=groups))
                for values in (
                    results.cross,
                    results.model_power,
                    determined_pixels[optics] * weight,
                    weight,
                )
            )
        ).numpy()
    return new
