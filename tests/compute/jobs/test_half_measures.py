"""Expected errors of poses: those of images that were multiplied by their CTF are those of the same images before."""

from pathlib import Path

import numpy as np
import pytest
import torch

from compute.expectation.prepare import image_ctf
from compute.files.mrc import read_map
from compute.files.particles import read_particles
from compute.jobs.half_images import HalfImages
from compute.jobs.half_measures import expected_errors
from compute.jobs.half_records import Parameters
from compute.jobs.stopwatch import Stopwatch
from compute.params.refine import RefineParams
from compute.projection.reference import Projector, build_projector
from compute.sampling.rotations import euler_to_matrix
from tests.data import particle_set

BOX, PIXEL_A, PARTICLES, SIZE = 32, 4.0, 16, 28
NOISE = 1e-5
"""Power of the noise in the units of the maps, with which poses are known to about a degree."""
EVERY = np.arange(PARTICLES)


def half(folder: Path, noise_power: np.ndarray | None = None, **options: bool) -> HalfImages:
    """Images with their true poses; noise alike in all shells, or as given, in units of NOISE."""
    folder.mkdir()
    particle_set(folder, particles=PARTICLES, box=BOX, micrographs=8, **options)
    particles = read_particles(folder / "set_truth.star")
    params = RefineParams(
        particles=str(folder / "set.star"),
        reference=str(folder / "set_reference.mrc"),
        output=str(folder / "O" / "run"),
        particle_diameter_A=90.0,
    )
    place = (torch.device("cpu"), Stopwatch())
    made = HalfImages(particles, params, BOX, PIXEL_A, EVERY, (0, 1), True, 1, *place)
    made.parameters = Parameters(
        rotation=euler_to_matrix(particles.angles_deg).astype(np.float32),
        origin_A=particles.origin_A.copy(),
        norm=np.ones(PARTICLES),
        mean_norm=1.0,
        scale=np.ones(len(particles.group_names)),
        noise_power=NOISE * (np.ones(BOX // 2 + 1) if noise_power is None else noise_power)[None],
        offset_sigma_A=5.0,
    )
    return made


def errors(images: HalfImages, projector: Projector) -> dict[str, np.ndarray]:
    return expected_errors(images, projector, BOX, PIXEL_A, EVERY, SIZE)


def test_multiplied_images_tell_what_they_told_before(tmp_path: Path) -> None:
    plain = half(tmp_path / "plain")
    volume = torch.from_numpy(read_map(tmp_path / "plain" / "set_truth.mrc").volume)
    projector = build_projector(volume, 2, SIZE)
    before = errors(plain, projector)
    assert 0.2 < before["angle"].min() and before["angle"].max() < 20.0

    imaging = plain.imagings[0]
    squares = image_ctf(imaging, plain.defocus(EVERY)).square().double().numpy()
    shell = imaging.pixels.shell.numpy()
    power = np.array([squares[:, shell == one].mean() for one in range(BOX // 2 + 1)])
    assert 0.4 < power[8:].mean() < 0.6
    after = errors(half(tmp_path / "multiplied", power, premultiply_ctf=True), projector)
    for name in ("angle", "offset", "sensitivity"):
        assert after[name] == pytest.approx(before[name], rel=1e-4, abs=1e-7)

    blind = errors(half(tmp_path / "blind", power), projector)
    assert 0.6 < float((blind["angle"] / before["angle"]).mean()) < 0.8
