import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from column_major import sgemm_strided_batched
from cuda_host import HostDevice
from meanfield.sgd.cuda_product import stacked_product

SIZES = st.integers(1, 7)


@given(SIZES, SIZES, SIZES, SIZES, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 99))
def test_a_stacked_product_is_that_of_numpy(
    count, rows, inner, columns, left_transposed, right_transposed, accumulate, seed
):
    """Of small whole numbers, which float32 multiplies and adds without rounding."""
    draw = np.random.default_rng(seed)
    left, right, out = (
        draw.integers(-9, 10, shape).astype(np.float32)
        for shape in ((count, rows, inner), (count, inner, columns), (count, rows, columns))
    )
    expected = np.matmul(left, right) + out * accumulate
    given_left = np.ascontiguousarray(left.swapaxes(1, 2)) if left_transposed else left
    given_right = np.ascontiguousarray(right.swapaxes(1, 2)) if right_transposed else right
    if not accumulate:
        out.fill(np.nan)
    product = stacked_product(
        given_left.shape, given_right.shape, left_transposed=left_transposed,
        right_transposed=right_transposed, accumulate=accumulate,
    )  # fmt: skip
    HostDevice().multiply(product, given_left, given_right, out)
    assert np.array_equal(out, expected)


def test_products_on_a_device_are_those_of_numpy(device):
    """On a GPU, too, with the shapes of blocked SGD: 32 samples, and a length that is not even."""
    draw, xp = np.random.default_rng(1), device.xp
    x, theta, out = (
        draw.integers(-9, 10, shape).astype(np.float32)
        for shape in ((3, 32, 45), (3, 70, 45), (3, 32, 70))
    )
    hidden, moved = xp.array(out), xp.array(theta)
    first = stacked_product(x.shape, theta.shape, right_transposed=True)
    device.multiply(first, xp.asarray(x), moved, hidden)
    expected = np.matmul(x, theta.swapaxes(1, 2))
    assert np.array_equal(device.to_host(hidden), expected)
    second = stacked_product(out.shape, x.shape, left_transposed=True, accumulate=True)
    device.multiply(second, xp.asarray(out), xp.asarray(x), moved)
    assert np.array_equal(device.to_host(moved), theta + np.matmul(out.swapaxes(1, 2), x))


def test_what_the_stand_in_of_cublas_computes():
    """By the formula of cuBLAS's manual, entry by entry, with gaps between columns and matrices."""
    draw = np.random.default_rng(2)
    a, b, c = (draw.integers(-9, 10, 60).astype(np.float32) for _ in range(3))
    old, factors = c.copy(), np.array([2.0, 3.0], np.float32)
    m, n, k, count, lda, ldb, ldc = 3, 4, 2, 2, 4, 5, 6
    sgemm_strided_batched(
        1, 1, 0, m, n, k, factors.ctypes.data, a.ctypes.data, lda, 25, b.ctypes.data, ldb, 30,
        factors[1:].ctypes.data, c.ctypes.data, ldc, 31, count,
    )  # fmt: skip
    for r in range(count):
        for i in range(m):
            for j in range(n):
                # op(A) = A^T, so A is k x m.
                product = sum(a[25 * r + p + i * lda] * b[30 * r + p + j * ldb] for p in range(k))
                at = 31 * r + i + j * ldc
                assert c[at] == 2 * product + 3 * old[at]
                old[at] = c[at]
    assert np.array_equal(c, old)


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3, 4), (2, 5, 6)), ((2, 3, 4), (1, 4, 6)), ((2, 0, 4), (2, 4, 6))]
)
def test_shapes_that_do_not_fit_are_refused(left, right):
    with pytest.raises(ValueError, match="no product of matrices stacked as"):
        stacked_product(left, right)


def test_a_wrong_leading_dimension_is_seen():
    """The stand-in is to fail, or the tests above would show nothing."""
    draw = np.random.default_rng(6)
    left, right = (draw.normal(size=shape).astype(np.float32) for shape in ((2, 3, 4), (2, 4, 5)))
    product = stacked_product(left.shape, right.shape)
    expected, out = np.empty((2, 3, 5), np.float32), np.empty((2, 3, 5), np.float32)
    HostDevice().multiply(product, left, right, expected)
    for name in ("leading_a", "leading_b", "leading_c", "stride_a", "m", "n", "k", "transpose_a"):
        for change in (-1, 1):
            wrong = product._replace(**{name: getattr(product, name) + change})
            try:
                HostDevice().multiply(wrong, left, right, out)
            except AssertionError:
                continue
            assert not np.array_equal(out, expected)


def test_cublas_is_called_with_numbers_and_without_tf32(monkeypatch):
    """What CuPy's function takes in 14.2: handle, 0 or 1 twice, m, n, k, &alpha, A, ..."""
    calls, modes, pointer_modes = [], [], []
    cublas = SimpleNamespace(
        CUBLAS_DEFAULT_MATH=0,
        CUBLAS_POINTER_MODE_HOST=0,
        setMathMode=lambda handle, mode: modes.append((handle, mode)),
        setPointerMode=lambda handle, mode: pointer_modes.append((handle, mode)),
        sgemmStridedBatched=lambda *arguments: calls.append(arguments),
    )
    cuda = SimpleNamespace(cublas=cublas, get_cublas_handle=lambda: 17)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    from meanfield.sgd.cuda_device import CupyDevice

    def at(address):
        return SimpleNamespace(data=SimpleNamespace(ptr=address))

    device = CupyDevice()
    product = stacked_product((9, 32, 40), (9, 800, 40), right_transposed=True)
    device.multiply(product, at(1000), at(2000), at(3000))
    device.multiply(product._replace(beta=1), at(1000), at(2000), at(3000))
    device.multiply(product, at(1000), at(2000), at(3000), left_start=7, right_start=5)
    zero = device._factors.ctypes.data
    one = zero + 4
    expected = (
        17, 1, 0, 800, 32, 40, one, 2000, 40, 32_000, 1000, 40, 1280, zero, 3000, 800, 25_600, 9
    )  # fmt: skip
    moved = (*expected[:7], 2020, *expected[8:10], 1028, *expected[11:])
    assert calls == [expected, (*expected[:13], one, *expected[14:]), moved]
    assert device._factors.tolist() == [0, 1]
    assert modes == pointer_modes == [(17, 0)] * 3
