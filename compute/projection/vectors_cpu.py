"""Several numbers at a time: what the compiled kernels do with the neighbours of a sampled point in a padded volume.

Sampling waits for memory: eight neighbours lie in four places far apart. A volume that is sliced is therefore kept in
half floats with the next neighbour along y beside each value, so that a point needs two places of sixteen bytes: 400
instead of 300 million points a second are sliced so from a volume of 9 MB. A cell of a volume of sums holds real and
imaginary part and a weight; two neighbours along x are six numbers in a row, which are loaded and stored together.
Numba's own loops would do all this one number at a time.
"""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_FLOAT, _INDEX = ir.FloatType(), ir.IntType(32)
FAST = ("fast",)
PLACED, BLENDED = 16, 4
"""So many points are placed, and blended, at a time."""


def vector_at(builder: Any, array: Any, index: Any, lanes: int) -> Any:
    """A pointer to some numbers in a row."""
    place = builder.gep(array.data, [index])
    return builder.bitcast(place, ir.VectorType(_FLOAT, lanes).as_pointer())


def load(builder: Any, place: Any) -> Any:
    """The numbers at a place that need not be aligned."""
    loaded = builder.load(place)
    loaded.align = 4
    return loaded


def _pick(builder: Any, vector: Any, lanes: list[int]) -> Any:
    """Some lanes of a vector, in this order."""
    chosen = ir.Constant(ir.VectorType(_INDEX, len(lanes)), lanes)
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), chosen)


def _packed(builder: Any, numbers: list[Any]) -> Any:
    """A vector of these numbers."""
    vector = ir.Constant(ir.VectorType(numbers[0].type, len(numbers)), ir.Undefined)
    for lane, number in enumerate(numbers):
        vector = builder.insert_element(vector, number, ir.Constant(_INDEX, lane))
    return vector


def spread_over(builder: Any, number: Any, lanes: int) -> Any:
    """A vector with the same number everywhere."""
    return _pick(builder, _packed(builder, [number]), [0] * lanes)


def _between(builder: Any, near: Any, far: Any, part: Any) -> Any:
    """Linear interpolation, lane by lane."""
    rise = builder.fmul(builder.fsub(far, near, flags=FAST), part, flags=FAST)
    return builder.fadd(near, rise, flags=FAST)


def _four_at(builder: Any, place: Any) -> Any:
    """A pointer to four numbers in a row."""
    return builder.bitcast(place, ir.VectorType(_FLOAT, 4).as_pointer())


def _eight_halves(builder: Any, place: Any) -> Any:
    """Eight half floats in a row, as floats."""
    loaded = builder.load(builder.bitcast(place, ir.VectorType(ir.HalfType(), 8).as_pointer()))
    loaded.align = 4
    return builder.fpext(loaded, ir.VectorType(_FLOAT, 8))


def _transposed(builder: Any, columns: list[Any]) -> list[Any]:
    """Four vectors of four lanes, the k-th of which holds lane k of all the given ones."""

    def mixed(one: Any, other: Any, lanes: list[int]) -> Any:
        return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_INDEX, 4), lanes))

    a, b, c, d = columns
    low = mixed(a, b, [0, 4, 1, 5]), mixed(c, d, [0, 4, 1, 5])
    high = mixed(a, b, [2, 6, 3, 7]), mixed(c, d, [2, 6, 3, 7])
    return [mixed(*pair, lanes) for pair in (low, high) for lanes in ([0, 1, 4, 5], [2, 3, 6, 7])]


def _times(builder: Any, vector: Any, number: Any) -> Any:
    """A vector times a number."""
    return builder.fmul(vector, spread_over(builder, number, vector.type.count), flags=FAST)


@intrinsic
@no_type_check
def place(context, x, y, start, steps, sizes, cells, parts, stride, slot):
    """Find the cells of `PLACED` points from `start` on, and where the points lie in them; they go to `slot` and on.

    steps: what a unit of x and one of y are along the volume's x, y and z; sizes: cells in a row and in a layer, and
    the index of the zero frequency along y and z. Fills cells with the first of the eight neighbours of each point,
    and four rows of parts, `stride` apart: fractions along x, y and z, and the sign, which is -1 for a point with
    negative x: it is replaced by its Friedel mate.
    """

    def generate(context, builder, signature, arguments):
        array = [
            cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k])
            for k in (0, 1, 5, 6)
        ]
        start, stride, slot = arguments[2], arguments[7], arguments[8]
        of_x, of_y = (load(builder, vector_at(builder, one, start, PLACED)) for one in array[:2])
        step = [builder.extract_value(arguments[3], k) for k in range(6)]
        row, layer, origin = (builder.extract_value(arguments[4], k) for k in range(3))
        lanes = ir.VectorType(_FLOAT, PLACED)
        one = ir.Constant(lanes, [1.0] * PLACED)
        at = [
            builder.fadd(
                _times(builder, of_x, step[k]), _times(builder, of_y, step[3 + k]), flags=FAST
            )
            for k in range(3)
        ]
        zero = ir.Constant(lanes, [0.0] * PLACED)
        is_here = builder.fcmp_ordered(">=", at[0], zero)
        sign = builder.select(is_here, one, builder.fneg(one))
        at = [builder.fmul(axis, sign, flags=FAST) for axis in at]
        shifted = spread_over(builder, origin, PLACED)
        at[1:] = [builder.fadd(axis, shifted, flags=FAST) for axis in at[1:]]
        whole = [builder.fptosi(axis, ir.VectorType(_INDEX, PLACED)) for axis in at]
        cell = builder.add(
            whole[0],
            builder.add(
                builder.mul(whole[1], spread_over(builder, row, PLACED)),
                builder.mul(whole[2], spread_over(builder, layer, PLACED)),
            ),
        )
        room = builder.bitcast(
            builder.gep(array[2].data, [slot]), ir.VectorType(_INDEX, PLACED).as_pointer()
        )
        builder.store(cell, room).align = 4
        for k, values in enumerate((*zip(at, whole, strict=True), (sign, None))):
            exact, below = values
            if below is not None:
                exact = builder.fsub(exact, builder.sitofp(below, lanes), flags=FAST)
            first = builder.add(builder.mul(stride, ir.Constant(ir.IntType(64), k)), slot)
            builder.store(exact, vector_at(builder, array[3], first, PLACED)).align = 4
        return context.get_dummy_value()

    index = types.uint64
    return types.void(x, y, index, steps, sizes, cells, parts, index, index), generate


