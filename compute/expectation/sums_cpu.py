"""The sums that follow from an image's posterior, compiled for the CPU, one orientation after another.

The phases of an orientation's shifts enter only by their mean, weighted by the posterior.
"""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled
from compute.expectation.clock_cpu import seconds
from compute.expectation.put_back_cpu import put_back_at_once
from compute.expectation.sum_vectors_cpu import SUMMED, put_back_some, sum_some
from compute.projection.kernels_cpu import aligned, whole_lines

_zero = np.float32(0)
# Phases of so many shifts are added at a time, over so many pixels of all orientations after the other.
WIDE, TILE = 4, 1024


@compiled(fastmath=True)
@no_type_check
def _four_phases(shares, phases, chosen, part, start, out):
    """Add to out [pixel] the phases of four shifts, whose pixel `start` is its first, each times its share."""
    end = start + out.shape[0]
    a, b, c, d = shares[0], shares[1], shares[2], shares[3]
    u, v = phases[chosen[0], part, start:end], phases[chosen[1], part, start:end]
    w, x = phases[chosen[2], part, start:end], phases[chosen[3], part, start:end]
    for p in range(out.shape[0]):
        out[p] += a * u[p] + b * v[p] + c * w[p] + d * x[p]


@compiled(fastmath=False)
@no_type_check
def weighted_shifts(weights, columns, place, chosen, shares):
    """Fill chosen[orientation, ·] and shares with the shifts that have weight, by fours; returns how many each has.

    Only orientations that have a place are looked at. What makes up a four has no share.
    """
    counts = np.zeros(weights.shape[0], np.int64)
    for i in range(weights.shape[0]):
        count = 0
        if place[i] >= 0:
            for j in range(columns.shape[0]):
                if weights[i, j] > 0:
                    chosen[i, count], shares[i, count] = columns[j], weights[i, j]
                    count += 1
        counts[i] = count
    return counts


@compiled(fastmath=True)
@no_type_check
def model_sums(real, imaginary, share, cosine, sine, image, start, fit, model):
    """Add Re(conj(S) X e) and |S|² by weight to fit and model per pixel, from pixel `start` of the image on.

    real, imaginary: of a slice; cosine, sine: mean conjugated phases times the orientation's weight.
    """
    end = start + fit.shape[0]
    given = image[start:end]
    for p in range(fit.shape[0]):
        a, b, x, y = real[p], imaginary[p], given[p].real, given[p].imag
        c, d = cosine[p], sine[p]
        fit[p] += a * (x * c + y * d) + b * (y * c - x * d)
        model[p] += share * (a * a + b * b)


@compiled(fastmath=True)
@no_type_check
def put_back(cosine, sine, inserted, start):
    """Turn mean conjugated phases into the image times phases, in place, from its pixel `start` on."""
    end = start + cosine.shape[0]
    real, imaginary = inserted[0, start:end], inserted[1, start:end]
    for p in range(cosine.shape[0]):
        c, d = cosine[p], sine[p]
        cosine[p] = real[p] * c + imaginary[p] * d
        sine[p] = imaginary[p] * c - real[p] * d


@compiled(fastmath=False)
@no_type_check
def all_model_sums(sliced, shares, phases, image, fit, model):
    """`model_sums` of many orientations."""
    n = fit.shape[0]
    for o in range(sliced.shape[0]):
        real, imaginary = sliced[o, 0], sliced[o, 1]
        cosine, sine = phases[o, 0, :n], phases[o, 1, :n]
        model_sums(real, imaginary, shares[o], cosine, sine, image, 0, fit, model)


@compiled(fastmath=False)
@no_type_check
def all_put_back(phases, inserted):
    """`put_back` of many orientations."""
    for o in range(phases.shape[0]):
        put_back(phases[o, 0], phases[o, 1], inserted, 0)


@compiled(fastmath=True)
@no_type_check
def compared_image(image, n):
    """Real and imaginary parts of what is compared of an image, at its first n pixels."""
    length = whole_lines(n)
    compared = aligned(2 * length).reshape(2, length)
    for p in range(n):
        compared[0, p], compared[1, p] = image.masked[p].real, image.masked[p].imag
    return compared


