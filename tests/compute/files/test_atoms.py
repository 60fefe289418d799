"""Atoms from files: cleaning, centring, assemblies, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from compute.files.atoms import read_atoms
from compute.files.errors import InputError

BIOMT = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 AUTHOR DETERMINED BIOLOGICAL UNIT: TETRAMERIC
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2  0.000000 -1.000000  0.000000        0.00000
REMARK 350   BIOMT2   2  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   3 -1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   3  0.000000 -1.000000  0.000000        0.00000
REMARK 350   BIOMT3   3  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   4  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT2   4 -1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT3   4  0.000000  0.000000  1.000000        0.00000
"""


def _atom(
    serial: int,
    name: str,
    residue: str,
    place: tuple[float, float, float],
    element: str,
    occupancy: float = 1.0,
    kind: str = "ATOM",
) -> str:
    x, y, z = place
    return (
        f"{kind:<6}{serial:5d}  {name:<3} {residue:>3} A{serial:4d}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{occupancy:6.2f}{20.0:6.2f}          {element:>2}\n"
    )


def _write(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines) + "END\n")
    return path


def test_waters_and_hydrogens_are_left_out_and_the_rest_is_centred(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "small.pdb",
        _atom(1, "CA", "ALA", (1.0, 2.0, 3.0), "C"),
        _atom(2, "O", "GLY", (5.0, 2.0, 3.0), "O", occupancy=0.5),
        _atom(3, "H", "GLY", (9.0, 9.0, 9.0), "H"),
        _atom(4, "O", "HOH", (20.0, 0.0, 0.0), "O", kind="HETATM"),
    )
    atoms = read_atoms(path)
    assert atoms.atomic_number.tolist() == [6, 8]
    assert atoms.weights.tolist() == [6.0, 4.0]
    assert np.allclose(atoms.positions_A, [[-1.6, 0.0, 0.0], [2.4, 0.0, 0.0]])
    assert atoms.radius_A == pytest.approx(2.4)


def test_the_biological_assembly_is_built(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "assembly.pdb",
        BIOMT,
        _atom(1, "CA", "ALA", (10.0, 2.0, -1.0), "C"),
        _atom(2, "CA", "ALA", (12.0, 5.0, 3.0), "C"),
    )
    found = read_atoms(path).positions_A
    assert found.shape == (8, 3)
    for place in ((10.0, 2.0), (-2.0, 10.0), (-10.0, -2.0), (2.0, -10.0)):
        target = np.array([*place, -2.0])
        assert np.abs(found - target).max(axis=1).min() < 1e-3


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.pdb does not exist"):
        read_atoms(tmp_path / "nothing.pdb")


def test_a_model_of_water_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "water.pdb", _atom(1, "O", "HOH", (0.0, 0.0, 0.0), "O", kind="HETATM"))
    with pytest.raises(InputError, match="no atoms"):
        read_atoms(path)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.cif"
    path.write_text("this is not a model\n")
    with pytest.raises(InputError, match=r"broken\.cif"):
        read_atoms(path)
