"""Atoms of a PDB or mmCIF file, biological assembly expanded, ready to be turned into density."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from compute.files.errors import InputError


@dataclass(frozen=True, slots=True)
class Atoms:
    """Positions in Å as (x, y, z), centred; atomic numbers; occupancies."""

    positions_A: Float64[np.ndarray, "atom 3"]
    atomic_number: Int64[np.ndarray, "atom"]
    occupancy: Float64[np.ndarray, "atom"]

    @property
    def weights(self) -> Float64[np.ndarray, "atom"]:
        """Scattering weight of each atom: atomic number times occupancy."""
        return self.atomic_number.astype(np.float64) * self.occupancy

    @property
    def radius_A(self) -> float:
        """Largest distance of an atom from the centre, in Å."""
        return float(np.linalg.norm(self.positions_A, axis=1).max())


def read_atoms(path: Path | str) -> Atoms:
    """Atoms of the first model in `path`, without waters and hydrogens, centred.

    Where the file describes biological assemblies (PDB `REMARK 350`, mmCIF
    `_pdbx_struct_assembly`) the first one is built. The origin is put at the centre of mass with
    atomic numbers as masses, so that the density made of the atoms is centred exactly.
    Raises InputError when the file is missing, unreadable or holds no atoms.
    """
    path = Path(path)
    try:
        import gemmi
    except ImportError as error:
        raise InputError(
            f"reading {path.name} needs the package 'gemmi': install it with 'pip install gemmi'"
        ) from error
    if not path.is_file():
        raise InputError(f"atomic model {path} does not exist")
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path} is not a readable PDB or mmCIF file: {error}") from error
    if not len(structure):
        raise InputError(f"{path} holds no atoms")
    structure.setup_entities()
    if len(structure.assemblies):
        name = structure.assemblies[0].name
        structure.transform_to_assembly(name, gemmi.HowToNameCopiedChain.AddNumber)
    structure.remove_waters()
    structure.remove_hydrogens()
    rows = [
        (*atom.pos.tolist(), atom.element.atomic_number, atom.occ)
        for chain in structure[0]
        for residue in chain
        for atom in residue
    ]
    return _centred(np.array(rows, dtype=np.float64).reshape(-1, 5), path)


def _centred(rows: Float64[np.ndarray, "atom 5"], path: Path) -> Atoms:
    """Atoms from rows (x, y, z, atomic number, occupancy), moved to their centre of mass."""
    mass = rows[:, 3] * rows[:, 4]
    if mass.sum() <= 0.0:
        raise InputError(f"{path} holds no atoms other than waters and hydrogens")
    centre = (mass[:, None] * rows[:, :3]).sum(axis=0) / mass.sum()
    return Atoms(rows[:, :3] - centre, rows[:, 3].astype(np.int64), rows[:, 4].copy())
