"""Products of stacked matrices, as cuBLAS takes them.

The arrays of this project are in row-major order.  cuBLAS takes every matrix to be in column-major
order, where the same memory holds the transposed matrix: so out = left right is asked for as
out^T = right^T left^T, right first, and no array is copied to be transposed.
"""

from typing import NamedTuple

Stack = tuple[int, int, int]
"""Shape of stacked matrices: how many, their rows and columns."""


class Product(NamedTuple):
    """C_r <- op(A_r) op(B_r) + beta C_r for r < number: arguments of cublasSgemmStridedBatched.

    Entry (i, j) of A_r is number r stride_a + i + j leading_a of the array a; likewise of B, C.

    Attributes:
        transpose_a: whether op(A) = A^T, not A, as 1 (CUBLAS_OP_T) or 0 (CUBLAS_OP_N).
        transpose_b: the same of B.
        m: rows of op(A) and C.
        n: columns of op(B) and C.
        k: columns of op(A), rows of op(B).
        leading_a: leading dimension of A, at least its rows.
        leading_b: of B.
        leading_c: of C.
        stride_a: from a matrix A_r to the next.
        stride_b: from B_r.
        stride_c: from C_r.
        beta: 1 to add to C, 0 to overwrite it.
        number: of products.
    """

    transpose_a: int
    transpose_b: int
    m: int
    n: int
    k: int
    leading_a: int
    leading_b: int
    leading_c: int
    stride_a: int
    stride_b: int
    stride_c: int
    beta: int
    number: int


def stacked_product(
    left: Stack,
    right: Stack,
    *,
    left_transposed: bool = False,
    right_transposed: bool = False,
    accumulate: bool = False,
) -> Product:
    """Return what computes  out_r <- left_r right_r  (+ out_r), r < number.

    Args:
        left: shape (number, rows, inner) of an array in row-major order.
        right: shape (number, inner, columns).
        left_transposed: the array holds left_r^T instead, (number, inner, rows).
        right_transposed: the array holds right_r^T instead, (number, columns, inner).
        accumulate: add to ``out``, (number, rows, columns).

    Raises:
        ValueError: the shapes do not fit.
    """
    number, rows, inner = _transposed(left) if left_transposed else left
    number_right, inner_right, columns = _transposed(right) if right_transposed else right
    if (number, inner) != (number_right, inner_right) or min(*left, *right) < 1:
        raise ValueError(
            f"no product of matrices stacked as {left}, transposed: {left_transposed}, and as "
            f"{right}, transposed: {right_transposed}"
        )
    # In column-major order the array of `right` is right^T unless it holds right^T: cuBLAS's A, of
    # which op(A) = right^T; and that of `left` its B.  A row of memory is a column of cuBLAS.
    return Product(
        transpose_a=int(right_transposed),
        transpose_b=int(left_transposed),
        m=columns,
        n=rows,
        k=inner,
        leading_a=right[2],
        leading_b=left[2],
        leading_c=columns,
        stride_a=right[1] * right[2],
        stride_b=left[1] * left[2],
        stride_c=rows * columns,
        beta=int(accumulate),
        number=number,
    )


def _transposed(shape: Stack) -> Stack:
    return shape[0], shape[2], shape[1]
