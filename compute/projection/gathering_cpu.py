"""Sampling of a padded volume with all neighbours of sixteen points in registers.

Some processors fetch numbers from many places about as fast as from one. There points need not be stored between their
placing and the blending of their neighbours, and more of them are under way at a time.
"""

from collections.abc import Sequence
from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from compute.compiled import has
from compute.projection.sampling_cpu import middle_of, placed
from compute.projection.vectors_cpu import (
    FAST,
    between,
    load,
    mixed,
    pick,
    spread_over,
    vector_at,
)

SAMPLED = 16
"""So many points are sampled at a time."""
IS_FASTER = has("avx512fp16")
"""Sapphire Rapids and later: on earlier ones, and on AMD's up to Zen 5, fetching from many places takes many steps."""
_FLOAT, _INDEX, _WIDE = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_NUMBERS = ir.VectorType(_FLOAT, SAMPLED)
_GATHERED = SAMPLED // 2
_TWO_VALUES = ir.VectorType(_WIDE, _GATHERED)
_IN_TURN = [0, 4, 1, 5, 2, 6, 3, 7]
"""The order in which eight points leave `_blended`: halves of two vectors are taken in turn without moving far."""


def _gathered(builder: Any, middle: Any, places: Any) -> Any:
    """Two values at each of eight places, fetched at once."""
    mask = ir.VectorType(ir.IntType(1), _GATHERED)
    pointers = ir.VectorType(_WIDE.as_pointer(), _GATHERED)
    kind = ir.FunctionType(_TWO_VALUES, [pointers, _INDEX, mask, _TWO_VALUES])
    name = f"llvm.masked.gather.v{_GATHERED}i64.v{_GATHERED}p0"
    gather = cgutils.get_or_insert_function(builder.module, kind, name)
    at = builder.gep(middle, [ir.Constant(_INDEX, 0)])
    at.indices = [places]  # llvmlite knows no vector of pointers
    at.type = ir.VectorType(_INDEX.as_pointer(), _GATHERED)
    at = builder.bitcast(at, pointers)
    every, nothing = ir.Constant(mask, [1] * _GATHERED), ir.Constant(_TWO_VALUES, ir.Undefined)
    return builder.call(gather, [at, ir.Constant(_INDEX, 4), every, nothing])


def _blended(builder: Any, middle: Any, corners: list[Any], part: Sequence[Any], first: int) -> Any:
    """Values of eight points from `first` on, real and imaginary parts in turn.

    part: where all points lie between their neighbours along x, y and z.
    """
    own = list(range(first, first + _GATHERED))
    halves = ir.VectorType(ir.HalfType(), 4 * _GATHERED)
    found = [
        builder.bitcast(_gathered(builder, middle, pick(builder, at, own)), halves)
        for at in corners
    ]
    fours = []
    for points in (own[:4], own[4:]):
        lanes = [4 * (k - first) + i for k in points for i in range(4)]
        near_low, near_high, far_low, far_high = (
            builder.fpext(pick(builder, at, lanes), _NUMBERS) for at in found
        )
        of_y, of_z = (pick(builder, part[k], [p for p in points for _ in range(4)]) for k in (1, 2))
        low = between(builder, near_low, far_low, of_z)
        high = between(builder, near_high, far_high, of_z)
        fours.append(between(builder, low, high, of_y))
    left, right = (
        mixed(builder, fours[0], fours[1], [4 * k + side + i for k in _IN_TURN for i in (0, 1)])
        for side in (0, 2)
    )
    of_x = pick(builder, part[0], [first + k for k in _IN_TURN for _ in range(2)])
    return between(builder, left, right, of_x)


@intrinsic
@no_type_check
def sample(context, bricks, factor, steps, sizes, x, y, start, real, imaginary, to):
    """Sample `SAMPLED` points from `start` on, times a factor; they go to real and imaginary from `to` on.

    bricks: half floats, seen as uint16; steps, sizes: see `sampling_cpu.placed`.
    """

    def generate(context, builder, signature, arguments):
        volume, of_x, of_y, *outs = (
            cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k])
            for k in (0, 4, 5, 7, 8)
        )
        factor, steps, sizes, start, to = (arguments[k] for k in (1, 2, 3, 6, 9))
        x, y = (load(builder, vector_at(builder, one, start, SAMPLED)) for one in (of_x, of_y))
        corners, part, sign = placed(builder, x, y, steps, sizes)
        middle = middle_of(builder, volume, builder.extract_value(sizes, 3))
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
