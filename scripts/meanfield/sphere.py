"""The first coordinate U of a uniform point of the sphere S^(d-1): its tails and partial moments.

U^2 has the law Beta(1/2, (d-1)/2). With V = sqrt(d) U of variance 1, everything has a limit as d
tends to infinity, where V is standard normal; d = inf is that limit.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, betaln, ndtr

Floats = NDArray[np.float64]


def tail(cut: Floats, dimension: int) -> Floats:
    """Return P(U > cut), elementwise, for -1 <= cut <= 1 and d >= 2."""
    square, shape = cut**2, (dimension - 1) / 2
    # Each branch takes the argument that is small, so that neither end loses digits: 1 - u^2 has
    # forgotten a small u, and I_x has a square root singularity there.
    small = square < 0.5
    upper = np.empty_like(square)
    upper[small] = 0.5 * betaincc(0.5, shape, square[small])
    large = np.abs(cut[~small])
    upper[~small] = 0.5 * betainc(shape, 0.5, (1 - large) * (1 + large))
    return np.where(cut < 0, 1 - upper, upper)


def moment(cut: Floats, dimension: int) -> Floats:
    """Return E[U; U > cut] = (1 - cut^2)^((d-1)/2) / ((d-1) B(1/2, (d-1)/2)), elementwise."""
    shape = (dimension - 1) / 2
    size = np.abs(cut)
    return ((1 - size) * (1 + size)) ** shape * np.exp(-betaln(0.5, shape)) / (2 * shape)


def moment_between(below: Floats, above: Floats, width: Floats, dimension: int) -> Floats:
    """Return E[U; below < U <= above], given width = above - below where neither cut is clipped.

    The difference of two moments cancels when both cuts are near 0, so it is taken as one moment
    times 1 - ((1 - above^2) / (1 - below^2))^((d-1)/2), formed from the width.
    """
    inner = np.where(np.abs(below) < np.abs(above), below, above)
    outer_size = np.maximum(np.abs(below), np.abs(above))
    share = np.minimum(width * np.abs(below + above) / ((1 - inner) * (1 + inner)), 1.0)
    share = np.where(outer_size >= 1, 1.0, share)
    drop = -np.expm1((dimension - 1) / 2 * np.log1p(-share))
    return np.sign(above + below) * moment(inner, dimension) * drop


def scaled_tail(v: Floats, dimension: float) -> Floats:
    """Return P(V > v) for V = sqrt(d) U, elementwise, for any v; d >= 2 or inf."""
    if np.isinf(dimension):
        return ndtr(-v)
    return tail(np.clip(v / np.sqrt(dimension), -1.0, 1.0), int(dimension))


def scaled_moment(v: Floats, dimension: float) -> Floats:
    """Return E[V; V > v] for V = sqrt(d) U, elementwise, for any v; d >= 2 or inf."""
    if np.isinf(dimension):
        return np.exp(-0.5 * v * v) / np.sqrt(2 * np.pi)
    root = np.sqrt(dimension)
    return root * moment(np.clip(v / root, -1.0, 1.0), int(dimension))


def scaled_density(v: Floats, dimension: float) -> Floats:
    """Return the density of V = sqrt(d) U, elementwise: 0 where |V| cannot reach; d >= 2 or inf."""
    if np.isinf(dimension):
        return np.exp(-0.5 * v * v) / np.sqrt(2 * np.pi)
    size = np.abs(v) / np.sqrt(dimension)
    # d = 3: the uniform law, whose density is 1 / (2 sqrt 3) up to the ends.
    with np.errstate(divide="ignore", invalid="ignore"):
        height = ((1 - size) * (1 + size)) ** ((dimension - 3) / 2)
    scale = np.exp(-betaln(0.5, (dimension - 1) / 2)) / np.sqrt(dimension)
    return np.where(size <= 1, height * scale, 0.0)
