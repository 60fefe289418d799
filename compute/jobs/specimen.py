"""The specimen of a simulation as a map: from an atomic model, from a map file, or the phantom."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32
from torch import Tensor

from compute.files.atoms import read_atoms
from compute.files.errors import InputError
from compute.files.mrc import read_map
from compute.params.simulate import SimulateParams
from compute.sampling.symmetry import parse_symmetry
from compute.signal.density import density_map
from compute.signal.fourier import lowpass
from compute.signal.phantom import Phantom, make_phantom, phantom_map
from compute.signal.resize import resize_map

MODEL_ENDINGS = (".pdb", ".ent", ".cif", ".mmcif", ".pdb.gz", ".ent.gz", ".cif.gz", ".mmcif.gz")
MAP_ENDINGS = (".mrc", ".map", ".ccp4")

_ATOM_B_FACTOR_A2 = 100.0
"""Fall-off of the atoms' density: a well ordered cryo-EM map after sharpening."""

_PHANTOM_SHARE = 0.62
"""Share of the box that the phantom's diameter fills where no diameter is given."""

_POWER_INSIDE = 0.998
"""Share of a map's power inside the radius that is taken for the particle's."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """A map on the images' grid, the radius of what is in it, and what it is."""

    volume: Float32[Tensor, "z y x"]
    radius_A: float
    description: str


def read_specimen(params: SimulateParams, device: torch.device) -> Specimen:
    """The specimen on the box and pixel size of the images, low-passed where that was asked for.

    Raises InputError for a file that is missing or of no known kind, and for a model that is
    larger than the box.
    """
    if params.phantom:
        specimen = _phantom(params, device)
    elif params.model.lower().endswith(MODEL_ENDINGS):
        specimen = _atoms(params, device)
    elif params.model.lower().endswith(MAP_ENDINGS):
        specimen = _map(params, device)
    else:
        raise InputError(
            f"'{params.model}' is neither an atomic model ({', '.join(MODEL_ENDINGS[:4])}) nor a "
            f"map ({', '.join(MAP_ENDINGS)})"
        )
    if params.resolution_A <= 2.0 * params.pixel_size_A or params.phantom:
        return specimen
    blurred = lowpass(specimen.volume, params.pixel_size_A, params.resolution_A)
    return Specimen(blurred, specimen.radius_A, specimen.description)


def built_in_phantom(params: SimulateParams) -> Phantom:
    """The phantom that these parameters ask for: its diameter, detail, symmetry and seed."""
    extent_A = params.box * params.pixel_size_A
    diameter_A = params.particle_diameter_A or _PHANTOM_SHARE * extent_A
    detail_A = max(params.resolution_A, 2.0 * params.pixel_size_A)
    operators = parse_symmetry(params.symmetry).operators
    return make_phantom(operators, 0.5 * diameter_A, detail_A, params.random_seed)


def _phantom(params: SimulateParams, device: torch.device) -> Specimen:
    phantom = built_in_phantom(params)
    volume = phantom_map(phantom, params.box, params.pixel_size_A)
    detail_A = max(params.resolution_A, 2.0 * params.pixel_size_A)
    what = f"phantom of {len(phantom.weights)} blobs with symmetry {params.symmetry}"
    return Specimen(volume.to(device), phantom.radius_A + detail_A, what)


def _atoms(params: SimulateParams, device: torch.device) -> Specimen:
    atoms = read_atoms(params.model)
    try:
        volume = density_map(
            torch.from_numpy(atoms.positions_A).to(device),
            torch.from_numpy(atoms.weights).to(device),
            params.box,
            params.pixel_size_A,
            _ATOM_B_FACTOR_A2,
        )
    except ValueError as error:
        raise InputError(f"{params.model}: {error}") from error
    what = f"{Path(params.model).name}, {len(atoms.weights)} atoms"
    return Specimen(volume, atoms.radius_A + params.pixel_size_A, what)


def _map(params: SimulateParams, device: torch.device) -> Specimen:
    path = Path(params.model)
    if not path.is_file():
        raise InputError(f"map {path} does not exist")
    found = read_map(path)
    volume = resize_map(
        torch.from_numpy(found.volume).to(device),
        found.pixel_size_A,
        params.pixel_size_A,
        params.box,
    )
    what = f"{path.name}, {found.volume.shape[0]} voxels of {found.pixel_size_A:g} Å"
    return Specimen(volume, _map_radius(volume) * params.pixel_size_A, what)


def _map_radius(volume: Float32[Tensor, "z y x"]) -> float:
    """Voxels from the centre within which nearly all of a map's power lies."""
    box = volume.shape[0]
    squared = (torch.arange(box, device=volume.device) - box // 2).square()
    radius = (squared[:, None, None] + squared[:, None] + squared).double().sqrt()
    shell = radius.long().flatten()
    power = torch.zeros(int(shell.max()) + 1, dtype=torch.float64, device=volume.device)
    power.index_add_(0, shell, volume.double().square().flatten())
    if not bool(power.sum() > 0):
        raise InputError("the map is zero everywhere")
    inside = power.cumsum(0) / power.sum()
    return float((inside < _POWER_INSIDE).sum()) + 1.0
