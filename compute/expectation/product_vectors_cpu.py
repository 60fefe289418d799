"""Products of several rows with the phases of several shifts at a time, their sums over pixels in registers."""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from compute.compiled import has
from compute.projection.vectors_cpu import FAST, load, vector_at

_IS_WIDE = has("avx512f")
MULTIPLIED = 16 if _IS_WIDE else 8
"""So many pixels are multiplied at a time: as many as a register holds."""
# So many rows by so many shifts at a time: as many sums as there are registers for.
TALL, WIDE = (4, 4) if _IS_WIDE else (2, 4)
_FLOAT, _WORD = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, MULTIPLIED)


def _total(builder: Any, vector: Any) -> Any:
    """The sum of all lanes."""
    kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
    name = f"llvm.vector.reduce.fadd.v{MULTIPLIED}f32"
    reduce = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(reduce, [ir.Constant(_FLOAT, 0.0), vector], fastmath=FAST)


def _multiplier(tall: int, wide: int) -> Any:
    """A function that adds the products of `tall` rows and the phases of `wide` shifts to some numbers."""

    @intrinsic
    @no_type_check
    def add_products(context, rows, row, pixels, phases, shift, start, out, at_row, at_column):
        """Add products of rows [·, 2, pixel] from `row` on and phases [·, 2, pixel] from `shift` on to out.

        So many pixels, in whole vectors, are multiplied: the phases' pixel `start` is the rows' first one. The first
        product goes to out[at_row, at_column].
        """

        def generate(context, builder, signature, arguments):
            row_of, phase_of, results = (
                cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k])
                for k in (0, 3, 6)
            )
            row, pixels, shift, start, at_row, at_column = (
                arguments[k] for k in (1, 2, 4, 5, 7, 8)
            )
            length = builder.extract_value(row_of.shape, 2)
            known = builder.extract_value(phase_of.shape, 2)
            width = builder.extract_value(results.shape, 1)

            def line(index: Any, part: int, own: Any) -> Any:
                twice = builder.shl(index, ir.Constant(_WORD, 1))
                return builder.mul(builder.add(twice, ir.Constant(_WORD, part)), own)

            def after(index: Any, k: int) -> Any:
                return builder.add(index, ir.Constant(_WORD, k))

            totals = [
                [
                    cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, None))
                    for _ in range(wide)
                ]
                for _ in range(tall)
            ]

            def numbers(array: Any, first: Any, pixel: Any) -> Any:
                return load(
                    builder, vector_at(builder, array, builder.add(first, pixel), MULTIPLIED)
                )

            lanes = ir.Constant(_WORD, MULTIPLIED)
            for part in range(2):
                rows_at = [line(after(row, k), part, length) for k in range(tall)]
                phases_at = [
                    builder.add(line(after(shift, j), part, known), start) for j in range(wide)
                ]
                with cgutils.for_range(builder, builder.udiv(pixels, lanes), intp=_WORD) as loop:
                    pixel = builder.mul(loop.index, lanes)
                    left = [numbers(row_of, first, pixel) for first in rows_at]
                    for j, first in enumerate(phases_at):
                        right = numbers(phase_of, first, pixel)
                        for own, total in zip(left, totals, strict=True):
                            more = builder.fmul(own, right, flags=FAST)
                            so_far = builder.load(total[j])
                            builder.store(builder.fadd(so_far, more, flags=FAST), total[j])
            for i in range(tall):
                for j in range(wide):
                    at = builder.add(builder.mul(after(at_row, i), width), after(at_column, j))
                    place = builder.gep(results.data, [at])
                    more = _total(builder, builder.load(totals[i][j]))
                    builder.store(builder.fadd(builder.load(place), more, flags=FAST), place)
            return context.get_dummy_value()

        index = types.int64
        given = (rows, index, index, phases, index, index, out, index, index)
        return types.void(*given), generate

    return add_products


add_block, add_column, add_row, add_one = (
    _multiplier(*shape) for shape in ((TALL, WIDE), (TALL, 1), (1, WIDE), (1, 1))
)
add_two_rows, add_three_rows = (_multiplier(tall, WIDE) for tall in (2, 3))
