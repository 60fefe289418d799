"""The sums that follow from an image's posterior, compiled for the CPU, one orientation after another.

The phases of an orientation's shifts enter only by their mean, weighted by the posterior.
"""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled

_zero = np.float32(0)
# Phases of so many shifts are added at a time.
WIDE = 4


@compiled(fastmath=True)
@no_type_check
def _four_phases(a, b, c, d, phases, one, other, third, fourth, part, out):
    """Add the phases of four shifts, each times its weight, to out [pixel]."""
    u, v, w, x = phases[one, part], phases[other, part], phases[third, part], phases[fourth, part]
    for p in range(out.shape[0]):
        out[p] += a * u[p] + b * v[p] + c * w[p] + d * x[p]


@compiled(fastmath=True)
@no_type_check
def mean_phases(weights, columns, phases, out):
    """Fill out[2, pixel] with the sum of the phases of some shifts by weight; those without weight are left out."""
    chosen, share = np.zeros(columns.shape[0] + WIDE, np.int64), np.zeros(columns.shape[0] + WIDE)
    count = 0
    for j in range(columns.shape[0]):
        if weights[j] > 0:
            chosen[count], share[count] = columns[j], weights[j]
            count += 1
    out[:] = _zero
    for j in range(0, count, WIDE):
        a, b = np.float32(share[j]), np.float32(share[j + 1])
        c, d = np.float32(share[j + 2]), np.float32(share[j + 3])
        one, other, third, fourth = chosen[j], chosen[j + 1], chosen[j + 2], chosen[j + 3]
        for part in range(2):
            _four_phases(a, b, c, d, phases, one, other, third, fourth, part, out[part])


@compiled(fastmath=True)
@no_type_check
def model_sums(one, share, phases, image, fit, model):
    """Add Re(conj(S) X e) and |S|² by weight to fit and model per pixel: of a slice `one` [2, pixel].

    phases[2, pixel]: mean conjugated phases times the orientation's weight.
    """
    real, imaginary, cosine, sine = one[0], one[1], phases[0], phases[1]
    for p in range(fit.shape[0]):
        a, b, x, y = real[p], imaginary[p], image[p].real, image[p].imag
        c, d = cosine[p], sine[p]
        fit[p] += a * (x * c + y * d) + b * (y * c - x * d)
        model[p] += share * (a * a + b * b)


@compiled(fastmath=True)
@no_type_check
def put_back(phases, image, factor):
    """Turn mean conjugated phases[2, pixel] into the image times factor times phases, in place."""
    cosine, sine = phases[0], phases[1]
    for p in range(factor.shape[0]):
        x, y = image[p].real * factor[p], image[p].imag * factor[p]
        c, d = cosine[p], sine[p]
        cosine[p] = x * c + y * d
        sine[p] = y * c - x * d


@compiled(fastmath=False)
@no_type_check
def all_model_sums(sliced, places, shares, phases, image, fit, model):
    """`model_sums` of many orientations."""
    for o in range(places.shape[0]):
        model_sums(sliced[places[o]], shares[o], phases[o], image, fit, model)


@compiled(fastmath=False)
@no_type_check
def all_put_back(phases, image, factor):
    """`put_back` of many orientations."""
    for o in range(phases.shape[0]):
        put_back(phases[o], image, factor)


@compiled(fastmath=False)
@no_type_check
def orientation_sums(weights, columns, sliced, places, place, image, tables, out, fit, model):
    """Of every orientation that has a place in `out`: what it puts back, and what it adds to fit and model."""
    for i in range(places.shape[0]):
        to = place[i]
        if to >= 0:
            values = out.values[to]
            mean_phases(weights[i], columns, tables.phases, values)
            model_sums(sliced[places[i]], out.share[to], values, image.masked, fit, model)
            put_back(values, image.unmasked, image.factor)
