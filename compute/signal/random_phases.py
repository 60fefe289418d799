"""Maps whose phases are random beyond a shell: what a mask alone correlates can be seen in them.

Chen et al. 2013, "High-resolution noise substitution to measure overfitting and validate resolution".
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from compute.signal.random import generator

TURNS = 1 << 16
"""Phases are drawn as whole parts of a turn: the negative of one is that of its unsigned 16-bit number."""
ENOUGH_BOX = 192
"""A box whose shells hold so many values that one draw of phases tells what the mask does."""
MOST_DRAWS = 8


def randomised_maps(
    transform: Complex[Tensor, "z y xhalf"],
    box: int,
    first_shell: int,
    seed: int,
    half: int,
    most_draws: int = MOST_DRAWS,
) -> tuple[Float[Tensor, "z y x"], ...]:
    """Maps with random phases from several draws, more in small boxes: their mean curve is what a mask does.

    In a box of 64 one draw moves the correlation of a shell by 0.02.
    """
    draws = max(1, min(most_draws, ENOUGH_BOX**3 // box**3))
    return tuple(
        randomised_map(transform, box, first_shell, seed, half, draw) for draw in range(draws)
    )


def randomised_map(
    transform: Complex[Tensor, "z y xhalf"],
    box: int,
    first_shell: int,
    seed: int,
    half: int,
    draw: int = 0,
) -> Float[Tensor, "z y x"]:
    """The map with independent uniform phases at all frequencies |k| >= first_shell, moduli kept."""
    phases = random_phases(box, seed, half, draw)
    _keep(phases, first_shell)
    unit = _units()
    if transform.device.type == "cpu":
        turns = np.empty(phases.shape, np.complex64)
        # plane by plane, so that its numbers stay in the processor's cache
        for plane, phase in zip(turns, phases, strict=True):
            unit.take(phase, out=plane, mode="wrap")
        turned = torch.from_numpy(turns).mul_(transform)
    else:
        place = torch.from_numpy(phases.view(np.int16)).to(transform.device).int() & (TURNS - 1)
        turned = torch.from_numpy(unit).to(transform.device)[place].mul_(transform)
    return torch.fft.irfftn(turned, s=(box, box, box))


@cache
def _units() -> np.ndarray:
    """The complex number of every part of a turn."""
    return np.exp(2j * np.pi / TURNS * np.arange(TURNS)).astype(np.complex64)


def random_phases(box: int, seed: int, half: int, draw: int = 0) -> np.ndarray:
    """Independent uniform phases with the symmetry of a real map, parts of a turn as uint16 (z, y, x >= 0).

    phase(-k) = -phase(k), also on the planes x = 0 and, in even boxes, x = box / 2, which hold both of a pair;
    frequencies that are their own partners have 0 or half a turn.
    """
    source = generator(seed, "random phases", half, draw)
    phases: np.ndarray = source.integers(0, TURNS, (box, box, box // 2 + 1), dtype=np.uint16)
    for x in {0, box // 2} if box % 2 == 0 else {0}:
        _pair(phases[:, :, x])
    return phases


def _keep(phases: np.ndarray, first_shell: int) -> None:
    """Set the phases of all frequencies |k| < first_shell to zero, in place; only their cube is looked at."""
    k = np.fft.fftfreq(len(phases), 1 / len(phases))
    near = np.flatnonzero(np.abs(k) < first_shell)
    column = np.arange(min(first_shell, phases.shape[2]))
    squared = k[near, None, None] ** 2 + k[near, None] ** 2 + column**2
    cube = np.ix_(near, near, column)
    phases[cube] = np.where(squared < first_shell**2, 0, phases[cube])


def _pair(plane: np.ndarray) -> None:
    """Give the second of each pair of opposite frequencies of a plane (z, y) the negative of the first, in place."""
    box = len(plane)
    opposite = -np.arange(box) % box
    partner = plane[np.ix_(opposite, opposite)]
    place = np.arange(box * box).reshape(box, box)
    partner_place = place[np.ix_(opposite, opposite)]
    plane[:] = np.where(partner_place < place, np.negative(partner), plane)
    plane[partner_place == place] &= TURNS // 2
