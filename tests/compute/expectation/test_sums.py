"""What an image's posterior sums up to, over more pixels than are taken at a time; and the room for it."""

from typing import Any, NamedTuple

import numpy as np

from compute.expectation import sums_cpu
from compute.expectation.host import Room

ORIENTATIONS, SHIFTS = 5, 9
COMPARED, PUT_BACK = 2 * sums_cpu.TILE + 100, 3 * sums_cpu.TILE + 7


class SomeTables(NamedTuple):
    phases: Any


class SomeImage(NamedTuple):
    masked: Any
    unmasked: Any
    factor: Any


class SomeOutcome(NamedTuple):
    values: Any
    share: Any


def test_sums_are_those_of_all_pairs_at_once() -> None:
    rng = np.random.default_rng(1)

    def numbers(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    def image() -> np.ndarray:
        return numbers(PUT_BACK) + 1j * numbers(PUT_BACK)

    weights = np.where(rng.random((ORIENTATIONS, SHIFTS)) < 0.6, rng.random((5, 9)), 0)
    weights[2] = 0
    weights = weights.astype(np.float32)
    place = np.array([0, 1, -1, 2, 3])
    used = place >= 0
    columns = rng.permutation(20)[:SHIFTS]
    phases, sliced = numbers(20, 2, PUT_BACK), numbers(7, 2, COMPARED)
    places = np.array([3, 0, 1, 6, 2])
    given = SomeImage(image(), image(), numbers(PUT_BACK))
    share = weights.sum(1)[used]
    out = SomeOutcome(np.full((4, 2, PUT_BACK), np.nan, np.float32), share)
    fit, model = np.zeros(COMPARED, np.float32), np.zeros(COMPARED, np.float32)
    sums_cpu.orientation_sums(
        weights, columns, sliced, places, place, given, SomeTables(phases), out, fit, model
    )
    moves = phases[columns, 0] - 1j * phases[columns, 1]
    mean = weights[used].astype(np.float64) @ moves
    back = given.unmasked * given.factor * mean
    assert np.allclose(out.values[:, 0] + 1j * out.values[:, 1], back, atol=1e-4)
    slices = (sliced[:, 0] + 1j * sliced[:, 1])[places[used]]
    expected = (slices.conj() * given.masked[:COMPARED] * mean[:, :COMPARED]).real.sum(0)
    assert np.allclose(fit, expected, atol=1e-3)
    assert np.allclose(model, (share[:, None] * np.abs(slices) ** 2).sum(0), atol=1e-4)


def test_a_room_is_used_again_and_grows() -> None:
    room = Room(4 * 2 * 3 * 10)
    first = room.values(3, 10)
    assert first.shape == (3, 2, 10)
    assert np.shares_memory(first, room.values(2, 15))
    larger = room.values(4, 10)
    assert larger.shape == (4, 2, 10)
    assert not np.shares_memory(first, larger)
    assert np.shares_memory(larger, room.values(3, 10))
