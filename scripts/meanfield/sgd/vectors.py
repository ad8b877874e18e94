"""Vectors of 64 bytes for compiled code: 16 float32 or 8 float64 numbers in one value.

The compiler splits a vector into what the CPU has (one, two or four registers), and every operation
here rounds each lane once, so a kernel written in vectors gives the same bits on every CPU.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

BYTES = 64
"""Size and alignment of a vector."""


class Vector(types.Type):
    """The type of a vector of float32 or float64 lanes."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.lanes = 8 * BYTES // dtype.bitwidth
        super().__init__(name=f"vector({dtype} x {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, representation(kind))


def representation(kind: Any) -> ir.VectorType:
    """Return the compiler's type of a vector."""
    scalar = ir.FloatType() if kind.dtype.bitwidth == 32 else ir.DoubleType()
    return ir.VectorType(scalar, kind.lanes)


def _integers(kind: Any) -> ir.VectorType:
    return ir.VectorType(ir.IntType(kind.dtype.bitwidth), kind.lanes)


def splat(builder: Any, scalar: Any, kind: Any) -> Any:
    """Generate the vector whose lanes all hold one scalar."""
    whole = representation(kind)
    first = builder.insert_element(
        ir.Constant(whole, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.lanes), [0] * kind.lanes)
    return builder.shuffle_vector(first, ir.Constant(whole, ir.Undefined), zeros)


def vector_constant(value: float, kind: Any) -> Any:
    """Return the constant vector of one number, rounded to the type of the lanes."""
    rounded = float(np.dtype(str(kind.dtype)).type(value))
    return ir.Constant(representation(kind), [rounded] * kind.lanes)


def _lanewise(count: int, generate: Callable[..., Any]) -> Any:
    """Return the operation on ``count`` equal vectors that ``generate`` emits."""

    def lanewise(typing_context: Any, *operands: Any) -> Any:
        kind = operands[0]
        if not isinstance(kind, Vector) or any(other != kind for other in operands):
            return None

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return generate(builder, kind, *arguments)

        return kind(*operands), emit

    # numba reads the number of arguments from the signature, which star arguments hide.
    by_count: dict[int, Callable[..., Any]] = {
        1: lambda context, a: lanewise(context, a),
        2: lambda context, a, b: lanewise(context, a, b),
        3: lambda context, a, b, c: lanewise(context, a, b, c),
        4: lambda context, a, b, c, d: lanewise(context, a, b, c, d),
    }
    return intrinsic(by_count[count])


def vector_call(name: str) -> Callable[..., Any]:
    """Return the function that generates a call of one of the compiler's operations on vectors."""

    def generate(builder: Any, kind: Any, *arguments: Any) -> Any:
        whole = representation(kind)
        full = f"llvm.{name}.v{kind.lanes}f{kind.dtype.bitwidth}"
        function = builder.module.globals.get(full) or ir.Function(
            builder.module, ir.FunctionType(whole, [whole] * len(arguments)), full
        )
        return builder.call(function, arguments)

    return generate


def _greater(builder: Any, kind: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), x, y)


def _times_power(builder: Any, kind: Any, a: Any, shifter: Any) -> Any:
    whole, bits = _integers(kind), 23 if kind.dtype.bitwidth == 32 else 52
    shift = ir.Constant(whole, [bits] * kind.lanes)
    exponent = builder.shl(builder.bitcast(shifter, whole), shift)
    return builder.bitcast(builder.add(builder.bitcast(a, whole), exponent), a.type)


def _select_bit(position: int) -> Callable[..., Any]:
    def generate(builder: Any, kind: Any, shifter: Any, x: Any, y: Any) -> Any:
        whole = _integers(kind)
        bit = ir.Constant(whole, [1 << position] * kind.lanes)
        masked = builder.and_(builder.bitcast(shifter, whole), bit)
        zero = ir.Constant(whole, [0] * kind.lanes)
        return builder.select(builder.icmp_unsigned("!=", masked, zero), x, y)

    return generate


add = _lanewise(2, lambda builder, kind, a, b: builder.fadd(a, b))
subtract = _lanewise(2, lambda builder, kind, a, b: builder.fsub(a, b))
multiply = _lanewise(2, lambda builder, kind, a, b: builder.fmul(a, b))
divide = _lanewise(2, lambda builder, kind, a, b: builder.fdiv(a, b))
fma = _lanewise(3, vector_call("fma"))
"""a b + c, rounded once."""
absolute = _lanewise(1, vector_call("fabs"))
copy_sign = _lanewise(2, vector_call("copysign"))
"""|a| with the sign of b."""
if_greater = _lanewise(4, _greater)
"""x where a > b, else y."""
times_power = _lanewise(2, _times_power)
"""a 2^k, where k = shifter - `SHIFTER` is a whole number and a, a 2^k are normal numbers."""
if_bit_0 = _lanewise(3, _select_bit(0))
"""x where the whole number k = shifter - `SHIFTER` is odd, else y."""
if_bit_1 = _lanewise(3, _select_bit(1))
"""x where k mod 4 is 2 or 3, else y."""

SHIFTER: Mapping[int, float] = {32: 1.5 * 2.0**23, 64: 1.5 * 2.0**52}
"""Adding it rounds a number to a whole one, which then stands in the low bits."""


def make_constant(single: float, double: float) -> Any:
    """Return the operation c(v) that gives a constant as a vector of the type of v.

    Args:
        single: its value in float32.
        double: its value in float64.
    """

    def constant(typing_context: Any, v: Any) -> Any:
        if not isinstance(v, Vector):
            return None

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return vector_constant(single if v.dtype.bitwidth == 32 else double, v)

        return v(v), emit

    return intrinsic(constant)


def make_polynomial(single: Sequence[float], double: Sequence[float]) -> Any:
    """Return the operation p(v) that evaluates a polynomial by Horner's rule with fma.

    Args:
        single: coefficients for float32, of the highest power first.
        double: coefficients for float64.
    """

    def polynomial(typing_context: Any, v: Any) -> Any:
        if not isinstance(v, Vector):
            return None

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (x,) = arguments
            first, *others = single if v.dtype.bitwidth == 32 else double
            value = vector_constant(first, v)
            for coefficient in others:
                value = vector_call("fma")(builder, v, value, x, vector_constant(coefficient, v))
            return value

        return v(v), emit

    return intrinsic(polynomial)


def _broadcast(typing_context: Any, scalar: Any) -> Any:
    """Type and generate the vector whose lanes all hold a float32 or float64 scalar."""
    if scalar not in (types.float32, types.float64):
        return None
    kind = Vector(scalar)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat(builder, arguments[0], kind)

    return kind(scalar), emit


def _tree_sum(typing_context: Any, v: Any) -> Any:
    """Type and generate the sum of the lanes, folded in halves: q and q + 8, q and q + 4, ..."""
    if not isinstance(v, Vector):
        return None

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (folded,) = arguments
        lanes, word = v.lanes, ir.IntType(32)
        while lanes > 1:
            lanes //= 2
            nothing = ir.Constant(folded.type, ir.Undefined)
            low, high = (
                ir.Constant(ir.VectorType(word, lanes), list(range(start, start + lanes)))
                for start in (0, lanes)
            )
            folded = builder.fadd(
                builder.shuffle_vector(folded, nothing, low),
                builder.shuffle_vector(folded, nothing, high),
            )
        return builder.extract_element(folded, ir.Constant(word, 0))

    return v.dtype(v), emit


tree_sum: Any = intrinsic(_tree_sum)
broadcast: Any = intrinsic(_broadcast)
