"""What interpolated mates take from a map, told from the operators of a group alone."""

import numpy as np
import pytest
import torch
from jaxtyping import Float32

from compute.maximisation.falloff import MateFalloff, mate_falloff
from compute.sampling.symmetry import parse_symmetry


@pytest.mark.parametrize(
    ("name", "about_axis", "between"),
    [
        ("C1", (0, 0, 0), 0),
        ("C4", (0, 0, 0), 0),
        ("O", (0, 0, 0), 0),
        ("C3", (0, 0, 2 / 3), 0),
        ("D7", (0, 0, 12 / 14), 0),
        ("T", (1 / 12, 0, 2 / 12), 8 / 12),
        ("I1", (0, 0, 0), 48 / 60),
    ],
)
def test_shares_of_a_group(
    name: str, about_axis: tuple[float, float, float], between: float
) -> None:
    found = mate_falloff(parse_symmetry(name).operators)
    assert found.about_axis == pytest.approx(about_axis)
    assert found.between == pytest.approx(between)
    assert found.is_none == (name in ("C1", "C4", "O"))


def of_points(*values: float) -> Float32[torch.Tensor, "1 1 x"]:
    """A row of values."""
    return torch.tensor(values, dtype=torch.float32)[None, None]


def test_mates_about_an_axis_damp_by_the_distance_from_it() -> None:
    """Along the axis nothing is lost; half of the mates lose sinc²(1/4) at a quarter of the padded box from it."""
    squares = (of_points(0, 400, 0), of_points(0, 0, 400), of_points(400, 0, 9))
    factor = MateFalloff(about_axis=(0.0, 0.0, 0.5)).at(squares, 80)
    off_axis = 0.5 + 0.5 * np.sinc(0.25) ** 2
    np.testing.assert_allclose(factor[0, 0].numpy(), [1.0, off_axis, off_axis], rtol=1e-6)


def test_other_mates_damp_by_the_distance_from_the_centre() -> None:
    squares = (of_points(0, 100), of_points(0, 200), of_points(0, 100))
    factor = MateFalloff(between=0.75).at(squares, 80)
    np.testing.assert_allclose(
        factor[0, 0].numpy(), [1.0, 0.25 + 0.75 * np.sinc(0.25) ** 2], rtol=1e-6
    )
