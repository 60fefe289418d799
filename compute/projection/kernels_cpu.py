"""Slicing and insertion compiled for the CPU. What they compute is defined in `kernels_torch`."""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from compute.compiled import compiled
from compute.projection import gathering_cpu
from compute.projection.gathering_cpu import sample
from compute.projection.sampling_cpu import BLENDED, BRICK, CORNERS, PARTS, PLACED, blend, place
from compute.projection.vectors_cpu import expect, spread

_one = np.float32(1)
# Points are sliced, and inserted, this many at a time of one orientation after the other.
SLICED, INSERTED = 128, 64
# Those of a slice are sampled in groups of so many, but for the last ones.
TOGETHER = gathering_cpu.SAMPLED
GATHERS = gathering_cpu.IS_FASTER
# Numbers in a line of the cache.
LINE = 16
# What is kept of each that is inserted: weights of the four pairs of neighbours along x, weight of the second of each
# pair, sign.
INSERTED_PARTS = 6


class PackedVolume(NamedTuple):
    """A padded transform as it is sliced: see `reference.PackedProjector`.

    bricks: half floats seen as uint16, which times `factor` (float32) are the values.
    """

    bricks: Any
    factor: Any
    padding: Any


@compiled(fastmath=False)
@no_type_check
def aligned(size):
    """Room for so many numbers that begins with a line of the cache: vectors across two lines take twice as long."""
    room = np.empty(size + LINE, np.float32)
    first = (room.ctypes.data // 4) % LINE
    return room[LINE - first : LINE - first + size]


@compiled(fastmath=False)
@no_type_check
def whole_lines(count):
    """The length of a row that holds so many numbers, and after which the next one begins with a line."""
    return (count + LINE - 1) // LINE * LINE


@compiled(fastmath=True)
@no_type_check
def copy(numbers, to):
    """Fill a row with the numbers of another one; what NumPy's assignment does takes Numba seconds to compile."""
    for p in range(to.shape[0]):
        to[p] = numbers[p]


@compiled(fastmath=True)
@no_type_check
def copy_rotation(rotation, to):
    """Fill a matrix with the numbers of another one."""
    for i in range(3):
        copy(rotation[i], to[i])


@compiled(fastmath=True)
@no_type_check
def locate(turn, model_x, model_y, padding, shape, cells, parts):
    """Fill cells with the first of the eight neighbours of every point, as an index into all cells, and `parts`.

    A point with negative x is replaced by its Friedel mate, which gives it the sign -1.
    """
    origin = np.float32((shape[0] - 1) // 2)
    scale = np.float32(padding)
    layer, row = shape[1] * shape[2], shape[2]
    xx, xy, xz = scale * turn[0, 0], scale * turn[0, 1], scale * turn[0, 2]
    yx, yy, yz = scale * turn[1, 0], scale * turn[1, 1], scale * turn[1, 2]
    for p in range(model_x.shape[0]):
        x = model_x[p] * xx + model_y[p] * yx
        y = model_x[p] * xy + model_y[p] * yy
        z = model_x[p] * xz + model_y[p] * yz
        sign = _one if x >= 0 else -_one
        x *= sign
        y = y * sign + origin
        z = z * sign + origin
        x0, y0, z0 = np.int32(x), np.int32(y), np.int32(z)
        cells[p] = z0 * layer + y0 * row + x0
        fx, fy, fz = x - np.float32(x0), y - np.float32(y0), z - np.float32(z0)
        parts[0, p], parts[1, p] = (_one - fz) * (_one - fy), (_one - fz) * fy
        parts[2, p], parts[3, p] = fz * (_one - fy), fz * fy
        parts[4, p], parts[5, p] = fx, sign


@compiled(fastmath=True)
@no_type_check
def _steps(turn, padding):
    """What a unit of x and one of y are along the volume's x, y and z."""
    scale = np.float32(padding)
    return (
        scale * turn[0, 0],
        scale * turn[0, 1],
        scale * turn[0, 2],
        scale * turn[1, 0],
        scale * turn[1, 1],
        scale * turn[1, 2],
    )


@compiled(fastmath=True)
@no_type_check
def _sample(grid, x, y, start, count, room, real, imaginary, to):
    """Fill real and imaginary from `to` on at `count` points from `start` on, a multiple of `TOGETHER`.

    grid: the bricks in a row, their factor, and what `place` takes of turn and volume; room: for places and parts.
    """
    flat, factor, steps, sizes = grid
    places, parts = room
    stride = np.uint64(SLICED)
    if GATHERS:
        for p in range(0, count, TOGETHER):
            slot = np.uint64(p)
            sample(flat, factor, steps, sizes, x, y, start + slot, real, imaginary, to + slot)
        return
    for p in range(0, count, PLACED):
        slot = np.uint64(p)
        place(x, y, start + slot, steps, sizes, places, parts, stride, slot)
    for p in range(0, count, BLENDED):
        slot = np.uint64(p)
        blend(flat, sizes[3], places, parts, stride, slot, factor, real, imaginary, to + slot)


@compiled(fastmath=True)
@no_type_check
def slice_rows(volume, rotations, model_x, model_y, first, last, out):
    """Fill out[row] (orientation, 2, pixel) with slices of a `PackedVolume` at rotations[row].

    Pixels from `first` to `last` are filled: multiples of `TOGETHER`, the latter but at the end. Rows may be longer.
    Some points of all are made at a time: rotations that differ little find their part of the volume in the cache.
    """
    room = np.empty((CORNERS, SLICED), np.int32), np.empty((PARTS, SLICED), np.float32)
    shape, length = volume.bricks.shape, out.shape[2]
    layer = BRICK * shape[1] * shape[2]
    sizes = (
        np.int32(BRICK * shape[2]),
        np.int32(layer),
        np.float32(shape[0] - 1),
        np.int32(shape[0] // 2 * layer),
    )
    flat, real = volume.bricks.reshape(-1), out.reshape(-1)
    imaginary = real[length:]
    whole = last - last % TOGETHER
    for start in range(first, whole, SLICED):
        count = min(SLICED, whole - start)
        for row in range(rotations.shape[0]):
            grid = (flat, volume.factor, _steps(rotations[row], volume.padding), sizes)
            begin, to = np.uint64(start), np.uint64(2 * length * row + start)
            _sample(grid, model_x, model_y, begin, count, room, real, imaginary, to)
    if whole < last:
        x, y = np.full(TOGETHER, model_x[whole]), np.full(TOGETHER, model_y[whole])
        copy(model_x[whole:], x[: last - whole])
        copy(model_y[whole:], y[: last - whole])
        last_real, last_imaginary = np.empty(TOGETHER, np.float32), np.empty(TOGETHER, np.float32)
        begin = np.uint64(0)
        for row in range(rotations.shape[0]):
            grid = (flat, volume.factor, _steps(rotations[row], volume.padding), sizes)
            _sample(grid, x, y, begin, TOGETHER, room, last_real, last_imaginary, begin)
            copy(last_real, out[row, 0, whole:last])
            copy(last_imaginary, out[row, 1, whole:last])


@compiled(fastmath=True)
@no_type_check
def slices(volume, rotations, model_x, model_y, out):
    """Fill out[orientation, 2, pixel] with central slices of a `PackedVolume`."""
    slice_rows(volume, rotations, model_x, model_y, 0, model_x.shape[0], out)


@compiled(fastmath=True)
@no_type_check
def _add_some(flat, steps, cells, parts, count, values, first, weight, start, share, coming, ahead):
    """Add `count` located points of a slice, and ask for the places of `ahead` coming ones.

    They are values[·, first:] with the weights weight[start:] times share. steps: numbers in a row and in a layer of
    the sums, which are `flat`.
    """
    row, layer = steps
    real, imaginary = values[0], values[1]
    for p in range(count):
        if p < ahead:
            next00 = np.uint64(3) * np.uint64(coming[p])
            next10 = next00 + layer
            expect(flat, next00, next00 + row, next10, next10 + row)
        c00 = np.uint64(3) * np.uint64(cells[p])
        c10 = c00 + layer
        spread(
            flat,
            c00,
            c00 + row,
            c10,
            c10 + row,
            parts[0, p],
            parts[1, p],
            parts[2, p],
            parts[3, p],
            parts[4, p],
            real[first + p],
            parts[5, p] * imaginary[first + p],
            share * weight[start + p],
        )


@compiled(fastmath=True)
@no_type_check
def insert_some(
    sums, rotations, model_x, model_y, padding, values, before, shares, of, weights, first, last
):
    """Add pixels `first` to `last` of slices, of which values[orientation, 2, pixel] begin after `before` ones.

    Their weights are shares[o] * weights[of[o], pixel]; sums[z, y, x, 3]. Some points of all are added at a time:
    rotations that differ little find their part of the volume in the cache. While those of one rotation are added,
    those of the next are located, and their places asked for.
    """
    count = rotations.shape[0]
    if count == 0:
        return
    cells, parts = (
        np.empty((2, INSERTED), np.uint32),
        np.empty((2, INSERTED_PARTS, INSERTED), np.float32),
    )
    flat = sums.reshape(-1)
    steps = np.uint64(3 * sums.shape[2]), np.uint64(3 * sums.shape[1] * sums.shape[2])
    stop, now = min(first + INSERTED, last), 0
    x, y = model_x[first:stop], model_y[first:stop]
    locate(rotations[0], x, y, padding, sums.shape, cells[0], parts[0])
    for start in range(first, last, INSERTED):
        some = min(INSERTED, last - start)
        for o in range(count):
            next_o, begin = (o + 1, start) if o + 1 < count else (0, start + INSERTED)
            ahead, later = max(min(INSERTED, last - begin), 0), 1 - now
            if ahead:
                x, y = model_x[begin : begin + ahead], model_y[begin : begin + ahead]
                locate(rotations[next_o], x, y, padding, sums.shape, cells[later], parts[later])
            _add_some(
                flat,
                steps,
                cells[now],
                parts[now],
                some,
                values[o],
                start - before,
                weights[of[o]],
                start,
                shares[o],
                cells[later],
                ahead,
            )
            now = later


@compiled(fastmath=True)
@no_type_check
def insert(sums, rotations, model_x, model_y, padding, values, shares, of, weights):
    """Add values[orientation, 2, pixel] with the weights shares[o] * weights[of[o], pixel] to sums[z, y, x, 3]."""
    n = model_x.shape[0]
    insert_some(sums, rotations, model_x, model_y, padding, values, 0, shares, of, weights, 0, n)


@compiled(fastmath=True)
@no_type_check
def insert_images(sums, rotations, model_x, model_y, padding, values, shares, of, weights):
    """`insert` the slices of one image after another, which are those of equal numbers in a row of `of`."""
    first = 0
    for o in range(1, rotations.shape[0] + 1):
        if o == rotations.shape[0] or of[o] != of[first]:
            insert(
                sums,
                rotations[first:o],
                model_x,
                model_y,
                padding,
                values[first:o],
                shares[first:o],
                of[first:o],
                weights,
            )
            first = o
