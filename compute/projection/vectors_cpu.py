"""Several numbers at a time, which Numba's own loops would take one by one; and what adds a point to a padded volume.

A cell of a volume of sums holds real and imaginary part and a weight; two neighbours along x are six numbers in a row,
which are loaded and stored together.
"""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_FLOAT, _INDEX = ir.FloatType(), ir.IntType(32)
FAST = ("fast",)


def vector_at(builder: Any, array: Any, index: Any, lanes: int) -> Any:
    """A pointer to some numbers in a row."""
    place = builder.gep(array.data, [index])
    return builder.bitcast(place, ir.VectorType(_FLOAT, lanes).as_pointer())


def load(builder: Any, place: Any) -> Any:
    """The numbers at a place that need not be aligned."""
    loaded = builder.load(place)
    loaded.align = 4
    return loaded


def pick(builder: Any, vector: Any, lanes: list[int]) -> Any:
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
    return pick(builder, _packed(builder, [number]), [0] * lanes)


def between(builder: Any, near: Any, far: Any, part: Any) -> Any:
    """Linear interpolation, lane by lane."""
    rise = builder.fmul(builder.fsub(far, near, flags=FAST), part, flags=FAST)
    return builder.fadd(near, rise, flags=FAST)


def mixed(builder: Any, one: Any, other: Any, lanes: list[int]) -> Any:
    """Some lanes of two vectors, the second one's counted on from the first one's."""
    chosen = ir.Constant(ir.VectorType(_INDEX, len(lanes)), lanes)
    return builder.shuffle_vector(one, other, chosen)


def times(builder: Any, vector: Any, number: Any) -> Any:
    """A vector times a number."""
    return builder.fmul(vector, spread_over(builder, number, vector.type.count), flags=FAST)


@intrinsic
@no_type_check
def spread(context, sums, c00, c01, c10, c11, w00, w01, w10, w11, fx, real, imaginary, weight):
    """Add a value and its weight to eight neighbours: the adjoint of sampling, with three numbers in a cell."""

    def generate(context, builder, signature, arguments):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        cell = _packed(builder, list(arguments[10:13]))
        far = times(builder, cell, arguments[9])
        near = builder.fsub(cell, far, flags=FAST)
        six = builder.shuffle_vector(
            near, far, ir.Constant(ir.VectorType(_INDEX, 6), [0, 1, 2, 3, 4, 5])
        )
        for start, share in zip(arguments[1:5], arguments[5:9], strict=True):
            part = times(builder, six, share)
            for lanes, after in (([0, 1, 2, 3], 0), ([4, 5], 4)):
                offset = ir.Constant(ir.IntType(64), after)
                place = vector_at(builder, array, builder.add(start, offset), len(lanes))
                total = builder.fadd(load(builder, place), pick(builder, part, lanes))
                builder.store(total, place).align = 4
        return context.get_dummy_value()

    index, number = types.uint64, types.float32
    return types.void(sums, *[index] * 4, *[number] * 8), generate


@intrinsic
@no_type_check
def expect(context, sums, c00, c01, c10, c11):
    """Ask for the eight neighbours that `spread` will add to, so that they have come by then."""

    def generate(context, builder, signature, arguments):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INDEX, _INDEX, _INDEX])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_write, in_all_caches, of_data = (ir.Constant(_INDEX, number) for number in (1, 3, 1))
        for start in arguments[1:]:
            place = builder.bitcast(builder.gep(array.data, [start]), byte)
            builder.call(ask, [place, to_write, in_all_caches, of_data])
        return context.get_dummy_value()

    return types.void(sums, *[types.uint64] * 4), generate
