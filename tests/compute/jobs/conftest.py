"""Particle sets and one finished refinement that the tests of the jobs look at."""

from pathlib import Path

import pytest

from compute.jobs.simulate import SimulatedSet
from tests.compute.jobs.refining import (
    Run,
    copy_inputs,
    make_set,
    options_of,
    refine_here,
    refine_ranks,
    short_options,
)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A refinement of 120 particles of a D2 phantom (40 px of 3.5 Å, SNR 1) that ended by itself."""
    folder = tmp_path_factory.mktemp("finished")
    made = make_set(folder, symmetry="D2", particles=120, box=40, pixel_size_A=3.5, snr=1.0)
    return refine_here(folder, options_of(made, symmetry="D2", initial_lowpass_A=40.0))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulatedSet]:
    """A folder with 80 particles of a D2 phantom, 32 px of 4 Å, signal to noise ratio 2."""
    folder = tmp_path_factory.mktemp("tiny")
    return folder, make_set(folder, symmetry="D2", particles=80, snr=2.0, micrographs=3)


@pytest.fixture(scope="session")
def alone(tiny: tuple[Path, SimulatedSet], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An uninterrupted short refinement by one process."""
    folder = copy_inputs(tiny[0], tmp_path_factory.mktemp("alone") / "job")
    return refine_here(folder, short_options(tiny[1]))


@pytest.fixture(scope="session")
def three(tiny: tuple[Path, SimulatedSet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted short refinement by three processes."""
    folder = copy_inputs(tiny[0], tmp_path_factory.mktemp("three") / "job")
    refine_ranks(folder, short_options(tiny[1]), 3)
    return folder
