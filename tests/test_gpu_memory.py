"""A GPU's memory is known to be exhausted from whatever runs out of it, and how much there is."""

import sys

import pytest

from fake_cupy import MEMORY, fake_cupy
from meanfield.gpu_memory import free_bytes, held_bytes, is_exhausted
from meanfield.sgd.cuda_device import CupyDevice


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OutOfMemoryError", "Out of memory allocating 512 bytes (allocated so far: 1,024 bytes)."),
        ("CUDARuntimeError", "cudaErrorMemoryAllocation: out of memory"),
        ("CUDADriverError", "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        ("CUBLASError", "CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_cupy_s_errors_of_memory_are_known(name: str, text: str) -> None:
    assert is_exhausted(type(name, (RuntimeError,), {})(text))


@pytest.mark.parametrize(
    "error",
    [
        type("CUDADriverError", (RuntimeError,), {})("CUDA_ERROR_INVALID_VALUE: invalid argument"),
        type("CUBLASError", (RuntimeError,), {})("CUBLAS_STATUS_EXECUTION_FAILED"),
        MemoryError("of the computer"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_others_are_not(error: Exception) -> None:
    assert not is_exhausted(error)


def test_what_the_pool_keeps_is_free_for_all() -> None:
    cupy = fake_cupy()
    pool = cupy.get_default_memory_pool()
    assert free_bytes(cupy) == MEMORY - pool.used
    assert pool.kept == 0
    assert held_bytes(cupy) == pool.used


def test_sgd_asks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = fake_cupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    device = CupyDevice()
    assert device.free_bytes() == free_bytes(cupy)
    assert device.is_exhausted(type("CUBLASError", (Exception,), {})("CUBLAS_STATUS_ALLOC_FAILED"))
    assert not device.is_exhausted(MemoryError("of the computer"))
