"""Vectors of 64 bytes for compiled code: 16 float32 or 8 float64 numbers in one value.

The compiler splits a vector into what the CPU has (one, two or four registers), and every operation
here rounds each lane once, so a kernel written in vectors gives the same bits on every CPU.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
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


def element_address(
    context: Any, builder: Any, base_type: Any, place: Sequence[Any], to: Any
) -> Any:
    """Generate the address of an element, counted from the first one of an array or a pointer.

    Args:
        context: of the compiler.
        builder: of the compiler.
        base_type: type of an array in C order, or of a pointer from `pointer_to`.
        place: the array or pointer, and the number of the element.
        to: type of what the address shall point to.
    """
    base, index = place
    if not isinstance(base_type, types.CPointer):
        base = context.make_array(base_type)(context, builder, base).data
    return builder.bitcast(builder.gep(base, [index]), to.as_pointer())


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


def _load(typing_context: Any, array: Any, index: Any) -> Any:
    """Type and generate the load of the vector that starts at an aligned element."""
    kind = Vector(array.dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = element_address(context, builder, array, arguments, representation(kind))
        return builder.load(address, align=BYTES)

    return kind(array, types.intp), emit


def _store(typing_context: Any, array: Any, index: Any, v: Any) -> Any:
    """Type and generate the store of a vector from an aligned element on."""
    if not isinstance(v, Vector) or v.dtype != array.dtype:
        return None

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = element_address(context, builder, array, arguments[:2], representation(v))
        builder.store(arguments[2], address, align=BYTES)
        return context.get_dummy_value()

    return types.void(array, types.intp, v), emit


def _broadcast(typing_context: Any, scalar: Any) -> Any:
    """Type and generate the vector whose lanes all hold a float32 or float64 scalar."""
    if scalar not in (types.float32, types.float64):
        return None
    kind = Vector(scalar)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat(builder, arguments[0], kind)

    return kind(scalar), emit


def _broadcast_element(typing_context: Any, array: Any, index: Any) -> Any:
    """Type and generate the vector whose lanes all hold one element."""
    kind = Vector(array.dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        scalar = representation(kind).element
        place = element_address(context, builder, array, arguments, scalar)
        return splat(builder, builder.load(place), kind)

    return kind(array, types.intp), emit


def _pointer_to(typing_context: Any, array: Any) -> Any:
    """Type and generate the pointer to the first element of an array in C order.

    Unlike an array it is one word, and nobody counts references to it; the array must outlive it.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(array)(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), emit


def _pointer_or_none(typing_context: Any, array: Any) -> Any:
    """Type and generate `pointer_to` an array, or None for None."""
    if isinstance(array, types.Array):
        return _pointer_to(typing_context, array)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return types.none(array), emit


def _lanes_of(typing_context: Any, array: Any) -> Any:
    """Type and generate the number of elements in a vector of an array's or pointer's."""
    lanes = Vector(array.dtype).lanes

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, lanes)

    return types.intp(array), emit


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


def _store_active(typing_context: Any, active: Any, index: Any, v: Any, w: Any) -> Any:
    """Type and generate the store of bits, as uint16, that say where v or w is not zero."""
    if not isinstance(v, Vector) or v != w or active.dtype != types.uint16:
        return None

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        half = ir.IntType(16)
        zero = vector_constant(0.0, v)
        # "Unordered": a NaN counts as not zero.
        first, second = (builder.fcmp_unordered("!=", each, zero) for each in arguments[2:])
        bits = builder.bitcast(builder.or_(first, second), ir.IntType(v.lanes))
        address = element_address(context, builder, active, arguments[:2], half)
        builder.store(builder.zext(bits, half) if v.lanes < 16 else bits, address)
        return context.get_dummy_value()

    return types.void(active, types.intp, v, w), emit


def _active_bits(typing_context: Any, active: Any, index: Any, count: Any) -> Any:
    """Type and generate the int64 whose bit k says whether number k from ``index`` on is not 0.

    The literal ``count`` is the number of bits, at most 64.
    """
    if active.dtype != types.uint16 or not isinstance(count, types.IntegerLiteral):
        return None
    length = count.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = ir.VectorType(ir.IntType(16), length)
        address = element_address(context, builder, active, arguments[:2], whole)
        zero = ir.Constant(whole, [0] * length)
        lanes = builder.icmp_unsigned("!=", builder.load(address, align=2), zero)
        bits = builder.bitcast(lanes, ir.IntType(length))
        return builder.zext(bits, ir.IntType(64)) if length < 64 else bits

    return types.int64(active, types.intp, count), emit


def _keep_apart(typing_context: Any) -> Any:
    """Keep the function that contains this from being copied into its callers.

    Large kernels then are optimized once, which halves the time that compilation takes.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), emit


keep_apart: Any = intrinsic(_keep_apart)
store_active: Any = intrinsic(_store_active)
active_bits: Any = intrinsic(prefer_literal=True)(_active_bits)
tree_sum: Any = intrinsic(_tree_sum)
load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
broadcast: Any = intrinsic(_broadcast)
broadcast_element: Any = intrinsic(_broadcast_element)
pointer_to: Any = intrinsic(_pointer_to)
pointer_or_none: Any = intrinsic(_pointer_or_none)
lanes_of: Any = intrinsic(_lanes_of)


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array of zeros in C order whose first element is aligned for vectors."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    raw = np.zeros(size + BYTES, np.uint8)
    start = -raw.ctypes.data % BYTES
    return raw[start : start + size].view(kind).reshape(shape)
