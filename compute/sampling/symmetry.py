"""Point groups: the rotations that leave a map unchanged, on fixed axes.

Axes: Cn n-fold on z; Dn also 2-fold on x; T 3-fold on z and a 2-fold at (0, 0.8165, 0.5774); O
4-folds on x, y, z; I2 (plain I) 2-folds on the axes and a 5-fold at (0.5257, 0, 0.8507); I1 is I2
turned by 90 degrees about z; I3 and I4 have a 5-fold on z and differ by half a turn about it.
"""

import re
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import ArrayLike

from compute.sampling.rotations import rotation_vectors_to_matrices

ACCEPTED = "Cn and Dn with n = 1 to 99, T, O, I (the same as I2), I1, I2, I3, I4"

GOLDEN_ANGLE = float(np.arctan((1.0 + np.sqrt(5.0)) / 2.0))
"""58.28 degrees: from the 5-fold axis of setting I1 in the xz plane to the z axis."""


@dataclass(frozen=True, slots=True)
class SymmetryGroup:
    """A point group: its name, its rotation matrices (identity first) and their number."""

    name: str
    operators: Float64[np.ndarray, "operator 3 3"] = field(compare=False, repr=False)
    order: int


def parse_symmetry(name: str) -> SymmetryGroup:
    """Return the point group of a name such as C1, D2, T, O or I1 (upper or lower case).

    Raises ValueError with the accepted names for anything else; mirror groups are refused because a
    mirror image of a molecule is another molecule.
    """
    wanted = name.strip().upper()
    if re.fullmatch(r"[CD][1-9][0-9]?|T|O|I[1-4]?", wanted):
        operators = _ordered(_operators(wanted))
        return SymmetryGroup(wanted, operators, len(operators))
    substitute = _chiral_substitute(wanted)
    if substitute is not None:
        raise ValueError(
            f"symmetry {name!r}: mirror groups are meaningless for chiral maps; use {substitute}"
        )
    raise ValueError(f"symmetry {name!r} is not known; accepted are {ACCEPTED}")


def relaxed_operators(group: SymmetryGroup) -> Float64[np.ndarray, "operator 3 3"]:
    """Return the rotations among which a particle may choose when the group is relaxed.

    Raises ValueError unless the group is cyclic: only about one axis is the choice well defined
    here.
    """
    if not group.name.startswith("C"):
        raise ValueError(
            f"symmetry can be relaxed only for cyclic groups (C2, C3, ...), not {group.name}"
        )
    return group.operators


def mates(
    rotations: Float[np.ndarray, "rotation 3 3"],
    operators: Float[np.ndarray, "operator 3 3"],
) -> Float64[np.ndarray, "rotation operator 3 3"]:
    """Return the equivalent orientations A R_j of every orientation A."""
    return rotations[:, None].astype(np.float64) @ operators[None].astype(np.float64)


def _operators(name: str) -> Float64[np.ndarray, "operator 3 3"]:
    """Return the group's matrices in its own setting, from turns whose products are all of them."""
    z, golden = np.array([0.0, 0.0, 1.0]), 0.5 * (1.0 + np.sqrt(5.0))
    if name[0] in "CD":
        about_z = _turn(z, int(name[1:]))
        return _products(
            about_z if name[0] == "C" else np.concatenate([about_z, _turn([1, 0, 0], 2)])
        )
    if name == "O":
        return _products(np.concatenate([_turn(z, 4), _turn([1, 0, 0], 4)]))
    tetrahedral = np.concatenate([_turn(z, 2), _turn([1, 1, 1], 3)])
    if name == "T":
        three_fold = np.full(3, 1.0 / np.sqrt(3.0))
        upright = z - three_fold[2] * three_fold
        y = upright / np.linalg.norm(upright)
        turn = np.stack([np.cross(y, three_fold), y, three_fold])
        return turn @ _products(tetrahedral) @ turn.T
    vector = {
        "I": 0.5 * np.pi * z,
        "I1": 0.0 * z,
        "I2": 0.5 * np.pi * z,
        "I3": np.array([0.0, GOLDEN_ANGLE, 0.0]),
        "I4": np.array([0.0, -GOLDEN_ANGLE, 0.0]),
    }[name]
    turn = rotation_vectors_to_matrices(vector[None])[0]
    icosahedral = np.concatenate([tetrahedral, _turn([0.0, 1.0, golden], 5)])
    return turn @ _products(icosahedral) @ turn.T


def _turn(axis: ArrayLike, fold: int) -> Float64[np.ndarray, "1 3 3"]:
    """Return the turn by one part in `fold` about an axis of any length."""
    unit = np.array(axis, dtype=np.float64)
    unit *= 2.0 * np.pi / fold / np.linalg.norm(unit)
    return rotation_vectors_to_matrices(unit[None])


def _products(
    generators: Float64[np.ndarray, "generator 3 3"],
) -> Float64[np.ndarray, "operator 3 3"]:
    """Return all products of some rotations, each once, free of rounding to the last digits."""
    found = np.eye(3)[None]
    new = found
    while len(new):
        candidates = (new[:, None] @ generators[None]).reshape(-1, 3, 3)
        fresh: list[np.ndarray] = []
        for one in candidates:
            known = np.concatenate([found, np.array(fresh).reshape(-1, 3, 3)])
            if np.abs(known - one).max(axis=(1, 2)).min() > 1e-6:
                fresh.append(one)
        new = np.array(fresh).reshape(-1, 3, 3)
        found = np.concatenate([found, new])
    return found


def _ordered(operators: Float64[np.ndarray, "operator 3 3"]) -> Float64[np.ndarray, "operator 3 3"]:
    """Return the operators, the identity first, with elements 0, 1/2 and 1 free of rounding."""
    halves = np.round(2.0 * operators) / 2.0
    clean = np.where(np.abs(operators - halves) < 1e-12, halves, operators) + 0.0
    trace = np.trace(clean, axis1=1, axis2=2)
    return np.ascontiguousarray(clean[np.argsort(-np.round(trace, 9), kind="stable")])


def _chiral_substitute(name: str) -> str | None:
    """Return the rotation group to use instead of one with mirrors, or None for no group."""
    if name in ("CS", "CI"):
        return "C1"
    if match := re.fullmatch(r"S([1-9][0-9]?)", name):
        return f"C{max(1, int(match[1]) // 2)}"
    if match := re.fullmatch(r"([CD][1-9][0-9]?)[HVD]|([TO])[DH]|(I[1-4]?)H", name):
        return match[1] or match[2] or match[3]
    return "I" if name == "I5H" else None
