"""The first pass of a local search compiled for the CPU, and what both passes take as arrays.

What it computes is defined in `coarse.local_scores`; the second pass is in `second_pass_cpu`.
"""

from typing import Any, NamedTuple, no_type_check

import numba as nb
import numpy as np

from compute.expectation import posterior
from compute.expectation.kernels_cpu import (
    border,
    compare,
    turned,
)

_half = np.float32(0.5)


class Tables(NamedTuple):
    """What all images of a block share, as arrays; see `search.SharedTables`.

    x, y: of the pixels that are compared. table: slices of the shared fine grid, empty where there are none.
    is_local, is_correlation, fraction: rules of the search; reach_rad: see `mean_pose`.
    """

    volume: Any
    x: Any
    y: Any
    phases: Any
    shifts_A: Any
    points: Any
    point_prior: Any
    table: Any
    is_sliced: Any
    shell: Any
    shells: Any
    determined: Any
    row_children: Any
    column_children: Any
    coarse_shifts: Any
    is_local: Any
    is_correlation: Any
    fraction: Any
    reach_rad: Any


class Image(NamedTuple):
    """One image: transforms, the CTF with which a slice is compared, its product with 1/σ², the factor of insertion.

    centres: rotations that it is searched around; shift_prior: of every fine shift; base_A: what is applied already.
    """

    masked: Any
    unmasked: Any
    forward: Any
    weight: Any
    factor: Any
    centres: Any
    shift_prior: Any
    base_A: Any


class Lattice(NamedTuple):
    """The coarse lattice of a local search; phases: of the coarse shifts; x, y: of the pixels of the first pass."""

    points: Any
    point_prior: Any
    neighbours: Any
    phases: Any
    x: Any
    y: Any


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def product(row, phase):
    """Σ of a row [2, pixel] times the same pixels of conjugated phases."""
    real, imaginary, c, d = row[0], row[1], phase[0], phase[1]
    total = np.float32(0)
    for p in range(real.shape[0]):
        total += real[p] * c[p] + imaginary[p] * d[p]
    return total


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def best_of(scores):
    """The largest score; not finite where there is none, or one is not a number."""
    best = np.float32(-np.inf)
    for score in scores:
        if score != score:
            return np.float32(np.nan)
        best = max(best, score)
    return best


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def cut_of(bins, total, fraction):
    """As `posterior._cut`."""
    reached = 0.0
    for count in range(bins.shape[0]):
        reached += bins[count]
        if reached >= fraction * total:
            return count + 1
    return bins.shape[0]


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def significant(scores, fraction):
    """As `posterior.significant` without a largest number."""
    best = best_of(scores)
    if not np.isfinite(best):
        return np.empty(0, np.int64)
    bins, total = posterior.histogram(scores, best)
    return posterior.within(scores, best, np.float32(cut_of(bins, total, fraction)))


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def weighted_image(image, n):
    """The image times CTF/σ², and the CTF² / σ² of a slice's power, at its first n pixels."""
    weighted, strength = np.empty(n, np.complex64), np.empty(n, np.float32)
    for p in range(n):
        weighted[p] = image.masked[p] * image.weight[p]
        strength[p] = image.forward[p] * image.weight[p]
    return weighted, strength


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def grow(core, cross, power, lattice, image, volume, shift_prior, fraction):
    """Significant coarse poses of a local search that began with the orientations `core` and their products.

    cross[core orientation, translation] and power are those of `image_rows`; what is next to significant poses is
    scored until nothing is left. Returns them, and how many orientations were scored.
    """
    shifts, n = lattice.phases.shape[0], lattice.x.shape[0]
    scores = np.full((lattice.points.shape[0], shifts), -np.inf, np.float32)
    is_scored = np.zeros(lattice.points.shape[0], np.bool_)
    for i in range(core.shape[0]):
        is_scored[core[i]] = True
        of_row = lattice.point_prior[core[i]] - _half * power[i]
        for t in range(shifts):
            scores[core[i], t] = cross[i, t] + of_row + shift_prior[t]
    flat = scores.reshape(-1)
    kept = significant(flat, fraction)
    rows = border(kept, shifts, lattice.neighbours, is_scored)
    scored = core.shape[0] + rows.shape[0]
    if not rows.shape[0]:
        return kept, scored
    weighted, strength = weighted_image(image, n)
    while rows.shape[0]:
        rotations = np.empty((rows.shape[0], 3, 3), np.float32)
        turned(lattice.points, rows, image.centres, rotations)
        own = np.empty(rows.shape[0], np.float32)
        products = np.empty((rows.shape[0], 2, n), np.float32)
        compare(volume, rotations, lattice.x, lattice.y, weighted, strength, products, own)
        for i in range(rows.shape[0]):
            of_row = lattice.point_prior[rows[i]] - _half * own[i]
            for t in range(shifts):
                cross_t = product(products[i], lattice.phases[t])
                scores[rows[i], t] = cross_t + of_row + shift_prior[t]
        kept = significant(flat, fraction)
        rows = border(kept, shifts, lattice.neighbours, is_scored)
        scored += rows.shape[0]
    return kept, scored
