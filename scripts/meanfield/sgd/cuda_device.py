"""The device that runs the CUDA kernels of SGD, through CuPy."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from meanfield import gpu_memory
from meanfield.sgd.cuda_kernels import Variant
from meanfield.sgd.cuda_product import Product

Launch = Callable[[tuple[int, int], tuple[Any, ...]], None]
"""A compiled kernel, called as launch(grid, arguments) with arrays and NumPy scalars."""

_FLOAT = 4
"""Bytes of a number."""


class Device(Protocol):
    """What runs kernels and holds arrays.

    Attributes:
        xp: namespace of its arrays, with the functions of NumPy.
        exact: pairs of products that were seen to keep all bits of float32.
    """

    xp: Any
    exact: set[tuple[Product, Product]]

    def compile(self, variant: Variant) -> Launch:
        """Return a kernel."""

    def multiply(
        self,
        product: Product,
        left: Any,
        right: Any,
        out: Any,
        *,
        left_start: int = 0,
        right_start: int = 0,
    ) -> None:
        """Compute products of stacked matrices in float32, with all of its bits.

        Args:
            product: of `stacked_product`, for the shapes of the stacks.
            left: float32, in row-major order, as are the others.
            right: float32.
            out: changed; shares no memory with the others.
            left_start: numbers before the stack in ``left``: quicker than a view of a part of it.
            right_start: the same in ``right``.
        """

    def is_exhausted(self, error: Exception) -> bool:
        """Say whether an exception means that there is not enough memory."""

    def free_bytes(self) -> int:
        """Return how much memory can be had."""

    def to_host(self, array: Any) -> npt.NDArray[Any]:
        """Return a copy of an array, once all that computes it is done."""


class CupyDevice:
    """CuPy's current device."""

    def __init__(self) -> None:
        import cupy  # absent where there is no GPU

        self.xp = cupy
        # Of which cuBLAS takes the addresses, in the host's memory.
        self._factors = np.array([0.0, 1.0], dtype=np.float32)
        self._zero = self._factors.ctypes.data  # finding it takes as long as a call of cuBLAS
        self._one = self._zero + self._factors.itemsize
        self.exact: set[tuple[Product, Product]] = set()

    def compile(self, variant: Variant) -> Launch:
        """Return a kernel; CuPy keeps what NVRTC made of it on disk."""
        module = self.xp.RawModule(
            code=variant.source(), options=variant.options(), backend="nvrtc"
        )
        function = module.get_function(variant.function)

        def launch(grid: tuple[int, int], arguments: tuple[Any, ...]) -> None:
            function(grid, (variant.threads,), arguments)

        return launch

    def multiply(
        self,
        product: Product,
        left: Any,
        right: Any,
        out: Any,
        *,
        left_start: int = 0,
        right_start: int = 0,
    ) -> None:
        """Compute products of stacked matrices by one call of cuBLAS, on CuPy's current stream.

        Source: cuBLAS library, cublasSgemmStridedBatched, cublasSetMathMode, cublasSetPointerMode.
        """
        cublas, handle = self.xp.cuda.cublas, self.xp.cuda.get_cublas_handle()
        # The handle is all CuPy's: others may have left it to round to TF32, or to look for factors
        # on the device.
        cublas.setMathMode(handle, cublas.CUBLAS_DEFAULT_MATH)
        cublas.setPointerMode(handle, cublas.CUBLAS_POINTER_MODE_HOST)
        cublas.sgemmStridedBatched(
            handle, product.transpose_a, product.transpose_b, product.m, product.n, product.k,
            self._one, right.data.ptr + _FLOAT * right_start, product.leading_a, product.stride_a,
            left.data.ptr + _FLOAT * left_start, product.leading_b, product.stride_b,
            self._one if product.beta else self._zero,
            out.data.ptr, product.leading_c, product.stride_c, product.number,
        )  # fmt: skip

    def is_exhausted(self, error: Exception) -> bool:
        """Say whether an exception means that there is not enough memory."""
        return gpu_memory.is_exhausted(error)

    def free_bytes(self) -> int:
        """Return how much memory can be had."""
        return gpu_memory.free_bytes(self.xp)

    def to_host(self, array: Any) -> npt.NDArray[Any]:
        """Return a copy of an array, once all that computes it is done."""
        return np.asarray(self.xp.asnumpy(array))
