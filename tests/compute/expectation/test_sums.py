"""What an image's posterior sums up to, over more pixels than are taken at a time."""

import numpy as np
import pytest

from compute.expectation import put_back_cpu, sums_cpu
from compute.expectation.image_cpu import Images, Tables
from compute.expectation.put_back_cpu import Target
from compute.expectation.second_pass_cpu import Left
from compute.projection import kernels_cpu
from compute.projection.reference import grid_shape

ORIENTATIONS, SHIFTS = 5, 9
COMPARED, PUT_BACK = 2 * sums_cpu.TILE + 100, 3 * sums_cpu.TILE + 7
PADDING, RADIUS = 2, 12


class Case:
    """An image with a posterior over some orientations, the third of which has no weight."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)

        def numbers(*shape: int) -> np.ndarray:
            return rng.normal(size=shape).astype(np.float32)

        def image() -> np.ndarray:
            return numbers(PUT_BACK) + 1j * numbers(PUT_BACK)

        weights = np.where(rng.random((ORIENTATIONS, SHIFTS)) < 0.6, rng.random((5, 9)), 0)
        weights[2] = 0
        self.weights = weights.astype(np.float32)
        self.place = np.array([0, 1, -1, 2, 3])
        self.used = self.place >= 0
        self.columns = rng.permutation(20)[:SHIFTS]
        self.sliced = numbers(ORIENTATIONS, 2, COMPARED)
        none = (None,) * 4
        self.image = Images(image(), image(), numbers(PUT_BACK), numbers(PUT_BACK), *none)
        given = {"phases": numbers(20, 2, PUT_BACK), "insertion": numbers(PUT_BACK)}
        self.tables = Tables(**{name: given.get(name) for name in Tables._fields})
        turns = np.linalg.qr(rng.normal(size=(4, 3, 3)))[0].astype(np.float32)
        self.left = Left(turns, self.weights.sum(1)[self.used])
        radius, angle = RADIUS * rng.random(PUT_BACK), np.pi * rng.random(PUT_BACK)
        self.x = (radius * np.sin(angle)).astype(np.float32)
        self.y = (radius * np.cos(angle)).astype(np.float32)
        self.moves = self.tables.phases[self.columns, 0] - 1j * self.tables.phases[self.columns, 1]

    @property
    def factor(self) -> np.ndarray:
        return self.image.backward * self.tables.insertion

    def back(self) -> np.ndarray:
        """What the orientations with weight put back, [orientation, pixel]."""
        mean: np.ndarray = self.weights[self.used].astype(np.float64) @ self.moves
        return self.image.unmasked * self.factor * mean

    def sums(self, values: np.ndarray, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """Fit and model; what is put back goes to values or the target."""
        fit, model = np.zeros(COMPARED, np.float32), np.zeros(COMPARED, np.float32)
        spent_s = sums_cpu.orientation_sums(
            self.weights,
            self.columns,
            self.sliced,
            self.place,
            self.image,
            self.tables,
            self.left,
            values,
            target,
            fit,
            model,
        )
        assert (spent_s > 0) == target.is_given
        return fit, model


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def tile() -> np.ndarray:
    """Room for what four orientations put back of a tile."""
    return np.full((4, 2, sums_cpu.TILE), np.nan, np.float32)


def test_sums_are_those_of_all_pairs_at_once(case: Case) -> None:
    values = np.full((4, 2, PUT_BACK), np.nan, np.float32)
    fit, model = case.sums(values, put_back_cpu.nowhere())
    assert np.allclose(values[:, 0] + 1j * values[:, 1], case.back(), atol=1e-4)
    mean = case.weights[case.used].astype(np.float64) @ case.moves
    slices = (case.sliced[:, 0] + 1j * case.sliced[:, 1])[case.used]
    expected = (slices.conj() * case.image.masked[:COMPARED] * mean[:, :COMPARED]).real.sum(0)
    assert np.allclose(fit, expected, atol=1e-3)
    powers = case.left.share[:, None] * np.abs(slices) ** 2
    assert np.allclose(model, powers.sum(0), atol=1e-4)


def test_images_go_into_the_volume_tile_by_tile(case: Case) -> None:
    sums, expected = (np.zeros((*grid_shape(PADDING, RADIUS), 3), np.float32) for _ in range(2))
    target = put_back_cpu.nowhere()._replace(
        is_given=True, sums=sums, x=case.x, y=case.y, padding=PADDING
    )
    found = case.sums(tile(), target)
    values = np.empty((4, 2, PUT_BACK), np.float32)
    for one, other in zip(found, case.sums(values, put_back_cpu.nowhere()), strict=True):
        assert np.array_equal(one, other)
    weights = (case.image.forward * case.factor)[None]
    given = (values, case.left.share, np.zeros(4, np.int64), weights)
    kernels_cpu.insert(expected, case.left.rotations, case.x, case.y, PADDING, *given)
    assert np.abs(sums - expected).max() < 1e-5 * np.abs(expected).max()
