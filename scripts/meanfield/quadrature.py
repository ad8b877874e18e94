"""Quadrature rules on the line: Gauss-Legendre, and Gauss rules for lengths and directions."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.special import roots_legendre

Floats = NDArray[np.float64]


class Rule(NamedTuple):
    """A quadrature rule: E h(X) ~ sum_q weights[q] h(nodes[q]), weights summing to 1."""

    nodes: Floats
    weights: Floats


def gauss_legendre(count: int) -> Rule:
    """Gauss-Legendre rule of the uniform law on (0, 1).

    Args:
        count: number of nodes.

    Returns:
        The rule, nodes increasing.
    """
    _check_count(count)
    nodes, weights = _legendre(count)
    return Rule((1 + nodes) / 2, weights / weights.sum())


def chi(dimension: int, count: int) -> Rule:
    """Gauss rule in chi^2 / 2 for a chi variable with d degrees of freedom.

    X^2/2 has the Gamma(d/2) law, whose orthogonal polynomials (generalised Laguerre, with
    alpha = d/2 - 1) have the recurrence a_n = 2n + alpha + 1, b_n = sqrt(n (n + alpha)). The nodes
    are the eigenvalues of that tridiagonal matrix (Golub and Welsch 1969), and the weights of the
    *normalised* law are the squares of the first components of its eigenvectors, so no Gamma
    function of d can overflow.

    Args:
        dimension: degrees of freedom d >= 1.
        count: number of nodes.

    Returns:
        The rule for X = ||g||, g standard normal in R^d, nodes increasing.

    Raises:
        ValueError: if the dimension or the count is below 1.
    """
    _check_count(count)
    if dimension < 1:
        raise ValueError(f"a chi variable needs dimension >= 1, got {dimension}")
    alpha = dimension / 2 - 1
    index = np.arange(count, dtype=np.float64)
    diagonal = 2 * index + alpha + 1
    off_diagonal = np.sqrt(index[1:] * (index[1:] + alpha))
    eigenvalues, vectors = eigh_tridiagonal(diagonal, off_diagonal)
    weights = vectors[0] ** 2
    return Rule(np.sqrt(2 * np.maximum(eigenvalues, 0.0)), weights / weights.sum())


def gegenbauer(dimension: int, count: int) -> Rule:
    """Gauss rule of V = sqrt(d) U, U the first coordinate of a uniform point of S^(d-1).

    Its orthogonal polynomials (Gegenbauer, lambda = d/2 - 1) have the recurrence a_n = 0,
    b_n^2 = d n (n + 2 lambda - 1) / (4 (n + lambda) (n + lambda - 1)); nodes and weights as in
    `chi`.

    Args:
        dimension: d >= 3.
        count: number of nodes.

    Returns:
        The rule, nodes increasing and symmetric.

    Raises:
        ValueError: if the dimension is below 3 or the count below 1.
    """
    _check_count(count)
    if dimension < 3:
        raise ValueError(f"a Gegenbauer rule needs dimension >= 3, got {dimension}")
    shape, n = dimension / 2 - 1, np.arange(1, count, dtype=np.float64)
    square = dimension * n * (n + 2 * shape - 1) / (4 * (n + shape) * (n + shape - 1))
    nodes, vectors = eigh_tridiagonal(np.zeros(count), np.sqrt(square))
    weights = np.asarray(vectors[0], dtype=np.float64) ** 2
    return Rule(np.asarray(nodes, dtype=np.float64), weights / weights.sum())


@lru_cache(maxsize=32)
def _legendre(count: int) -> tuple[Floats, Floats]:
    """Return nodes and weights on (-1, 1), which take O(n^2): 20 ms for 800."""
    nodes, weights = roots_legendre(count)
    return nodes, weights


def _check_count(count: int) -> None:
    if count < 1:
        raise ValueError(f"a quadrature rule needs at least 1 node, got {count}")
