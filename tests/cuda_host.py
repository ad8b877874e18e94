"""A device for the CUDA kernels that is the CPU: the text of a kernel, compiled by g++ with a shim.

The threads of a block run as fibres, in an order that a seed draws (`cuda_shim/shim.h`). Arrays end
at memory that cannot be reached (`guarded_arrays`).
"""

import ctypes
import hashlib
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import guarded_arrays
from column_major import sgemm_strided_batched
from kernel_signature import check, parameters
from meanfield.sgd.cuda_device import CupyDevice, Launch
from meanfield.sgd.cuda_kernels import Variant
from meanfield.sgd.cuda_product import Product

SHIM = Path(__file__).with_name("cuda_shim")
_FOLDER = tempfile.TemporaryDirectory(prefix="cuda-shim-")
# Fortified, jumps from one stack to another would be taken for a mistake.
_COMPILER = ["g++", "-std=c++17", "-O1", "-fPIC", "-ffp-contract=off", "-w", f"-I{SHIM}"]
_COMPILER += ["-U_FORTIFY_SOURCE"]
_libraries: dict[str, ctypes.CDLL] = {}
GRID_LIMITS = (2**31 - 1, 65_535)
"""Blocks of threads in a row and a column of a grid, for every GPU of today."""


class DeadlockError(RuntimeError):
    """A barrier was not reached by all threads."""


class OutOfBoundsError(RuntimeError):
    """A thread reached for memory beyond an array."""


class _Index(ctypes.Structure):
    """`Index` of `shim.h`."""

    _fields_ = tuple((name, ctypes.c_uint) for name in "xyz")


class _Fault(ctypes.Structure):
    """`Fault` of `shim.h`."""

    _fields_ = (("address", ctypes.c_uint64), ("block", _Index), ("thread", _Index))


_DEADLOCK, _FAULT = 1, 2


def build(source: str, function: str, options: tuple[str, ...] = ()) -> Any:
    """Compile the text of a kernel; return launch_<function> of `shim.h`."""
    macros = [option for option in options if option.startswith("-D")]
    name = hashlib.sha256("\n".join([source, function, *macros]).encode()).hexdigest()[:16]
    if name not in _libraries:
        file = Path(_FOLDER.name) / f"{name}.cpp"
        library = file.with_suffix(".so")
        file.write_text(f'#include "shim.h"\n{source}\nEXPORT({function})\n')
        _compile("-shared", *macros, str(file), _fibres(), "-o", str(library))
        _libraries[name] = ctypes.CDLL(str(library))
    return getattr(_libraries[name], f"launch_{function}")


@cache
def _fibres() -> str:
    """Compile what all kernels share, once."""
    target = str(Path(_FOLDER.name) / "shim.o")
    _compile("-c", str(SHIM / "shim.cpp"), "-o", target)
    return target


def _compile(*arguments: str) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    command = [*_COMPILER, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Cublas:
    """CuPy's module of cuBLAS, as far as `CupyDevice` uses it, on the memory of the CPU."""

    CUBLAS_DEFAULT_MATH = 0
    CUBLAS_POINTER_MODE_HOST = 0

    def __init__(self) -> None:
        # CUBLAS_TF32_TENSOR_OP_MATH and CUBLAS_POINTER_MODE_DEVICE, left by somebody
        self.mode, self.pointer_mode = 3, 1

    def setMathMode(self, handle: int, mode: int) -> None:  # noqa: N802
        self.mode = mode

    def setPointerMode(self, handle: int, mode: int) -> None:  # noqa: N802
        self.pointer_mode = mode

    def sgemmStridedBatched(self, *arguments: Any) -> None:  # noqa: N802
        assert self.mode == self.CUBLAS_DEFAULT_MATH
        assert self.pointer_mode == self.CUBLAS_POINTER_MODE_HOST
        sgemm_strided_batched(*arguments)


class HostDevice:
    """The CPU in place of a GPU, for `meanfield.sgd.cuda`."""

    xp: Any = guarded_arrays

    def __init__(self, order: int = 1, free: int = 2**30) -> None:
        self.order, self.free = order, free
        self.launches: list[str] = []
        self.products: list[Product] = []
        cuda = SimpleNamespace(cublas=Cublas(), get_cublas_handle=lambda: 1)
        with patch.dict(sys.modules, {"cupy": SimpleNamespace(cuda=cuda)}):
            self._cupy = CupyDevice()
        self.exact = self._cupy.exact

    def compile(self, variant: Variant) -> Launch:
        return self.build(variant.source(), variant)

    def build(self, source: str, variant: Variant) -> Launch:
        function = build(source, variant.function, variant.options())
        expected = parameters(source, variant.function)

        def launch(grid: tuple[int, int], arguments: tuple[Any, ...]) -> None:
            self.launches.append(variant.function)
            check(expected, arguments)
            assert all(0 < size <= most for size, most in zip(grid, GRID_LIMITS, strict=True))
            held = [_argument(each) for each in arguments]
            pointers = (ctypes.c_void_p * len(held))(*(each.ctypes.data for each in held))
            fault = _Fault()
            code = function(
                pointers, *grid, variant.threads, ctypes.c_uint64(self.order), ctypes.byref(fault)
            )
            if code == _DEADLOCK:
                raise DeadlockError(variant.function)
            if code == _FAULT:
                names = [parameter.name for parameter in expected]
                raise OutOfBoundsError(_describe(variant.function, names, arguments, fault))

        return launch

    def multiply(
        self, product: Product, left: Any, right: Any, out: Any, **starts: int
    ) -> None:  # fmt: skip
        """Call CuPy's device, which finds the CPU's memory where a GPU's would be."""
        self.products.append(product)
        strides = {"left": product.stride_b, "right": product.stride_a, "out": product.stride_c}
        for name, array in (("left", left), ("right", right), ("out", out)):
            assert array.dtype == np.float32, name
            assert array.flags.c_contiguous, name
            size, start = product.number * strides[name], starts.get(f"{name}_start", 0)
            assert array.size % size == start % size == 0, name
            assert start < array.size, name
            assert array.ndim > 3 or array.size == size, name
        assert not np.shares_memory(out, left)
        assert not np.shares_memory(out, right)
        addresses = (_at_its_address(each) for each in (left, right, out))
        self._cupy.multiply(product, *addresses, **starts)

    def is_exhausted(self, error: Exception) -> bool:
        return isinstance(error, MemoryError)

    def free_bytes(self) -> int:
        return self.free

    def to_host(self, array: Any) -> Any:
        return np.array(array)


def _describe(kernel: str, names: list[str], arguments: tuple[Any, ...], fault: _Fault) -> str:
    """Say which thread reached beyond which array: the one that ends last before the address."""
    given = zip(names, arguments, strict=True)
    ends = {
        name: each.ctypes.data + each.nbytes for name, each in given if isinstance(each, np.ndarray)
    }
    before = {name: end for name, end in ends.items() if end <= fault.address}
    place = f"{kernel}, block ({fault.block.x}, {fault.block.y}), thread {fault.thread.x}"
    if not before:
        return f"{place}: address {fault.address:#x} is in no array"
    name = max(before, key=lambda each: before[each])
    return f"{place}: {fault.address - before[name]} bytes beyond the end of {name}"


def _at_its_address(array: Any) -> Any:
    return SimpleNamespace(data=SimpleNamespace(ptr=array.ctypes.data))


def _argument(value: Any) -> Any:
    """Return memory that holds an argument: a pointer, or a scalar of its exact type."""
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return np.array([value.ctypes.data], dtype=np.uint64)
    assert isinstance(value, np.generic), value
    return np.array([value])
