"""Vectors in memory: loads and stores for compiled code, by array or by bare pointer.

Every operation takes an array in C order, or a pointer from `pointer_to`, and the number of the
element at which the vector starts; vectors lie at multiples of 64 bytes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from meanfield.sgd.vectors import BYTES, Vector, representation, splat


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


def _store_active(typing_context: Any, active: Any, index: Any, v: Any, w: Any) -> Any:
    """Type and generate the store of bits, as uint16, that say where v or w is not zero."""
    if not isinstance(v, Vector) or v != w or active.dtype != types.uint16:
        return None

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        half, width = ir.IntType(16), v.dtype.bitwidth
        whole = ir.VectorType(ir.IntType(width), v.lanes)
        # All bits but the sign: -0 counts as zero, NaN does not.
        magnitude = ir.Constant(whole, [2 ** (width - 1) - 1] * v.lanes)
        first, second = (builder.bitcast(each, whole) for each in arguments[2:])
        either = builder.and_(builder.or_(first, second), magnitude)
        lanes = builder.icmp_unsigned("!=", either, ir.Constant(whole, [0] * v.lanes))
        bits = builder.bitcast(lanes, ir.IntType(v.lanes))
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


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
broadcast_element: Any = intrinsic(_broadcast_element)
pointer_to: Any = intrinsic(_pointer_to)
pointer_or_none: Any = intrinsic(_pointer_or_none)
lanes_of: Any = intrinsic(_lanes_of)
store_active: Any = intrinsic(_store_active)
active_bits: Any = intrinsic(prefer_literal=True)(_active_bits)


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array of zeros in C order whose first element is aligned for vectors."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    raw = np.zeros(size + BYTES, np.uint8)
    start = -raw.ctypes.data % BYTES
    return raw[start : start + size].view(kind).reshape(shape)
