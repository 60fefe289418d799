"""Sampling of a padded volume, several points at a time.

Sampling waits for memory: a point has eight neighbours, and the points of a slice pass through all of the volume. A
volume that is sliced is therefore kept in bricks of one line of the cache: half floats of 4 x 2 x 2 neighbours along x,
y and z, the last of which along x is the first of the next brick. A slice so fetches half of the lines that rows of the
volume would take, and two neighbours along x always lie beside each other.
"""

from collections.abc import Sequence
from typing import Any, no_type_check

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

PLACED, BLENDED = 8, 4
"""So many points are placed, and blended, at a time: what wider vectors store cannot be read one by one at once."""
BRICK = 16
"""Values in a brick."""
CORNERS = 4
"""Places are kept of a point's neighbours with the lower x: by z and y."""
PARTS = 4
"""What else is kept of each point: where it lies between its neighbours along x, y and z, and its sign."""
_FLOAT, _INDEX, _WIDE = ir.FloatType(), ir.IntType(32), ir.IntType(64)


def _all(kind: Any, number: int | float) -> Any:
    """The same number for all points."""
    return ir.Constant(kind, [number] * kind.count)


def _along(builder: Any, x: Any, y: Any, step: Any, axis: int) -> Any:
    """Where points lie along an axis of the volume, seen from the zero frequency."""
    of_x, of_y = (builder.extract_value(step, k) for k in (axis, 3 + axis))
    return builder.fadd(times(builder, x, of_x), times(builder, y, of_y), flags=FAST)


def _two_places(builder: Any, index: Any, step: Any, inner: int) -> tuple[Any, Any]:
    """What two neighbours along y or z, from `index` on, add to the place: bricks, `step` apart, hold two of them."""
    kind = index.type
    is_second = builder.icmp_signed("!=", builder.and_(index, _all(kind, 1)), _all(kind, 0))
    step = spread_over(builder, step, kind.count)
    first = builder.mul(builder.lshr(index, _all(kind, 1)), step)
    second = builder.add(first, _all(kind, inner))
    return (
        builder.select(is_second, second, first),
        builder.select(is_second, builder.add(first, step), second),
    )


def _corners(builder: Any, whole: Sequence[Any], sizes: Any) -> list[Any]:
    """Places of the neighbours with the lower x, by z and y, counted from the middle of all bricks."""
    kind = whole[0].type
    row, layer, middle = (builder.extract_value(sizes, k) for k in (0, 1, 3))
    brick = builder.lshr(builder.mul(whole[0], _all(kind, 21846)), _all(kind, 16))
    along_x = builder.add(whole[0], builder.mul(brick, _all(kind, BRICK - 3)))
    along_x = builder.sub(along_x, spread_over(builder, middle, kind.count))
    along_y = _two_places(builder, whole[1], row, 4)
    along_z = _two_places(builder, whole[2], layer, 8)
    planes = [builder.add(along_x, z) for z in along_z]
    return [builder.add(plane, y) for plane in planes for y in along_y]


def placed(
    builder: Any, x: Any, y: Any, steps: Any, sizes: Any
) -> tuple[list[Any], list[Any], Any]:
    """Places of the neighbours of some points, where the points lie between them along x, y and z, and their signs.

    steps: what a unit of x and one of y are along the volume's x, y and z. sizes: values in a row and in a layer of
    bricks, the index of the zero frequency along y and z, and the place of the brick from which places are counted. A
    point with negative x is replaced by its Friedel mate, and has the sign -1.
    """
    numbers, places = x.type, ir.VectorType(_INDEX, x.type.count)
    at = [_along(builder, x, y, steps, axis) for axis in range(3)]
    one = _all(numbers, 1.0)
    is_here = builder.fcmp_ordered(">=", at[0], _all(numbers, 0.0))
    sign = builder.select(is_here, one, builder.fneg(one))
    at = [builder.fmul(axis, sign, flags=FAST) for axis in at]
    origin = spread_over(builder, builder.extract_value(sizes, 2), numbers.count)
    at[1:] = [builder.fadd(axis, origin, flags=FAST) for axis in at[1:]]
    whole = [builder.fptosi(axis, places) for axis in at]
    part = [
        builder.fsub(exact, builder.sitofp(below, numbers), flags=FAST)
        for exact, below in zip(at, whole, strict=True)
    ]
    return _corners(builder, whole, sizes), part, sign


def middle_of(builder: Any, volume: Any, middle: Any) -> Any:
    """The value from which places are counted."""
    first = builder.bitcast(volume.data, _INDEX.as_pointer())
    return builder.gep(first, [builder.sext(middle, _WIDE)])


