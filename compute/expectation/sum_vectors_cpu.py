"""Sums of an orientation over some pixels at a time: all that becomes of the mean phases of its shifts, in registers.

As loops of their own, over arrays of mean phases, these sums wait for what they write and read again.
"""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from compute.projection.vectors_cpu import FAST, load, spread_over, vector_at

SUMMED = 16
"""So many pixels are summed at a time."""
_VECTOR = ir.VectorType(ir.FloatType(), SUMMED)


def _product_sum(builder: Any, *pairs: tuple[Any, Any]) -> Any:
    """The sum of some products."""
    products = [builder.fmul(one, other, flags=FAST) for one, other in pairs]
    total = products[0]
    for product in products[1:]:
        total = builder.fadd(total, product, flags=FAST)
    return total


def _mean_phases(
    builder: Any, phases: Any, pixels: Any, chosen: Any, shares: Any, count: Any, at: Any
) -> tuple[Any, Any]:
    """Cosine and sine of the shifts `chosen` by their shares, summed, at the pixels from `at` on."""
    wide = ir.IntType(64)
    totals = [cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, None)) for _ in range(2)]
    with cgutils.for_range(builder, count, intp=wide) as loop:
        shift = builder.load(builder.gep(chosen.data, [loop.index]))
        share = spread_over(builder, builder.load(builder.gep(shares.data, [loop.index])), SUMMED)
        row = builder.mul(builder.shl(shift, ir.Constant(wide, 1)), pixels)
        for part, total in enumerate(totals):
            first = builder.add(row, builder.mul(pixels, ir.Constant(wide, part)))
            values = load(builder, vector_at(builder, phases, builder.add(first, at), SUMMED))
            more = builder.fmul(values, share, flags=FAST)
            builder.store(builder.fadd(builder.load(total), more, flags=FAST), total)
    return builder.load(totals[0]), builder.load(totals[1])


def _arrays(
    context: Any, builder: Any, signature: Any, arguments: Any, which: tuple[int, ...]
) -> list[Any]:
    """The arrays among the arguments."""
    return [
        cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k])
        for k in which
    ]


def _rows(builder: Any, array: Any, at: Any) -> list[Any]:
    """Pointers into both rows of an array, at the pixels from `at` on."""
    second = builder.add(builder.extract_value(array.shape, 1), at)
    return [vector_at(builder, array, first, SUMMED) for first in (at, second)]


def _store(builder: Any, values: Any, to: Any) -> None:
    builder.store(values, to).align = 4


def _put(builder: Any, inserted: Any, at: Any, out: Any, to: Any, cosine: Any, sine: Any) -> None:
    """The image moved back by the mean phases: its pixels from `at` on go to those of out from `to` on."""
    u, v = (load(builder, row) for row in _rows(builder, inserted, at))
    real = _product_sum(builder, (u, cosine), (v, sine))
    turned = builder.fmul(u, sine, flags=FAST)
    imaginary = builder.fsub(builder.fmul(v, cosine, flags=FAST), turned, flags=FAST)
    for values, row in zip((real, imaginary), _rows(builder, out, to), strict=True):
        _store(builder, values, row)


@intrinsic
@no_type_check
def put_back_some(context, phases, pixels, chosen, shares, count, at, inserted, out, to):
    """Fill out with an image times the mean phases of `count` shifts, at `SUMMED` pixels from `at` on.

    They go to the pixels of out from `to` on. phases: a row of cosines and one of sines, of so many pixels, for every
    shift; conjugated. inserted, out: a row of real and one of imaginary parts.
    """

    def generate(context, builder, signature, arguments):
        given = _arrays(context, builder, signature, arguments, (0, 2, 3, 6, 7))
        phases, chosen, shares, inserted, out = given
        pixels, count, at, to = (arguments[k] for k in (1, 4, 5, 8))
        mean = _mean_phases(builder, phases, pixels, chosen, shares, count, at)
        _put(builder, inserted, at, out, to, *mean)
        return context.get_dummy_value()

    index = types.int64
    given = (inserted, out, index)
    return types.void(phases, index, chosen, shares, index, index, *given), generate


@intrinsic
@no_type_check
def sum_some(
    context,
    phases,
    pixels,
    chosen,
    shares,
    count,
    at,
    inserted,
    out,
    to,
    compared,
    sliced,
    share,
    fit,
    model,
):
    """`put_back_some`; and of slice S and image X = x + iy add Re(conj(S) X e) and |S|² by weight to fit and model.

    compared, sliced: both parts of X and of S.
    """

    def generate(context, builder, signature, arguments):
        which = (0, 2, 3, 6, 7, 9, 10, 12, 13)
        given = _arrays(context, builder, signature, arguments, which)
        phases, chosen, shares, inserted, out, compared, sliced, *sums = given
        pixels, count, at, to, share = (arguments[k] for k in (1, 4, 5, 8, 11))
        cosine, sine = _mean_phases(builder, phases, pixels, chosen, shares, count, at)
        _put(builder, inserted, at, out, to, cosine, sine)
        x, y = (load(builder, row) for row in _rows(builder, compared, at))
        a, b = (load(builder, row) for row in _rows(builder, sliced, at))
        along = _product_sum(builder, (x, cosine), (y, sine))
        turned = builder.fmul(x, sine, flags=FAST)
        across = builder.fsub(builder.fmul(y, cosine, flags=FAST), turned, flags=FAST)
        fitted = _product_sum(builder, (a, along), (b, across))
        power = _product_sum(builder, (a, a), (b, b))
        power = builder.fmul(power, spread_over(builder, share, SUMMED), flags=FAST)
        for array, more in zip(sums, (fitted, power), strict=True):
            place = vector_at(builder, array, at, SUMMED)
            _store(builder, builder.fadd(load(builder, place), more, flags=FAST), place)
        return context.get_dummy_value()

    index = types.int64
    given = (inserted, out, index, compared, sliced, types.float32, fit, model)
    return types.void(phases, index, chosen, shares, index, index, *given), generate
