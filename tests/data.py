"""Synthetic maps and particle sets for tests, made on the fly by the simulation itself."""

from pathlib import Path
from typing import Any

import torch

from compute.jobs import simulate
from compute.jobs.specimen import built_in_phantom
from compute.params.simulate import SimulateParams
from compute.signal.phantom import phantom_map as map_of_phantom

PIXEL_SIZE_A = 4.0


def phantom_params(folder: Path | str, **options: Any) -> SimulateParams:
    """Parameters of a small phantom set: 32 pixels of 4 Å; any field can be given."""
    defaults: dict[str, Any] = {
        "phantom": True,
        "output": str(Path(folder) / "set"),
        "particles": 50,
        "box": 32,
        "pixel_size_A": PIXEL_SIZE_A,
        "snr": 0.5,
        "noise": "white",
        "micrographs": 5,
        "offset_sigma_A": 4.0,
        "reference_resolution_A": 40.0,
    }
    return SimulateParams(**(defaults | options))


def phantom_map(box: int = 32, symmetry: str = "C1", seed: int = 0) -> torch.Tensor:
    """The phantom's map on `box` voxels of 4 Å, the one that `particle_set` images by default."""
    params = phantom_params(".", box=box, symmetry=symmetry, random_seed=seed)
    return map_of_phantom(built_in_phantom(params), box, PIXEL_SIZE_A)


def particle_set(
    folder: Path | str, particles: int = 50, box: int = 32, **options: Any
) -> simulate.SimulatedSet:
    """The files of a small simulated set in `folder`: stack, STAR files, truth and start maps."""
    params = phantom_params(folder, particles=particles, box=box, **options)
    return simulate.make(params, log=lambda line: None)
