"""The search of one image compiled for the CPU: what lies between its matrix products.

With A = conj(S) X for a slice S and an image X, the image moved by t matches the slice with Re Σ A e(t), e(t) the
phases of the shift: a real product of `image_rows` with rows of conjugated phases, which all images share. The sums
that follow from the posterior need the phases only as their weighted mean per orientation.
"""

import math
from typing import no_type_check

import numpy as np

from compute.compiled import compiled
from compute.expectation.product_vectors_cpu import TALL
from compute.expectation.products_cpu import TILE, add_all_products, clear_rest
from compute.projection.kernels_cpu import aligned, copy, copy_rotation, slice_rows

_zero = np.float32(0)


@compiled(fastmath=True)
@no_type_check
def image_row(real, imaginary, x, y, weight, row_real, row_imaginary):
    """Fill a row with conj(slice) times the image x + iy, both parts; returns the weighted power of the slice."""
    total = _zero
    for p in range(real.shape[0]):
        a, b = real[p], imaginary[p]
        row_real[p] = a * x[p] + b * y[p]
        row_imaginary[p] = a * y[p] - b * x[p]
        total += weight[p] * (a * a + b * b)
    return total


@compiled(fastmath=True)
@no_type_check
def image_rows(sliced, first, image, weight, start, end, rows, power):
    """Fill rows with those of slices [orientation, 2, pixel] for pixels `start` to `end` of an image.

    first: the slices' pixel that is the image's pixel `start`. Their weighted power is added to power.
    """
    x, y, strength = image[0, start:end], image[1, start:end], weight[start:end]
    last = first + end - start
    for o in range(sliced.shape[0]):
        real, imaginary = sliced[o, 0, first:last], sliced[o, 1, first:last]
        power[o] += image_row(real, imaginary, x, y, strength, rows[o, 0], rows[o, 1])


@compiled(fastmath=True)
@no_type_check
def turned(points, index, centres, rotations):
    """Fill rotations with points[index % len(points)] @ centres[index // len(points)]."""
    for o in range(index.shape[0]):
        mate, row = divmod(index[o], points.shape[0])
        for i in range(3):
            for j in range(3):
                rotations[o, i, j] = (
                    points[row, i, 0] * centres[mate, 0, j]
                    + points[row, i, 1] * centres[mate, 1, j]
                    + points[row, i, 2] * centres[mate, 2, j]
                )


@compiled(fastmath=True)
@no_type_check
def compare(volume, rotations, model_x, model_y, image, weight, phases, cross, power):
    """Fill cross[orientation, shift] with the products of central slices, and power with their weighted power.

    They are made some pixels at a time and not kept.
    """
    count, n = rotations.shape[0], model_x.shape[0]
    sliced = aligned(count * 2 * TILE).reshape(count, 2, TILE)
    rows = aligned(TALL * 2 * TILE).reshape(TALL, 2, TILE)
    cross[:], power[:] = _zero, _zero
    for start in range(0, n, TILE):
        stop = min(start + TILE, n)
        clear_rest(rows, stop - start)
        x, y = model_x[start:stop], model_y[start:stop]
        slice_rows(volume, rotations, x, y, 0, stop - start, sliced)
        for i in range(0, count, TALL):
            end = min(i + TALL, count)
            image_rows(sliced[i:end], 0, image, weight, start, stop, rows, power[i:end])
            add_all_products(rows, stop - start, phases, start, cross[i:end])


@compiled(fastmath=True)
@no_type_check
def residuals(image, tables, fit, model, total, power):
    """Add Σ of |image - model|² per shell to power (float64); returns fit and power of the model where determined.

    Beyond the pixels of fit and model the image has no model.
    """
    cross, strength, n = 0.0, 0.0, fit.shape[0]
    masked, forward, determined = image.masked, image.forward, tables.determined
    for run in range(tables.run_shell.shape[0]):
        first, end = tables.runs[run], tables.runs[run + 1]
        own, explained = 0.0, 0.0
        for p in range(first, end):
            x, y = np.float64(masked[p].real), np.float64(masked[p].imag)
            own += x * x + y * y
        for p in range(first, min(end, n)):
            f = np.float64(forward[p] * fit[p])
            m = np.float64(forward[p] * forward[p] * model[p])
            explained += m - 2.0 * f
            cross += determined[p] * f
            strength += determined[p] * m
        power[tables.run_shell[run]] += own * total + explained
    return cross, strength


