"""The memory of a GPU: when it is exhausted, and how much of it there is."""

from typing import Any

_NO_MEMORY = (
    "OutOfMemoryError Out of memory allocating",
    "CUDARuntimeError cudaErrorMemoryAllocation",
    "CUDADriverError CUDA_ERROR_OUT_OF_MEMORY",
    "CUBLASError CUBLAS_STATUS_ALLOC_FAILED",
)
"""Names and messages of CuPy's errors when memory runs out: in its pool, or outside of it."""


def is_exhausted(error: BaseException) -> bool:
    """Say whether an exception means that a GPU has not enough memory.

    CuPy's pool says so by a MemoryError of its own; driver, runtime and cuBLAS, which take memory
    for kernels and workspaces, by a status.
    """
    return f"{type(error).__name__} {error}".startswith(_NO_MEMORY)


def free_bytes(cupy: Any) -> int:
    """Return how much memory can be had on the current device.

    CuPy's pool first gives back what no array is in: driver and cuBLAS can only have the rest, and
    so can other processes.

    Args:
        cupy: the module.
    """
    cupy.get_default_memory_pool().free_all_blocks()
    free, _ = cupy.cuda.Device().mem_info
    return int(free)


def held_bytes(cupy: Any) -> int:
    """Return how much memory arrays take on the current device.

    Args:
        cupy: the module.
    """
    return int(cupy.get_default_memory_pool().used_bytes())
