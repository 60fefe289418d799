"""What the optics table and the options say about the microscope reaches the images of a refinement."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compute.files.errors import InputError
from compute.files.optics import OpticsGroup
from compute.files.particle_set import ParticleSet
from compute.files.particles import read_particles
from compute.jobs.imaging import make_imagings, optics_of
from compute.params.refine import RefineParams
from tests.data import particle_set

BOX, PIXEL_A = 24, 4.0
CPU = torch.device("cpu")
MTF = "data_mtf\n\nloop_\n_rlnResolutionInversePixel #1\n_rlnMtfValue #2\n0 1\n0.5 {end}\n"


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> ParticleSet:
    """A small set of one optics group."""
    folder = tmp_path_factory.mktemp("set")
    particle_set(folder, particles=12, box=BOX, micrographs=2)
    return read_particles(folder / "set.star")


def params(**changes: Any) -> RefineParams:
    """Parameters of a refinement of it."""
    return RefineParams(particles="p.star", reference="m.mrc", output="O/run", **changes)


def with_groups(particles: ParticleSet, *changes: dict[str, Any]) -> ParticleSet:
    """The set with several optics groups, which differ from its own in this."""
    groups = tuple(
        dataclasses.replace(particles.optics[0], number=number, name=f"g{number}", **change)
        for number, change in enumerate(changes, 1)
    )
    return dataclasses.replace(particles, optics=groups)


def responses(particles: ParticleSet) -> list[torch.Tensor | None]:
    """What the transforms of every group's images are multiplied with."""
    return [one.correction for one in make_imagings(particles, params(), BOX, PIXEL_A, CPU)]


def test_every_figure_of_the_optics_table_is_used(particles: ParticleSet) -> None:
    group = dataclasses.replace(
        particles.optics[0],
        voltage_kV=200.0,
        spherical_aberration_mm=1.4,
        amplitude_contrast=0.07,
        is_premultiplied=True,
        beam_tilt_x_mrad=0.3,
        beam_tilt_y_mrad=-0.2,
        odd_zernike=(0.1, 0.2),
        even_zernike=(0.0, 0.3, 0.0, 0.4),
    )
    found = optics_of(group, params())
    shared = {one.name for one in dataclasses.fields(OpticsGroup)} & {
        one.name for one in dataclasses.fields(found)
    }
    assert len(shared) == 8
    for name in shared:
        assert getattr(found, name) == getattr(group, name), name


@pytest.mark.parametrize(
    ("option", "name"),
    [("ctf_phase_flipped", "is_phase_flipped"), ("ctf_intact_first_peak", "intact_first_peak")],
)
def test_options_say_how_the_ctf_is_read(option: str, name: str, particles: ParticleSet) -> None:
    group = particles.optics[0]
    assert not getattr(optics_of(group, params()), name)
    assert getattr(optics_of(group, params(**{option: True})), name)


def test_an_anisotropic_magnification_moves_the_frequencies(particles: ParticleSet) -> None:
    two = with_groups(particles, {}, {"magnification": (1.02, 0.0, 0.0, 0.98)})
    plain, uneven = (one.pixels for one in make_imagings(two, params(), BOX, PIXEL_A, CPU))
    places = [
        {
            (int(row), int(column)): index
            for index, (row, column) in enumerate(zip(one.row, one.column, strict=True))
        }
        for one in (plain, uneven)
    ]
    both = [
        list(pair)
        for pair in zip(
            *[[one[key] for one in places] for key in places[0].keys() & places[1].keys()],
            strict=True,
        )
    ]
    assert len(both[0]) > 200
    # Images are read at the same places, and stand for other frequencies of the map.
    assert torch.equal(plain.shift_x_A[both[0]], uneven.shift_x_A[both[1]])
    moved = uneven.model_x[both[1]] - plain.model_x[both[0]]
    assert float(moved.abs().max()) > 0.01 * BOX / 2


def mtf(folder: Path, end: float) -> Path:
    """A detector whose response falls linearly to this at its Nyquist frequency."""
    path = folder / f"mtf_{end}.star"
    path.write_text(MTF.format(end=end))
    return path


def test_detectors_that_differ_are_brought_to_their_mean(
    particles: ParticleSet, tmp_path: Path
) -> None:
    ends = (0.5, 0.2)
    groups = [{"mtf_path": mtf(tmp_path, end), "original_pixel_size_A": 2.0} for end in ends]
    two = with_groups(particles, *groups)
    pixels = make_imagings(two, params(), BOX, PIXEL_A, CPU)[0].pixels
    # 0.5 per pixel of 2 Å is 0.25 per Å.
    radius = torch.hypot(pixels.shift_x_A, pixels.shift_y_A).numpy()
    assert radius.max() > 0.12
    own = [1.0 - (1.0 - end) * np.minimum(radius, 0.25) / 0.25 for end in ends]
    for found, curve in zip(responses(two), own, strict=True):
        assert found is not None
        np.testing.assert_allclose(found.real.numpy() * curve, np.mean(own, axis=0), atol=1e-6)


@pytest.mark.parametrize("second", [True, False])
def test_one_detector_or_an_unknown_one_changes_nothing(
    second: bool, particles: ParticleSet, tmp_path: Path
) -> None:
    known = {"mtf_path": mtf(tmp_path, 0.5)}
    assert responses(with_groups(particles, known, known if second else {})) == [None, None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("mtf.star does not exist",)),
        ("data_mtf\n\nloop_\n_rlnVoltage\n300\n", ("mtf.star has no table", "is it an MTF?")),
        (MTF.format(end=0), ("row 2", "must be positive")),
    ],
)
def test_a_detector_file_that_cannot_serve_is_named(
    text: str | None, words: tuple[str, ...], particles: ParticleSet, tmp_path: Path
) -> None:
    path = tmp_path / "mtf.star"
    if text is not None:
        path.write_text(text)
    two = with_groups(particles, {"mtf_path": path}, {"mtf_path": mtf(tmp_path, 0.5)})
    with pytest.raises(InputError) as refused:
        responses(two)
    assert all(word in str(refused.value) for word in words), refused.value
