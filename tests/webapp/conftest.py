"""Services and small particle sets that tests of the web application share."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services import slurm as slurm_service
from tests.services.slurm import SlurmService


@pytest.fixture(scope="session")
def slurm_of_one_node() -> Iterator[SlurmService]:
    """A real Slurm of one node, for the whole test run."""
    if reason := slurm_service.missing():
        pytest.skip(reason)
    with slurm_service.running_slurm() as service:
        yield service


@dataclass(frozen=True, slots=True)
class SmallSet:
    """A project folder with a small particle set, and parameters of a refinement of it."""

    folder: Path
    params: dict[str, Any]

    def asking(self, output: str, **options: Any) -> dict[str, Any]:
        """The parameters with this output and these options."""
        return {**self.params, "output": output, **options}


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    """80 particles of a D2 phantom, refined in five short iterations."""
    from tests.data import particle_set

    folder = tmp_path_factory.mktemp("small")
    with contextlib.chdir(folder):
        made = particle_set(".", particles=80, symmetry="D2", snr=2.0, micrographs=3)
    params = {
        "particles": "set.star",
        "reference": "set_reference.mrc",
        "particle_diameter_A": round(made.particle_diameter_A, 1),
        "initial_lowpass_A": 25.0,
        "symmetry": "D2",
        "ignore_angles": True,
        "resolution_angles": True,
        "healpix_order": 1,
        "local_search_order": 2,
        "maximum_iterations": 5,
        "random_seed": 1,
        "mpi": 3,
        "threads": 1,
    }
    return SmallSet(folder, params)