@compiled(fastmath=True)
@no_type_check
def inserted_image(image, insertion):
    """Real and imaginary parts of an image as it is put back, and its weight there [1, pixel]."""
    m = insertion.shape[0]
    length = whole_lines(m)
    inserted, weight = aligned(2 * length).reshape(2, length), aligned(m).reshape(1, m)
    for p in range(m):
        factor = image.backward[p] * insertion[p]
        inserted[0, p] = image.unmasked[p].real * factor
        inserted[1, p] = image.unmasked[p].imag * factor
        weight[0, p] = image.forward[p] * factor
    return inserted, weight


@compiled(fastmath=False)
@no_type_check
def _sums_of_few(
    shares, chosen, sliced, phases, masked, inserted, share, start, stop, values, before, fit, model
):
    """What `orientation_sums` does for one orientation, at few pixels: those beyond fit have no slice."""
    cosine, sine = (
        values[0, start - before : stop - before],
        values[1, start - before : stop - before],
    )
    known = min(stop, fit.shape[0])
    cosine[:], sine[:] = _zero, _zero
    for j in range(0, shares.shape[0], WIDE):
        own, four = shares[j : j + WIDE], chosen[j : j + WIDE]
        _four_phases(own, phases, four, 0, start, cosine)
        _four_phases(own, phases, four, 1, start, sine)
    if known > start:
        real, imaginary = sliced[0, start:known], sliced[1, start:known]
        some_fit, some_model = fit[start:known], model[start:known]
        model_sums(real, imaginary, share, cosine, sine, masked, start, some_fit, some_model)
    put_back(cosine, sine, inserted, start)


@compiled(fastmath=False)
@no_type_check
def orientation_sums(
    weights, columns, sliced, place, image, tables, left, values, target, fit, model
):
    """Of every orientation that has a place: what it puts back, and what it adds to fit and model.

    left: the orientations with a place. What they put back goes to the target, a tile after the other that values
    [orientation, 2, pixel] has room for, or else all of it into values. Some pixels of all orientations at a time: the
    phases of these stay in the cache. Returns the seconds that the putting back took.
    """
    n, m, spent = fit.shape[0], tables.insertion.shape[0], 0.0
    chosen = np.zeros((weights.shape[0], columns.shape[0] + WIDE), np.int64)
    shares = np.zeros(chosen.shape, np.float32)
    counts = weighted_shifts(weights, columns, place, chosen, shares)
    compared, (inserted, weight) = compared_image(image, n), inserted_image(image, tables.insertion)
    phases, pixels = tables.phases.reshape(-1), tables.phases.shape[2]
    start, before = 0, 0
    while start < m:
        stop = min(start + TILE, n if start < n else m)
        whole = stop - (stop - start) % SUMMED
        if target.is_given:
            before = start
        for i in range(place.shape[0]):
            to = place[i]
            if to < 0:
                continue
            own, which, back, share = shares[i], chosen[i], values[to], left.share[to]
            slice_of, few = sliced[i], counts[i]
            for at in range(start, whole, SUMMED):
                if start < n:
                    sum_some(
                        phases,
                        pixels,
                        which,
                        own,
                        few,
                        at,
                        inserted,
                        back,
                        at - before,
                        compared,
                        slice_of,
                        share,
                        fit,
                        model,
                    )
                else:
                    put_back_some(phases, pixels, which, own, few, at, inserted, back, at - before)
            if whole < stop:
                fours = (few + WIDE - 1) // WIDE * WIDE
                own, which = own[:fours], which[:fours]
                _sums_of_few(
                    own,
                    which,
                    slice_of,
                    tables.phases,
                    image.masked,
                    inserted,
                    share,
                    whole,
                    stop,
                    back,
                    before,
                    fit,
                    model,
                )
        if target.is_given:
            begun = seconds()
            put_back_at_once(target, left, values, weight, start, stop)
            spent += seconds() - begun
        start = stop
    return spent
