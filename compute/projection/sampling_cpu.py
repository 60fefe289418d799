"""Sampling of a padded volume, sixteen points at a time.

Sampling waits for memory: a point has eight neighbours, and the points of a slice pass through all of the volume. A
volume that is sliced is therefore kept in bricks of one line of the cache: half floats of 4 x 2 x 2 neighbours along x,
y and z, the last of which along x is the first of the next brick. A slice so fetches half of the lines that rows of the
volume would take, and two neighbours along x always lie beside each other.
"""

from collections.abc import Sequence
from typing import Any, no_type_check

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from compute.projection.vectors_cpu import (
    FAST,
    between,
    load,
    mixed,
    pick,
    spread_over,
    times,
    vector_at,
)

SAMPLED = 16
"""So many points are sampled at a time."""
BRICK = 16
"""Values in a brick."""
_FLOAT, _INDEX, _WIDE = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_NUMBERS, _PLACES = ir.VectorType(_FLOAT, SAMPLED), ir.VectorType(_INDEX, SAMPLED)
_GATHERED = SAMPLED // 2
_TWO_VALUES = ir.VectorType(_WIDE, _GATHERED)


def _all(number: int) -> Any:
    """The same whole number for all points."""
    return ir.Constant(_PLACES, [number] * SAMPLED)


def _along(builder: Any, x: Any, y: Any, step: Any, axis: int) -> Any:
    """Where points lie along an axis of the volume, seen from the zero frequency."""
    of_x, of_y = (builder.extract_value(step, k) for k in (axis, 3 + axis))
    return builder.fadd(times(builder, x, of_x), times(builder, y, of_y), flags=FAST)


def _two_places(builder: Any, index: Any, step: Any, inner: int) -> tuple[Any, Any]:
    """What two neighbours along y or z, from `index` on, add to the place: bricks, `step` apart, hold two of them."""
    is_second = builder.icmp_signed("!=", builder.and_(index, _all(1)), _all(0))
    step = spread_over(builder, step, SAMPLED)
    first = builder.mul(builder.lshr(index, _all(1)), step)
    second = builder.add(first, _all(inner))
    return (
        builder.select(is_second, second, first),
        builder.select(is_second, builder.add(first, step), second),
    )


def _corners(builder: Any, whole: Sequence[Any], sizes: Any) -> list[list[Any]]:
    """Places of the neighbours with the lower x, by z and y, counted from the middle of all bricks."""
    row, layer, middle = (builder.extract_value(sizes, k) for k in (0, 1, 3))
    brick = builder.lshr(builder.mul(whole[0], _all(21846)), _all(16))
    along_x = builder.add(whole[0], builder.mul(brick, _all(BRICK - 3)))
    along_x = builder.sub(along_x, spread_over(builder, middle, SAMPLED))
    along_y = _two_places(builder, whole[1], row, 4)
    along_z = _two_places(builder, whole[2], layer, 8)
    planes = [builder.add(along_x, z) for z in along_z]
    return [[builder.add(plane, y) for y in along_y] for plane in planes]


def _can_gather() -> bool:
    """Whether the processor fetches numbers from many places faster than one by one."""
    return bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))


def _gathered(builder: Any, middle: Any, places: Any) -> Any:
    """Two values at each of eight places, fetched at once."""
    mask = ir.VectorType(ir.IntType(1), _GATHERED)
    pointers = ir.VectorType(_WIDE.as_pointer(), _GATHERED)
    kind = ir.FunctionType(_TWO_VALUES, [pointers, _INDEX, mask, _TWO_VALUES])
    name = f"llvm.masked.gather.v{_GATHERED}i64.v{_GATHERED}p0"
    gather = cgutils.get_or_insert_function(builder.module, kind, name)
    at = builder.gep(middle, [ir.Constant(_INDEX, 0)])
    at.indices, at.type = [places], pointers  # llvmlite knows no vector of pointers
    every, nothing = ir.Constant(mask, [1] * _GATHERED), ir.Constant(_TWO_VALUES, ir.Undefined)
    return builder.call(gather, [at, ir.Constant(_INDEX, 4), every, nothing])


def _fetched(builder: Any, middle: Any, places: Any) -> Any:
    """Two values at each of eight places, fetched one after another."""
    room = cgutils.alloca_once_value(builder, places)
    first = builder.bitcast(room, _INDEX.as_pointer())
    values = ir.Constant(_TWO_VALUES, ir.Undefined)
    for k in range(_GATHERED):
        place = builder.load(builder.gep(first, [ir.Constant(_INDEX, k)]))
        at = builder.gep(middle, [builder.sext(place, _WIDE)])
        two = builder.load(builder.bitcast(at, _WIDE.as_pointer()))
        two.align = 4
        values = builder.insert_element(values, two, ir.Constant(_INDEX, k))
    return values


