"""cuBLAS's product of stacked matrices in column-major order, by NumPy on the memory of the CPU."""

import ctypes
from typing import Any

import numpy as np


def sgemm_strided_batched(
    handle: int, transa: int, transb: int, m: int, n: int, k: int, alpha: int,
    a: int, lda: int, stride_a: int, b: int, ldb: int, stride_b: int, beta: int,
    c: int, ldc: int, stride_c: int, count: int,
) -> None:  # fmt: skip
    """Do what cublasSgemmStridedBatched does, called as CuPy has it: every pointer is a number.

        C_r <- alpha op(A_r) op(B_r) + beta C_r

    with entry (i, j) of A_r at a + r stride_a + i + j lda; likewise of B and C.  Of C, which is not
    read where beta is 0, as of alpha and beta, these are addresses of float32.
    """
    numbers = (transa, transb, m, n, k, lda, stride_a, ldb, stride_b, ldc, stride_c, count)
    assert all(type(number) is int for number in numbers), numbers
    assert {transa, transb} <= {0, 1}
    left = _stack(a, (k, m) if transa else (m, k), lda, stride_a, count)
    right = _stack(b, (n, k) if transb else (k, n), ldb, stride_b, count)
    out = _stack(c, (m, n), ldc, stride_c, count)
    left = left.swapaxes(1, 2) if transa else left
    right = right.swapaxes(1, 2) if transb else right
    old = _scalar(beta) * out if _scalar(beta) else np.float32(0)
    out[:] = _scalar(alpha) * np.matmul(left, right) + old


def _stack(address: int, shape: tuple[int, int], leading: int, stride: int, count: int) -> Any:
    """Return matrices in column-major order; here they may not overlap."""
    rows, columns = shape
    assert leading >= rows
    size = (columns - 1) * leading + rows
    assert stride >= size
    length = (count - 1) * stride + size
    memory = np.ctypeslib.as_array((ctypes.c_float * length).from_address(address))
    steps = (4 * stride, 4, 4 * leading)
    return np.lib.stride_tricks.as_strided(memory, (count, rows, columns), steps)


def _scalar(address: int) -> np.float32:
    return np.float32(ctypes.c_float.from_address(address).value)
