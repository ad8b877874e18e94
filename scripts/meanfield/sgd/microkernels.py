"""Products of small matrices in registers: the three products of exact blocks.

All of them add to rows of TILE neurons a combination of other such rows,

    out[r] (+)= sum_j factor(j, r) source[j],   one chain of fused multiply-adds in increasing j,

where j runs over all rows, or over those in a set, since rows of zeros add nothing.  How many rows
and vectors are held in registers at a time changes no bits.  It is chosen by the CPU: with 32
registers of one vector 10 or 8 rows of two vectors, else 6 rows of one.
"""

from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from meanfield.compiled import compiler, keep_apart
from meanfield.sgd.memory import element_address, lanes_of
from meanfield.sgd.vectors import BYTES, Vector, representation, splat, vector_call, vector_constant

njit = compiler(__file__)

TILE = 32
"""Neurons of a row, two vectors of float32."""
STEPS = 32
"""Samples of a block, at most 64: sets of them are the bits of a word."""
BLOCK = max(STEPS, TILE)
"""Length of a row of factors, one a sample of a block: whole vectors of them for `gram`."""


def _has_wide_registers() -> bool:
    """Say whether compiled code may use AVX-512."""
    config: Any = numba.config
    features = config.CPU_FEATURES
    if features is None:
        return bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))
    return "+avx512f" in features.split(",")


_INPUTS, _SAMPLES, _VECTORS = (10, 8, 2) if _has_wide_registers() else (6, 6, 1)