def _blended(
    builder: Any, middle: Any, corners: list[list[Any]], part: Sequence[Any], first: int
) -> Any:
    """Values of eight points from `first` on, real and imaginary parts in turn.

    part: where all points lie between their neighbours along x, y and z.
    """
    fetch = _gathered if _can_gather() else _fetched
    own = list(range(first, first + _GATHERED))
    halves = ir.VectorType(ir.HalfType(), 4 * _GATHERED)
    found = [
        [builder.bitcast(fetch(builder, middle, pick(builder, at, own)), halves) for at in plane]
        for plane in corners
    ]
    fours = []
    for points in (own[:4], own[4:]):
        lanes = [4 * (k - first) + i for k in points for i in range(4)]
        near, far = (
            [builder.fpext(pick(builder, at, lanes), _NUMBERS) for at in plane] for plane in found
        )
        of_y, of_z = (pick(builder, part[k], [p for p in points for _ in range(4)]) for k in (1, 2))
        low, high = (between(builder, near[k], far[k], of_z) for k in (0, 1))
        fours.append(between(builder, low, high, of_y))
    left, right = (
        mixed(builder, fours[0], fours[1], [4 * k + side + i for k in _IN_TURN for i in (0, 1)])
        for side in (0, 2)
    )
    of_x = pick(builder, part[0], [first + k for k in _IN_TURN for _ in range(2)])
    return between(builder, left, right, of_x)


_IN_TURN = [0, 4, 1, 5, 2, 6, 3, 7]
"""The order in which eight points leave `_blended`: halves of two vectors are taken in turn without moving far."""


@intrinsic
@no_type_check
def sample(context, bricks, factor, steps, sizes, x, y, start, real, imaginary, to):
    """Sample `SAMPLED` points from `start` on, times a factor; they go to real and imaginary from `to` on.

    bricks: half floats, seen as uint16. steps: what a unit of x and one of y are along the volume's x, y and z. sizes:
    values in a row and in a layer of bricks, the index of the zero frequency along y and z, and the place of the brick
    from which places are counted. A point with negative x is replaced by its Friedel mate.
    """

    def generate(context, builder, signature, arguments):
        volume, of_x, of_y, *outs = (
            cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k])
            for k in (0, 4, 5, 7, 8)
        )
        factor, steps, sizes, start, to = (arguments[k] for k in (1, 2, 3, 6, 9))
        x, y = (load(builder, vector_at(builder, one, start, SAMPLED)) for one in (of_x, of_y))
        at = [_along(builder, x, y, steps, axis) for axis in range(3)]
        one = ir.Constant(_NUMBERS, [1.0] * SAMPLED)
        is_here = builder.fcmp_ordered(">=", at[0], ir.Constant(_NUMBERS, [0.0] * SAMPLED))
        sign = builder.select(is_here, one, builder.fneg(one))
        at = [builder.fmul(axis, sign, flags=FAST) for axis in at]
        origin = spread_over(builder, builder.extract_value(sizes, 2), SAMPLED)
        at[1:] = [builder.fadd(axis, origin, flags=FAST) for axis in at[1:]]
        whole = [builder.fptosi(axis, _PLACES) for axis in at]
        part = [
            builder.fsub(exact, builder.sitofp(below, _NUMBERS), flags=FAST)
            for exact, below in zip(at, whole, strict=True)
        ]
        corners = _corners(builder, whole, sizes)
        first = builder.bitcast(volume.data, _INDEX.as_pointer())
        middle = builder.gep(first, [builder.sext(builder.extract_value(sizes, 3), _WIDE)])
        eights = [_blended(builder, middle, corners, part, k) for k in (0, _GATHERED)]
        all_times = spread_over(builder, factor, SAMPLED)
        signed = builder.fmul(all_times, sign, flags=FAST)
        for which, out, by in zip((0, 1), outs, (all_times, signed), strict=True):
            lanes = [2 * _IN_TURN.index(k) + which for k in range(_GATHERED)]
            values = mixed(builder, *eights, lanes + [SAMPLED + lane for lane in lanes])
            place = vector_at(builder, out, to, SAMPLED)
            builder.store(builder.fmul(values, by, flags=FAST), place).align = 4
        return context.get_dummy_value()

    index, number = types.uint64, types.float32
    numbers = (x, y, index, real, imaginary, index)
    return types.void(bricks, number, steps, sizes, *numbers), generate
