"""What the compiled search of images on the CPU takes as arrays, and which poses of one are significant."""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from compute.compiled import compiled
from compute.expectation import posterior
from compute.projection.kernels_cpu import aligned, whole_lines


class Tables(NamedTuple):
    """What all images of a block share, as arrays; see `search.SharedTables`.

    x, y: of the pixels that are compared. runs:
    first pixels of consecutive ones of the same shell, and the end; run_shell: that shell. insertion: what an image's
    pixels that are put back are weighted with, beside its CTF.
    is_local, is_correlation, fraction: rules of the search; reach_rad: see `mean_pose`.
    """

    volume: Any
    x: Any
    y: Any
    phases: Any
    shifts_A: Any
    points: Any
    point_prior: Any
    runs: Any
    run_shell: Any
    shells: Any
    determined: Any
    inverse_noise: Any
    insertion: Any
    row_children: Any
    column_children: Any
    coarse_shifts: Any
    is_local: Any
    is_correlation: Any
    fraction: Any
    reach_rad: Any


class Images(NamedTuple):
    """Images of a block, the first axis of all arrays, or one of them, without it: see `one_of`.

    Transforms; the CTF with which a slice is compared, and that with which an image is put back. centres: rotations
    that an image is searched around; coarse_prior, shift_prior: of coarse and fine shifts; base_A: what is applied
    already.
    """

    masked: Any
    unmasked: Any
    forward: Any
    backward: Any
    centres: Any
    coarse_prior: Any
    shift_prior: Any
    base_A: Any


class Lattice(NamedTuple):
    """The coarse lattice of a local search; phases: of the coarse shifts; x, y: of the pixels of the first pass.

    core: the orientations that a search begins with.
    """

    points: Any
    point_prior: Any
    neighbours: Any
    core: Any
    phases: Any
    x: Any
    y: Any
    inverse_noise: Any


@compiled(fastmath=False)
@no_type_check
def one_of(images, i):
    """One image of a block."""
    return Images(
        images.masked[i],
        images.unmasked[i],
        images.forward[i],
        images.backward[i],
        images.centres[i],
        images.coarse_prior[i],
        images.shift_prior[i],
        images.base_A[i],
    )


@compiled(fastmath=False)
@no_type_check
def best_of(scores):
    """The largest score; not finite where there is none, or one is not a number."""
    best = np.float32(-np.inf)
    for score in scores:
        if score != score:
            return np.float32(np.nan)
        best = max(best, score)
    return best


@compiled(fastmath=False)
@no_type_check
def cut_of(scores, best, fraction):
    """How many bins below the best score hold `fraction` of the weight, and the total weight: as `posterior._cut`."""
    bins, total = posterior.histogram(scores, best)
    reached = 0.0
    for count in range(bins.shape[0]):
        reached += bins[count]
        if reached >= fraction * total:
            return np.float32(count + 1), total
    return np.float32(bins.shape[0]), total


@compiled(fastmath=True)
@no_type_check
def weighted_image(image, inverse_noise, n):
    """At an image's first n pixels: real and imaginary parts times CTF/σ², and CTF² / σ², which weighs a slice.

    Rows are longer, so that each begins with a line of the cache.
    """
    length = whole_lines(n)
    weighted, strength = aligned(2 * length).reshape(2, length), aligned(length)
    for p in range(n):
        weight = image.forward[p] * inverse_noise[p]
        weighted[0, p] = image.masked[p].real * weight
        weighted[1, p] = image.masked[p].imag * weight
        strength[p] = image.forward[p] * weight
    return weighted, strength


@compiled(fastmath=False)
@no_type_check
def offset_priors(shifts_A, base_A, sigma_A):
    """The log prior of every shift of every image: see `search.offset_log_prior`."""
    found = np.empty((base_A.shape[0], shifts_A.shape[0]), np.float32)
    for i in range(base_A.shape[0]):
        for j in range(shifts_A.shape[0]):
            x, y = shifts_A[j, 0] + base_A[i, 0], shifts_A[j, 1] + base_A[i, 1]
            found[i, j] = -(x * x + y * y) / (2.0 * sigma_A * sigma_A)
    return found
