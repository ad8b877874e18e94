"""The device that runs the CUDA kernels of SGD, through CuPy."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from meanfield import gpu_memory
from meanfield.sgd.cuda_kernels import Variant

Launch = Callable[[tuple[int, int], tuple[Any, ...]], None]
"""A compiled kernel, called as launch(grid, arguments) with arrays and NumPy scalars."""


class Device(Protocol):
    """What runs kernels and holds arrays.

    Attributes:
        xp: namespace of its arrays, with the functions of NumPy.
    """

    xp: Any

    def compile(self, variant: Variant) -> Launch:
        """Return a kernel."""

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

    def compile(self, variant: Variant) -> Launch:
        """Return a kernel; CuPy keeps what NVRTC made of it on disk."""
        module = self.xp.RawModule(
            code=variant.source(), options=variant.options(), backend="nvrtc"
        )
        function = module.get_function(variant.function)

        def launch(grid: tuple[int, int], arguments: tuple[Any, ...]) -> None:
            function(grid, (variant.threads,), arguments)

        return launch

    def is_exhausted(self, error: Exception) -> bool:
        """Say whether an exception means that there is not enough memory."""
        return gpu_memory.is_exhausted(error)

    def free_bytes(self) -> int:
        """Return how much memory can be had."""
        return gpu_memory.free_bytes(self.xp)

    def to_host(self, array: Any) -> npt.NDArray[Any]:
        """Return a copy of an array, once all that computes it is done."""
        return np.asarray(self.xp.asnumpy(array))
