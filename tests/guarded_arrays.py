"""Arrays after whose last entry no memory can be read or written: what a GPU's would not show.

Each ends where a page without access begins, and what is not given is NaN, or -1 in whole numbers.
"""

import ctypes
import mmap
from typing import Any

import numpy as np

GUARD = 2**20
"""Bytes without access: no index of the tests goes further beyond an array."""
_NO_ACCESS = 0  # PROT_NONE
_C = ctypes.CDLL(None, use_errno=True)


class Guarded(np.ndarray):
    """An array, or a part of one, whose copies end at such a page, too."""

    def copy(self, order: Any = "C") -> Any:
        return array(self)


def empty(shape: Any, dtype: Any = np.float64) -> Any:
    size = np.dtype(dtype).itemsize * int(np.prod(shape))
    length = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, length + GUARD)
    memory.write(b"\xff" * length)
    guard = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + length
    if _C.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(GUARD), _NO_ACCESS):
        raise OSError(ctypes.get_errno(), "mprotect")
    return Guarded(shape, dtype, buffer=memory, offset=length - size)


def full(shape: Any, value: Any, dtype: Any = np.float64) -> Any:
    made = empty(shape, dtype)
    made[...] = value
    return made


def zeros(shape: Any, dtype: Any = np.float64) -> Any:
    return full(shape, 0, dtype)


def array(values: Any, dtype: Any = None) -> Any:
    values = np.asarray(values, dtype)
    return full(values.shape, values, values.dtype)


asarray = array  # as from the memory of the host to a GPU's, there is always a copy