@intrinsic
@no_type_check
def place(context, x, y, start, steps, sizes, places, parts, stride, slot):
    """Find the neighbours of `PLACED` points from `start` on, and where the points lie between them: see `placed`.

    They go to `slot` and on of the rows of places and parts, which are `stride` apart: see `CORNERS` and `PARTS`.
    """

    def generate(context, builder, signature, arguments):
        of_x, of_y, place_of, part_of = (
            cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k])
            for k in (0, 1, 5, 6)
        )
        start, steps, sizes, stride, slot = (arguments[k] for k in (2, 3, 4, 7, 8))
        x, y = (load(builder, vector_at(builder, one, start, PLACED)) for one in (of_x, of_y))
        corners, part, sign = placed(builder, x, y, steps, sizes)
        for array, rows in ((place_of, corners), (part_of, (*part, sign))):
            for row, values in enumerate(rows):
                first = builder.add(builder.mul(stride, ir.Constant(_WIDE, row)), slot)
                to = builder.bitcast(builder.gep(array.data, [first]), values.type.as_pointer())
                builder.store(values, to).align = 4
        return context.get_dummy_value()

    index = types.uint64
    return types.void(x, y, index, steps, sizes, places, parts, index, index), generate


def _two_values(builder: Any, middle: Any, place: Any) -> Any:
    """The values at a place and at the next one along x, as a whole number of 64 bits."""
    at = builder.gep(middle, [builder.sext(builder.load(place), _WIDE)])
    two = builder.load(builder.bitcast(at, _WIDE.as_pointer()))
    two.align = 4
    return two


def _transposed(builder: Any, columns: list[Any]) -> list[Any]:
    """Four vectors of four lanes, the k-th of which holds lane k of all the given ones."""
    a, b, c, d = columns
    low = mixed(builder, a, b, [0, 4, 1, 5]), mixed(builder, c, d, [0, 4, 1, 5])
    high = mixed(builder, a, b, [2, 6, 3, 7]), mixed(builder, c, d, [2, 6, 3, 7])
    return [
        mixed(builder, *pair, lanes)
        for pair in (low, high)
        for lanes in ([0, 1, 4, 5], [2, 3, 6, 7])
    ]


@intrinsic
@no_type_check
def blend(context, bricks, middle, places, parts, stride, slot, factor, real, imaginary, start):
    """Blend the eight neighbours of `BLENDED` points, placed from `slot` on, times a factor.

    bricks: half floats, seen as uint16; middle: from which of their values places are counted. places and parts are
    those of `place`. The values go to real and imaginary from `start` on.
    """

    def generate(context, builder, signature, arguments):
        volume, place_of, part_of, *outs = (
            cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k])
            for k in (0, 2, 3, 7, 8)
        )
        middle, stride, slot, factor, start = (arguments[k] for k in (1, 4, 5, 6, 9))
        centre = middle_of(builder, volume, middle)

        def at(array: Any, row: int, point: int) -> Any:
            of_row = builder.add(builder.mul(stride, ir.Constant(_WIDE, row)), slot)
            return builder.gep(array.data, [builder.add(of_row, ir.Constant(_WIDE, point))])

        def layer(point: int, first: int) -> Any:
            pair = ir.Constant(ir.VectorType(_WIDE, 2), ir.Undefined)
            for k in (0, 1):
                two = _two_values(builder, centre, at(place_of, first + k, point))
                pair = builder.insert_element(pair, two, ir.Constant(_INDEX, k))
            halves = builder.bitcast(pair, ir.VectorType(ir.HalfType(), 8))
            return builder.fpext(halves, ir.VectorType(_FLOAT, 8))

        columns = []
        for point in range(BLENDED):
            of_y, of_z = (builder.load(at(part_of, row, point)) for row in (1, 2))
            near, far = (layer(point, first) for first in (0, 2))
            square = between(builder, near, far, spread_over(builder, of_z, 8))
            low, high = pick(builder, square, [0, 1, 2, 3]), pick(builder, square, [4, 5, 6, 7])
            columns.append(between(builder, low, high, spread_over(builder, of_y, 4)))
        left_real, left_imaginary, right_real, right_imaginary = _transposed(builder, columns)
        four = ir.VectorType(_FLOAT, BLENDED).as_pointer()
        of_x, sign = (load(builder, builder.bitcast(at(part_of, row, 0), four)) for row in (0, 3))
        all_times = spread_over(builder, factor, BLENDED)
        signed = builder.fmul(all_times, sign, flags=FAST)
        for out, left, right, by in (
            (outs[0], left_real, right_real, all_times),
            (outs[1], left_imaginary, right_imaginary, signed),
        ):
            value = builder.fmul(between(builder, left, right, of_x), by, flags=FAST)
            builder.store(value, vector_at(builder, out, start, BLENDED)).align = 4
        return context.get_dummy_value()

    index, number = types.uint64, types.float32
    numbers = (index, index, number, real, imaginary, index)
    return types.void(bricks, types.int32, places, parts, *numbers), generate