@intrinsic
@no_type_check
def blend(context, pairs, layer, cells, parts, stride, slot, factor, real, imaginary, start):
    """Blend the eight neighbours of `BLENDED` points, placed from `slot` on, times a factor.

    The values go to real and imaginary from `start` on.

    pairs: half floats of a volume [z, y, x, 2, 2] with the next neighbour along y beside each, seen as uint16: a
    point's neighbours are eight numbers of one layer and eight of the next, of which `layer` numbers are one. cells
    and parts are those of `place`.
    """

    def generate(context, builder, signature, arguments):
        array = [
            cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k])
            for k in (0, 2, 3, 7, 8)
        ]
        volume, cell_of, part_of = array[:3]
        stride, slot, start = arguments[4], arguments[5], arguments[9]
        half = builder.bitcast(volume.data, ir.HalfType().as_pointer())
        layers = (half, builder.gep(half, [arguments[1]]))
        wide = ir.IntType(64)

        def part(row: int, point: Any) -> Any:
            first = builder.add(builder.mul(stride, ir.Constant(wide, row)), point)
            return builder.gep(part_of.data, [first])

        columns = []
        for k in range(BLENDED):
            point = builder.add(slot, ir.Constant(wide, k))
            cell = builder.zext(builder.load(builder.gep(cell_of.data, [point])), wide)
            first = builder.shl(cell, ir.Constant(wide, 2))
            near, far = (_eight_halves(builder, builder.gep(one, [first])) for one in layers)
            square = _between(
                builder, near, far, spread_over(builder, builder.load(part(2, point)), 8)
            )
            left, right = _pick(builder, square, [0, 1, 2, 3]), _pick(builder, square, [4, 5, 6, 7])
            along_x = spread_over(builder, builder.load(part(0, point)), 4)
            columns.append(_between(builder, left, right, along_x))
        low_real, low_imaginary, high_real, high_imaginary = _transposed(builder, columns)
        along_y, sign = (load(builder, _four_at(builder, part(row, slot))) for row in (1, 3))
        factor = spread_over(builder, arguments[6], BLENDED)
        signed = builder.fmul(factor, sign, flags=FAST)
        for out, low, high, times in (
            (array[3], low_real, high_real, factor),
            (array[4], low_imaginary, high_imaginary, signed),
        ):
            value = builder.fmul(_between(builder, low, high, along_y), times, flags=FAST)
            builder.store(value, vector_at(builder, out, start, BLENDED)).align = 4
        return context.get_dummy_value()

    index, number = types.uint64, types.float32
    numbers = (index, index, number, real, imaginary, index)
    return types.void(pairs, index, cells, parts, *numbers), generate


@intrinsic
@no_type_check
def spread(context, sums, c00, c01, c10, c11, w00, w01, w10, w11, fx, real, imaginary, weight):
    """Add a value and its weight to eight neighbours: the adjoint of sampling, with three numbers in a cell."""

    def generate(context, builder, signature, arguments):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        cell = _packed(builder, list(arguments[10:13]))
        far = _times(builder, cell, arguments[9])
        near = builder.fsub(cell, far, flags=FAST)
        six = builder.shuffle_vector(
            near, far, ir.Constant(ir.VectorType(_INDEX, 6), [0, 1, 2, 3, 4, 5])
        )
        for start, share in zip(arguments[1:5], arguments[5:9], strict=True):
            part = _times(builder, six, share)
            for lanes, after in (([0, 1, 2, 3], 0), ([4, 5], 4)):
                offset = ir.Constant(ir.IntType(64), after)
                place = vector_at(builder, array, builder.add(start, offset), len(lanes))
                total = builder.fadd(load(builder, place), _pick(builder, part, lanes))
                builder.store(total, place).align = 4
        return context.get_dummy_value()

    index, number = types.uint64, types.float32
    return types.void(sums, *[index] * 4, *[number] * 8), generate
