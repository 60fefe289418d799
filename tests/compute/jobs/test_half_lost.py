"""Why an image has no orientation with a finite score: each possible fault is planted in one image and named."""

from pathlib import Path

import numpy as np
import pytest
import torch

from compute.files.particles import read_particles
from compute.jobs import half_lost
from compute.jobs.half_images import HalfImages
from compute.jobs.half_records import Parameters
from compute.jobs.lost_particles import REASONS_SAID, lost_sentence
from compute.jobs.stopwatch import Stopwatch
from compute.params.refine import RefineParams
from tests.data import particle_set

BOX, PIXEL_A, PARTICLES = 24, 4.0, 12


@pytest.fixture
def images(tmp_path: Path) -> HalfImages:
    """A half of good images."""
    particle_set(tmp_path, particles=PARTICLES, box=BOX, micrographs=2)
    particles = read_particles(tmp_path / "set.star")
    params = RefineParams(
        particles=str(tmp_path / "set.star"),
        reference=str(tmp_path / "set_reference.mrc"),
        output=str(tmp_path / "O" / "run"),
        particle_diameter_A=72.0,
        initial_lowpass_A=40.0,
        zero_mask=True,
        random_seed=1,
    )
    rows, place = np.arange(PARTICLES), (torch.device("cpu"), Stopwatch())
    made = HalfImages(particles, params, BOX, PIXEL_A, rows, (0, 1), True, 1, *place)
    made.parameters = Parameters(
        rotation=np.tile(np.eye(3, dtype=np.float32), (PARTICLES, 1, 1)),
        origin_A=np.zeros((PARTICLES, 2)),
        norm=np.ones(PARTICLES),
        mean_norm=1.0,
        scale=np.ones(len(particles.group_names)),
        noise_power=np.ones((1, BOX // 2 + 1)),
        offset_sigma_A=5.0,
    )
    return made


def plant(images: HalfImages) -> dict[int, str]:
    """One fault in each image from the second on, by its position the reason that it must get."""
    pixels = images.source.read(images.rows).copy()
    particles, parameters = images.particles, images.parameters
    pixels[1, 3, 4] = np.nan
    pixels[2] = 1.5
    pixels[3] *= 1e30
    images.read = lambda block: torch.from_numpy(pixels[block])  # type: ignore[method-assign]
    parameters.norm[4] = 0.0
    parameters.rotation[5, 0, 0] = np.nan
    parameters.origin_A[6] = 10 * BOX * PIXEL_A
    particles.ctf_scale[7] = 0.0
    particles.ctf_b_factor_A2[8] = -1e6
    particles.group_index[9] = len(parameters.scale)
    parameters.scale = np.append(parameters.scale, np.nan)
    return {
        1: half_lost.NOT_FINITE,
        2: half_lost.CONSTANT,
        3: half_lost.OVERFLOW,
        4: half_lost.NORM,
        5: half_lost.POSE,
        6: half_lost.AWAY,
        7: half_lost.CTF_ZERO,
        8: half_lost.CTF_NOT_FINITE,
        9: half_lost.SCALE,
    }


def test_every_fault_is_named(images: HalfImages) -> None:
    expected = plant(images)
    found = half_lost.reasons(images, np.array(sorted(expected)), 3, 16)
    assert found == expected


def test_an_image_without_a_fault_has_no_pose_in_reach(images: HalfImages) -> None:
    everything = np.arange(PARTICLES)
    found = half_lost.reasons(images, everything, 1, 16)
    assert found == dict.fromkeys(range(PARTICLES), half_lost.NO_POSE)
    assert half_lost.reasons(images, everything[:0], 1, 16) == {}


def test_the_reasons_of_most_particles_are_said() -> None:
    reasons = [f"reason {n}" for n in range(8) for _ in range(n + 1)]
    said = lost_sentence(reasons)
    assert said.startswith("8 because reason 7; 7 because reason 6; ")
    assert said.count("because") == REASONS_SAID
    assert said.endswith("; 10 for other reasons")
