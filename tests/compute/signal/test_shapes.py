"""Spheres and cylinders: volumes, places, hollows."""

import numpy as np
import pytest

from compute.signal.binary import soft_edge
from compute.signal.shapes import beyond_centre, beyond_cylinder, beyond_sphere


def test_a_sphere_has_its_volume_and_place() -> None:
    distance = beyond_sphere(48, 15.0, 0.0, (3.0, -2.0, 1.0))
    volume = soft_edge(distance, 1.0).sum(dtype=float)
    assert volume == pytest.approx(4 / 3 * np.pi * 15.5**3, rel=0.02)
    centre = np.argwhere(distance <= 0).mean(axis=0)
    assert centre == pytest.approx([25, 22, 27])
    assert distance[25, 22, 27 + 20] == pytest.approx(5.0)


def test_a_hollow_sphere_is_a_shell() -> None:
    distance = beyond_sphere(32, 10.0, 6.0, (0.0, 0.0, 0.0))
    along = distance[16, 16, 16:]
    assert along.tolist() == [6, 5, 4, 3, 2, 1, 0, -1, -2, -1, 0, 1, 2, 3, 4, 5]
    assert soft_edge(distance, 4.0)[16, 16, 16 + 4] == pytest.approx(0.5)


def test_a_cylinder_has_rounded_edges_outside() -> None:
    distance = beyond_cylinder(40, 8.0, 0.0, 20.0, (0.0, 0.0, 0.0))
    assert (distance <= 0).sum() == pytest.approx(np.pi * 8**2 * 21, rel=0.03)
    assert distance[20, 20, 20 + 11] == pytest.approx(3.0)
    assert distance[20 + 14, 20, 20] == pytest.approx(4.0)
    assert distance[20 + 14, 20, 20 + 11] == pytest.approx(5.0)
    through = beyond_cylinder(40, 8.0, 3.0, None, (0.0, 0.0, 0.0))
    assert (through[0] == through[39]).all() and through[0, 20, 20] == pytest.approx(3.0)


def test_the_central_part_along_z() -> None:
    assert beyond_centre(24, 0.5)[12:].tolist() == [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5]
