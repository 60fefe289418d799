"""Point groups: sizes, closure, axes and names."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from compute.sampling.symmetry import mates, parse_symmetry, relaxed_operators

SIZES = {
    "C1": 1, "C4": 4, "D1": 2, "D2": 4, "D7": 14, "C99": 99,
    "T": 12, "O": 24, "I": 60, "I1": 60, "I2": 60, "I3": 60, "I4": 60,
}  # fmt: skip

AXES = [
    ("C5", 5, (0, 0, 1)),
    ("D1", 2, (1, 0, 0)),
    ("D7", 7, (0, 0, 1)),
    ("D7", 2, (1, 0, 0)),
    ("T", 3, (0, 0, 1)),
    ("T", 2, (0, 0.816496, 0.577350)),
    ("O", 4, (0, 0, 1)),
    ("O", 3, (1, 1, 1)),
    ("I", 2, (0, 0, 1)),
    ("I2", 2, (0, 0, 1)),
    ("I2", 5, (0.525731114, 0, 0.850650807)),
    ("I2", 3, (0, 0.356822076, 0.934172364)),
    ("I1", 2, (1, 0, 0)),
    ("I1", 5, (0.850650807, 0, -0.525731114)),
    ("I1", 3, (0.934172364, 0.356822077, 0)),
    ("I3", 5, (0, 0, 1)),
    ("I3", 2, (-0.525731114, 0, 0.850650807)),
    ("I3", 3, (-0.491123478, 0.356822077, 0.794654475)),
    ("I4", 2, (0.525731114, 0, 0.850650807)),
    ("I4", 5, (0.894427193, 0, 0.447213591)),
    ("I4", 3, (0.491123478, 0.356822077, 0.794654475)),
]


def distance_to_group(matrix: np.ndarray, operators: np.ndarray) -> float:
    return float(np.abs(operators - matrix).max(axis=(1, 2)).min())


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_group_is_closed_and_has_its_size(name: str, size: int):
    group = parse_symmetry(name)
    assert group.order == size == len(group.operators)
    np.testing.assert_array_equal(group.operators[0], np.eye(3))
    products = np.einsum("aij,bjk->abik", group.operators, group.operators).reshape(-1, 3, 3)
    keys = {tuple(np.round(m.ravel(), 6) + 0.0) for m in group.operators}
    assert len(keys) == size
    assert {tuple(np.round(m.ravel(), 6) + 0.0) for m in products} == keys
    np.testing.assert_allclose(np.linalg.det(group.operators), 1.0, atol=1e-12)


@pytest.mark.parametrize(("name", "fold", "axis"), AXES)
def test_axes_are_where_they_should_be(name: str, fold: int, axis: tuple[float, float, float]):
    unit = np.array(axis) / np.linalg.norm(axis)
    turn = Rotation.from_rotvec(unit * 2.0 * np.pi / fold).as_matrix()
    assert distance_to_group(turn, parse_symmetry(name).operators) < 2e-6


def test_settings_of_the_icosahedron_differ():
    groups = [parse_symmetry(name).operators for name in ("I1", "I2", "I3", "I4")]
    for i, first in enumerate(groups):
        for second in groups[i + 1 :]:
            assert max(distance_to_group(m, second) for m in first) > 0.1


def test_names_ignore_case_and_plain_i_is_i2():
    assert parse_symmetry(" d7 ").name == "D7"
    np.testing.assert_array_equal(parse_symmetry("i").operators, parse_symmetry("I2").operators)


@pytest.mark.parametrize(
    ("name", "instead"),
    [("Cs", "C1"), ("Ci", "C1"), ("C3h", "C3"), ("c4v", "C4"), ("D2h", "D2"), ("S6", "C3"),
     ("Td", "T"), ("Th", "T"), ("Oh", "O"), ("Ih", "I"), ("I3h", "I3"), ("I5h", "I")],
)  # fmt: skip
def test_mirror_groups_are_refused_with_a_substitute(name: str, instead: str):
    with pytest.raises(ValueError, match=f"mirror groups are meaningless.*use {instead}$"):
        parse_symmetry(name)


@pytest.mark.parametrize("name", ["", "C0", "C100", "C", "D", "I5", "I6", "K", "C-1", "C2.5", "TT"])
def test_nonsense_is_refused_with_the_accepted_names(name: str):
    with pytest.raises(ValueError, match="accepted are Cn and Dn"):
        parse_symmetry(name)


def test_only_cyclic_groups_are_relaxed():
    assert len(relaxed_operators(parse_symmetry("C4"))) == 4
    with pytest.raises(ValueError, match="cyclic"):
        relaxed_operators(parse_symmetry("D2"))


def test_mates_act_on_the_right():
    group = parse_symmetry("D3")
    poses = Rotation.random(5, rng=np.random.default_rng(0)).as_matrix()
    np.testing.assert_allclose(mates(poses, group.operators)[3, 4], poses[3] @ group.operators[4])