@compiled(fastmath=False)
@no_type_check
def children(kept, shifts, row_children, column_children, row_prior, column_prior):
    """Fine rows and columns under coarse poses (kept, ascending), and the log prior of every pair of them.

    A pair whose coarse pose is not among the kept has -inf. row_prior repeats for every mate.
    """
    used = np.full(shifts, -1, np.int64)
    coarse_rows = np.empty(kept.shape[0], np.int64)
    count, last = 0, -1
    for pose in kept:
        used[pose % shifts] = 0
        if pose // shifts != last:
            last = pose // shifts
            coarse_rows[count] = last
            count += 1
    columns = np.empty(shifts * column_children, np.int64)
    width = 0
    for shift in range(shifts):
        if used[shift] == 0:
            used[shift] = width
            for child in range(column_children):
                columns[width + child] = shift * column_children + child
            width += column_children
    rows = np.empty(count * row_children, np.int64)
    for row in range(rows.shape[0]):
        rows[row] = coarse_rows[row // row_children] * row_children + row % row_children
    log_prior = np.full((rows.shape[0], width), -np.inf, np.float32)
    place = -1
    last = -1
    for pose in kept:
        if pose // shifts != last:
            last = pose // shifts
            place += 1
        first = used[pose % shifts]
        for row in range(place * row_children, (place + 1) * row_children):
            of_row = row_prior[rows[row] % row_prior.shape[0]]
            for column in range(first, first + column_children):
                log_prior[row, column] = of_row + column_prior[columns[column]]
    return rows, columns[:width].copy(), log_prior


@compiled(fastmath=False)
@no_type_check
def _vector_between(turn, centre, vector):
    """Fill vector with the rotation vector of turn @ centre.T; returns its length (radians)."""
    relative = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                relative[i, j] += np.float64(turn[i, k]) * np.float64(centre[j, k])
    vector[0] = relative[2, 1] - relative[1, 2]
    vector[1] = relative[0, 2] - relative[2, 0]
    vector[2] = relative[1, 0] - relative[0, 1]
    sine = 0.5 * math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    angle = math.atan2(sine, 0.5 * (relative[0, 0] + relative[1, 1] + relative[2, 2] - 1.0))
    stretch = 0.5 * angle / sine if sine > 1e-6 else 0.5
    for i in range(3):
        vector[i] *= stretch
    return angle


@compiled(fastmath=False)
@no_type_check
def _turn_by(vector, centre, rotation):
    """Fill rotation with the matrix of a rotation vector (radians) times centre: Rodrigues' formula by columns."""
    angle = math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    first = math.sin(angle) / angle if angle > 1e-9 else 1.0
    second = (1.0 - math.cos(angle)) / (angle * angle) if angle > 1e-9 else 0.5
    a, b, c = vector[0], vector[1], vector[2]
    for j in range(3):
        x, y, z = np.float64(centre[0, j]), np.float64(centre[1, j]), np.float64(centre[2, j])
        u, v, w = b * z - c * y, c * x - a * z, a * y - b * x
        rotation[0, j] = x + first * u + second * (b * w - c * v)
        rotation[1, j] = y + first * v + second * (c * u - a * w)
        rotation[2, j] = z + first * w + second * (a * v - b * u)


@compiled(fastmath=False)
@no_type_check
def mean_pose(rotations, offsets_A, weights, row, column, reach_rad, rotation, offset_A):
    """Fill rotation and offset_A with the mean of a posterior around its best pose: see `mean_pose.mean_pose`."""
    mean, vector, total = np.zeros(3), np.zeros(3), 0.0
    shares = np.zeros(weights.shape[1])
    for o in range(rotations.shape[0]):
        of_row = 0.0
        for c in range(weights.shape[1]):
            of_row += np.float64(weights[o, c])
        if of_row > 0 and _vector_between(rotations[o], rotations[row], vector) <= reach_rad:
            for c in range(weights.shape[1]):
                shares[c] += np.float64(weights[o, c])
            total += of_row
            for i in range(3):
                mean[i] += of_row * vector[i]
    if total > 0:
        for i in range(3):
            mean[i] /= total
        _turn_by(mean, rotations[row], rotation)
        offset_A[0], offset_A[1] = 0.0, 0.0
        for c in range(weights.shape[1]):
            offset_A[0] += shares[c] / total * offsets_A[c, 0]
            offset_A[1] += shares[c] / total * offsets_A[c, 1]
    else:
        copy_rotation(rotations[row], rotation)
        copy(offsets_A[column], offset_A)