def _make_tile(
    rows: int, *, chosen: bool, between: int, across: int, row_length: int = TILE
) -> Any:  # fmt: skip
    """Return the operation out[r] (+)= sum_j factor[j between + r across] source[j], r < rows.

    It works on the first _VECTORS vectors of each row.

    Args:
        rows: number of rows of ``out``, held in registers.
        chosen: add, to what ``out`` holds, the rows j whose bits are set; else start from zero, and
            j runs from 0 on.
        between: distance of the factors of consecutive j.
        across: distance of the factors of consecutive r.
        row_length: distance of consecutive rows of ``out`` and of ``source``.
    """

    def generate(out: Any, source: Any, factor: Any) -> Any:
        kind = Vector(out.dtype)

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            whole, word = representation(kind), ir.IntType(64)
            scalar = whole.element
            target = element_address(context, builder, out, arguments[0:2], scalar)
            origin = element_address(context, builder, source, arguments[2:4], scalar)
            factors = element_address(context, builder, factor, arguments[4:6], scalar)
            cells = [(r, v) for r in range(rows) for v in range(_VECTORS)]

            def address(base: Any, row: int, v: int) -> Any:
                shift = ir.Constant(word, row * row_length + v * kind.lanes)
                return builder.bitcast(builder.gep(base, [shift]), whole.as_pointer())

            zero = vector_constant(0.0, kind)
            start = [
                builder.load(address(target, r, v), align=BYTES) if chosen else zero
                for r, v in cells
            ]
            before = builder.block
            loop, after = builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            # What is left to do: a set of rows, or the number of the next row.
            state = builder.phi(word)
            totals = [builder.phi(whole) for _ in cells]
            j = builder.cttz(state, ir.Constant(ir.IntType(1), 1)) if chosen else state
            here = builder.gep(origin, [builder.mul(j, ir.Constant(word, row_length))])
            coefficients = builder.gep(factors, [builder.mul(j, ir.Constant(word, between))])
            inputs = [builder.load(address(here, 0, v), align=BYTES) for v in range(_VECTORS)]
            ends = []
            for index, (r, v) in enumerate(cells):
                if v == 0:
                    place = builder.gep(coefficients, [ir.Constant(word, r * across)])
                    weight = splat(builder, builder.load(place), kind)
                ends.append(vector_call("fma")(builder, kind, weight, inputs[v], totals[index]))
            one = ir.Constant(word, 1)
            if chosen:
                following = builder.and_(state, builder.sub(state, one))
                more = builder.icmp_unsigned("!=", following, ir.Constant(word, 0))
            else:
                following = builder.add(state, one)
                more = builder.icmp_signed("<", following, arguments[6])
            builder.cbranch(more, loop, after)
            state.add_incoming(arguments[6] if chosen else ir.Constant(word, 0), before)
            state.add_incoming(following, loop)
            for total, first, end in zip(totals, start, ends, strict=True):
                total.add_incoming(first, before)
                total.add_incoming(end, loop)
            builder.position_at_end(after)
            for (r, v), end in zip(cells, ends, strict=True):
                builder.store(end, address(target, r, v), align=BYTES)
            return context.get_dummy_value()

        return emit

    def tile(
        typing_context: Any, out: Any, out_index: Any, source: Any, source_index: Any,
        factor: Any, factor_index: Any, rows_or_count: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(out, index, source, index, factor, index, index)
        return signature, generate(out, source, factor)

    return intrinsic(tile)


_fresh = _make_tile(_SAMPLES, chosen=False, between=BLOCK, across=1)
_fresh_2 = _make_tile(2, chosen=False, between=BLOCK, across=1)
_fresh_1 = _make_tile(1, chosen=False, between=BLOCK, across=1)
_more = _make_tile(_SAMPLES, chosen=True, between=BLOCK, across=1)
_more_2 = _make_tile(2, chosen=True, between=BLOCK, across=1)
_inputs = _make_tile(_INPUTS, chosen=True, between=1, across=BLOCK)
_inputs_2 = _make_tile(2, chosen=True, between=1, across=BLOCK)
_inputs_1 = _make_tile(1, chosen=True, between=1, across=BLOCK)
_gram = _make_tile(_SAMPLES, chosen=False, between=BLOCK, across=1, row_length=BLOCK)
_gram_2 = _make_tile(2, chosen=False, between=BLOCK, across=1, row_length=BLOCK)


@njit
def gram(out: Any, x: Any, start: int, inputs: int) -> None:
    """out[k, l] = sum_j x[j, k] x[j, l] for k < STEPS: G = X X^T.

    Args:
        out: array that holds the rows out[k], of BLOCK numbers, aligned.
        x: array that holds the rows x[j], of BLOCK numbers.
        start: element of it at which they start.
        inputs: their number, at least 1.
    """
    keep_apart()
    width = _VECTORS * lanes_of(out)
    for shift in range(0, BLOCK, width):
        k = 0
        while k + _SAMPLES <= STEPS:
            _gram(out, k * BLOCK + shift, x, start + shift, x, start + k, inputs)
            k += _SAMPLES
        while k < STEPS:
            _gram_2(out, k * BLOCK + shift, x, start + shift, x, start + k, inputs)
            k += 2


@njit
def combine(
    out: Any, out_index: int, outs: int, source: Any, source_index: int, count: int,
    factor: Any, factor_index: int,
) -> None:  # fmt: skip
    """out[k] = sum_{j < count} factor[j, k] source[j] for k < outs: H = X W.

    Args:
        out: array or pointer that holds the rows out[k], one after the other, aligned.
        out_index: element of it at which they start.
        outs: their number.
        source: array or pointer that holds the rows source[j].
        source_index: element of it at which they start.
        count: their number, at least 1.
        factor: array or pointer that holds the rows factor[j], of BLOCK numbers.
        factor_index: element of it at which they start.
    """
    keep_apart()
    width = _VECTORS * lanes_of(out)
    for shift in range(0, TILE, width):
        k = 0
        while k + _SAMPLES <= outs:
            _fresh(out, out_index + k * TILE + shift, source, source_index + shift,
                   factor, factor_index + k, count)  # fmt: skip
            k += _SAMPLES
        while k + 2 <= outs:
            _fresh_2(out, out_index + k * TILE + shift, source, source_index + shift,
                     factor, factor_index + k, count)  # fmt: skip
            k += 2
        if k < outs:
            _fresh_1(out, out_index + k * TILE + shift, source, source_index + shift,
                     factor, factor_index + k, count)  # fmt: skip


@njit
def add_history(
    out: Any, out_index: int, outs: int, source: Any, source_index: int, factor: Any,
    factor_index: int, chosen: int,
) -> None:  # fmt: skip
    """out[k] += sum_{j in chosen} factor[j, k] source[j] for k < outs, outs even.

    Args:
        out: array or pointer that holds the rows out[k], one after the other, aligned.
        out_index: element of it at which they start.
        outs: their number.
        source: array or pointer that holds the rows source[j].
        source_index: element of it at which they start.
        factor: array or pointer that holds the rows factor[j], of BLOCK numbers.
        factor_index: element of it at which they start.
        chosen: the set of j, bit by bit.
    """
    keep_apart()
    if chosen == 0:
        return
    width = _VECTORS * lanes_of(out)
    for shift in range(0, TILE, width):
        k = 0
        while k + _SAMPLES <= outs:
            _more(out, out_index + k * TILE + shift, source, source_index + shift,
                  factor, factor_index + k, chosen)  # fmt: skip
            k += _SAMPLES
        while k < outs:
            _more_2(out, out_index + k * TILE + shift, source, source_index + shift,
                    factor, factor_index + k, chosen)  # fmt: skip
            k += 2


@njit
def add_inputs(
    out: Any, out_index: int, outs: int, source: Any, source_index: int, factor: Any,
    factor_index: int, chosen: int,
) -> None:  # fmt: skip
    """out[j] += sum_{k in chosen} factor[j, k] source[k] for j < outs: the update W += (e X)^T S.

    Args:
        out: array or pointer that holds the rows out[j], one after the other, aligned.
        out_index: element of it at which they start.
        outs: their number.
        source: array or pointer that holds the rows source[k].
        source_index: element of it at which they start.
        factor: array or pointer that holds the rows factor[j], of BLOCK numbers.
        factor_index: element of it at which they start.
        chosen: the set of k, bit by bit.
    """
    keep_apart()
    if chosen == 0:
        return
    width = _VECTORS * lanes_of(out)
    for shift in range(0, TILE, width):
        j = 0
        while j + _INPUTS <= outs:
            _inputs(out, out_index + j * TILE + shift, source, source_index + shift,
                    factor, factor_index + j * BLOCK, chosen)  # fmt: skip
            j += _INPUTS
        while j + 2 <= outs:
            _inputs_2(out, out_index + j * TILE + shift, source, source_index + shift,
                      factor, factor_index + j * BLOCK, chosen)  # fmt: skip
            j += 2
        if j < outs:
            _inputs_1(out, out_index + j * TILE + shift, source, source_index + shift,
                      factor, factor_index + j * BLOCK, chosen)  # fmt: skip
