"""The device that runs the CUDA kernels of SGD, through CuPy."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from meanfield.sgd.cuda_kernels import Variant

Launch = Callable[[tuple[int, int], tuple[Any, ...]], None]
"""A compiled kernel, called as launch(grid, arguments) with arrays and NumPy scalars."""


class Device(Protocol):
    """What runs kernels and holds arrays.

    Attributes:
        xp: namespace of its arrays, with the functions of NumPy.
        exhausted: the exception that its allocator raises.
    """

    xp: Any
    exhausted: type[Exception]

    def compile(self, variant: Variant) -> Launch:
        """Return a kernel."""

    def free_bytes(self) -> int:
        """Return how much memory can be had."""

    def to_host(self, array: Any) -> npt.NDArray[Any]:
        """Return a copy of an array, once all that computes it is done."""


class CupyDevice:
    """CuPy's current device."""

    def __init__(self) -> None:
        import cupy  # absent where there is no GPU

        self.xp = cupy
        self.exhausted: type[Exception] = cupy.cuda.memory.OutOfMemoryError

    def compile(self, variant: Variant) -> Launch:
        """Return a kernel; CuPy keeps what NVRTC made of it on disk."""
        module = self.xp.RawModule(
            code=variant.source(), options=variant.options(), backend="nvrtc"
        )
        function = module.get_function(variant.function)

        def launch(grid: tuple[int, int], arguments: tuple[Any, ...]) -> None:
            function(grid, (variant.threads,), arguments)

        return launch

    def free_bytes(self) -> int:
        """Return the memory that the driver and CuPy's pool can give."""
        free, _ = self.xp.cuda.Device().mem_info
        return int(free) + int(self.xp.get_default_memory_pool().free_bytes())

    def to_host(self, array: Any) -> npt.NDArray[Any]:
        """Return a copy of an array, once all that computes it is done."""
        return np.asarray(self.xp.asnumpy(array))
