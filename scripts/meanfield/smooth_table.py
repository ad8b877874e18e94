"""Tables of the orbit means of smooth neurons: made from exact values, and checked against them.

In each cell G is the polynomial through its values at Chebyshev's points, ends included, so that
features are continuous. The values of all b and x of one rho are a matrix product,

    F = sigma(b) + rho^2 sum_k m_k [sigma''(b + rho w_k) + sigma''(b - rho w_k)] T(w_k, x),

over the fixed levels w_k of `meanfield.smooth_mean`.
"""

import numpy as np
from numpy.typing import NDArray

from meanfield.overshoot import FARTHEST, Projection
from meanfield.overshoot_kernel import fast_overshoot
from meanfield.overshoot_table import TabulatedOvershoot, share_edges, tabulate_overshoot
from meanfield.smooth_kernel import KINDS, fill_smooth_grid
from meanfield.smooth_mean import REACH, Smooth, SmoothMean, find_halvings
from meanfield.tabulated_mean import SmoothTable, TabulatedOrbitMean
from meanfield.units import Units

Floats = NDArray[np.float64]

VALUE_ERROR = 1e-9
"""Bound on the error of E sigma(b + rho S) that a table keeps; if sigma grows, times 1 + rho."""

SLOPE_ERROR = 1e-7
"""Bound on the errors of its derivatives in b, rho_1 and rho_2."""

OFFSET_DEGREE, SPREAD_DEGREE, SHARE_DEGREE = 7, 7, 6
"""Degrees in beta, p and x."""

_BEND = {"Tanh": 1.0, "Erf": 0.7, "Sigmoid": 2.0, "Softplus": 2.0, "GELU": 1.0}
_PER_UNIT = {"Tanh": 4.0, "Erf": 2.5, "Sigmoid": 4.0, "Softplus": 3.0, "GELU": 2.5}
"""Cells per unit of beta: where the poles of sigma allow no wider ones."""

_SPREAD_CELLS = 16
_SHARE_CELLS = (2, 4, 8, 16)
"""Cells of x, tried in turn: the lower the spheres, the finer."""

_SAMPLES = 1500  # for the errors, anywhere
_BESIDE = np.array([-0.4, -0.15, -0.05, 0.0, 0.05, 0.2])  # and from the ends of the parts of S


def tabulate_mean(
    activation: Smooth, dimensions: tuple[float, ...], *, biased: bool
) -> TabulatedOrbitMean | SmoothMean:
    """Return the orbit mean of a smooth neuron, as a table if one can keep its bounds.

    Args:
        activation: sigma.
        dimensions: those of `Projection`.
        biased: whether the neurons have an offset b; if not, the table is for b = 0 alone.

    Returns:
        A table whose errors were measured between its nodes, beside the lines where F bends most
        too, or the exact mean: on spheres of low dimension, up to about 10, F has kinks as rho
        grows, which no polynomial follows.
    """
    overshoot, projection = tabulate_overshoot(dimensions), Projection(dimensions)
    exact = SmoothMean(activation, overshoot)
    if not isinstance(overshoot, TabulatedOvershoot):
        return exact
    for share_cells in (1,) if projection.flat else _SHARE_CELLS:
        # As rho grows F becomes T, or its slope, and needs as many.
        if share_cells < min(overshoot.coefficients.shape[1], _SHARE_CELLS[-1]):
            continue
        found = _tabulated(exact, projection, share_cells, biased)
        errors = found.table.value_error / VALUE_ERROR, found.table.slope_error / SLOPE_ERROR
        # The samples are many, not all there is, hence the margin of 2.
        if max(errors) <= 0.5:
            return found
    return exact


def _tabulated(
    exact: SmoothMean, projection: Projection, share_cells: int, biased: bool
) -> TabulatedOrbitMean:
    """Interpolate G with a number of cells, and measure the errors between the nodes."""
    kind = type(exact.activation).__name__
    bend, per_unit = _BEND[kind], _PER_UNIT[kind]
    cells = int(np.ceil(max(FARTHEST, REACH[kind] / bend) * per_unit)) if biased else 1
    eta = _chebyshev(OFFSET_DEGREE if biased else 0)
    t = (1 + _chebyshev(SPREAD_DEGREE)) / 2
    xi = _chebyshev(0 if projection.flat else SHARE_DEGREE)
    edges = share_edges(share_cells)
    axes = (
        (np.arange(_SPREAD_CELLS)[:, None] + t) / _SPREAD_CELLS,
        (np.arange(cells)[:, None] + (1 + eta) / 2) / per_unit if biased else np.zeros((1, 1)),
        edges[:-1, None] + np.diff(edges)[:, None] * (1 + xi) / 2,
    )
    # Neighboring cells share their ends: each value is made once.
    (p, at_p), (beta, at_beta), (x, at_x) = (
        np.unique(np.round(axis, 14), return_inverse=True) for axis in axes
    )
    values = _remainders(exact, projection, bend, p, beta, x)
    grid = np.ix_(np.ravel(at_p), np.ravel(at_beta), np.ravel(at_x))
    values = values[grid].reshape(_SPREAD_CELLS, len(t), cells, len(eta), share_cells, len(xi))
    # The monomials through the points of each cell.
    to_t, to_eta, to_xi = (np.linalg.inv(np.vander(each, increasing=True)) for each in (t, eta, xi))
    found = np.einsum("nscbym,is,lb,km->ncykil", values, to_t, to_eta, to_xi, optimize=True)
    coefficients = np.zeros((found.shape[0], cells + 1, *found.shape[2:]))
    coefficients[:, :-1] = found
    # At rho = 0 nothing depends on x: no rounding may be left, which 1 / rho would magnify.
    coefficients[0, :, :, 1:, 0, :] = 0.0
    made = TabulatedOrbitMean(exact.activation, SmoothTable(coefficients, per_unit, bend, 0.0, 0.0))
    value_error, slope_error = _errors(made, exact, projection, biased)
    table = made.table._replace(value_error=value_error, slope_error=slope_error)
    return TabulatedOrbitMean(exact.activation, table)


def _chebyshev(degree: int) -> Floats:
    """Return the points where a Chebyshev polynomial is extreme in [-1, 1], increasing."""
    return -np.cos(np.pi * np.arange(degree + 1) / degree) if degree else np.zeros(1)


def _remainders(
    exact: SmoothMean, projection: Projection, bend: float, p: Floats, beta: Floats, x: Floats
) -> Floats:
    """Return G on a grid, shape (p, beta, x)."""
    sigma, fixed = exact.activation, exact.fixed_nodes
    kind = type(sigma).__name__
    low, high = sigma.limits
    grows = np.isinf(high)
    over = exact.mean_overshoot.overshoot(*np.broadcast_arrays(fixed.levels[:, None], x))[0]
    spheres = len(projection.dimensions)
    directions = np.sqrt(np.stack([x, 1 - x], axis=1)) if spheres == 2 else np.ones((1, 1))
    values = np.empty((len(p), len(beta), len(x)))
    for place, spread in enumerate(p):
        if spread == 1:  # rho is infinite, and sigma two half-lines
            end = fast_overshoot(projection, beta[:, None], x)
            values[place] = end.value if grows else (high - low) * end.level
            continue
        length = bend / (1 - spread)
        rho, offset = float(np.sqrt(length**2 - bend**2)), length * beta
        halvings = find_halvings(sigma, rho)
        if halvings < len(fixed.starts) - 1:
            some = slice(fixed.starts[halvings], fixed.starts[halvings + 1])
            mean = np.repeat(sigma(offset)[:, None], len(x), axis=1)
            nodes = fixed.levels[some], fixed.masses[some]
            fill_smooth_grid(mean, offset, rho, KINDS.index(kind), REACH[kind], nodes, over[some])
        else:
            radii = np.full((len(beta), spheres), rho)
            units = Units(np.ones(len(beta)), offset, radii, True)
            mean = exact.evaluate(units, directions, gradients=False)[0]
        values[place] = (mean - offset[:, None]) / length if grows else mean - high
    return values


def _errors(
    made: TabulatedOrbitMean, exact: SmoothMean, projection: Projection, biased: bool
) -> tuple[float, float]:
    """Return the largest errors of values and of derivatives at many (b, rho, x)."""
    bend, spheres = made.table.bend, len(projection.dimensions)
    shares = made.table.coefficients.shape[2]
    parts = [_anywhere(bend)]
    if biased:
        parts.append(_beside_the_ends(projection, bend, shares))
    rho, offset, x = np.concatenate(parts, axis=1)
    directions = np.stack([np.sqrt(x), np.sqrt(1 - x)], axis=1) if spheres == 2 else np.ones((1, 1))
    units = Units(np.ones(len(rho)), offset * biased, rho[:, None] * directions, biased)
    scales = np.ones((1, spheres))
    growth = 1 + rho[:, None] * np.isinf(exact.activation.limits[1])
    pairs = zip(
        made.evaluate(units, scales, gradients=True),
        exact.evaluate(units, scales, gradients=True),
        strict=True,
    )
    values, slopes = (mine - theirs for mine, theirs in pairs)
    slopes = slopes[..., 1:] if biased else slopes  # the first, that in a, is the value again
    return float(np.max(np.abs(values) / growth)), float(np.max(np.abs(slopes)))


def _anywhere(bend: float) -> Floats:
    """Draw (rho, b, x) of all scales of rho, shape (3, samples)."""
    generator = np.random.default_rng(0)
    rho = np.exp(generator.uniform(-5, 4, _SAMPLES)) * bend
    offset = np.hypot(bend, rho) * generator.normal(0, 2, _SAMPLES)
    return np.stack([rho, offset, np.cos(np.pi / 2 * generator.uniform(0, 1, _SAMPLES)) ** 2])


def _beside_the_ends(projection: Projection, bend: float, share_cells: int) -> Floats:
    """Return (rho, b, x) where S is at the ends of its parts, shape (3, samples).

    With A = sqrt(n_1 x) and B = sqrt(n_2 (1 - x)), the largest values of the parts, the density of
    S is singular at |A - B| and A + B, the more so the lower a sphere and the nearer x is to 0 or
    1, where the two meet; as rho grows F follows it. So all cells of x and p are tested there.
    """
    # No mean is seen to end beyond FARTHEST; a sphere alone is the first of two.
    first, second = np.minimum([*projection.dimensions, 0.0][:2], 2 * FARTHEST**2)
    edges = share_edges(share_cells)
    xi = np.array([-0.98, -0.9, -0.5, 0.1, 0.7, 0.95])
    x = (edges[:-1, None] + np.diff(edges)[:, None] * (1 + xi) / 2).ravel()
    x = np.ones(1) if projection.flat else x
    p = (np.arange(_SPREAD_CELLS)[:, None] + np.array([0.1, 0.5, 0.93])).ravel() / _SPREAD_CELLS
    rho = bend * np.sqrt((1 / (1 - p)) ** 2 - 1)
    a, b = np.sqrt(first * x), np.sqrt(second * (1 - x))
    ends = np.concatenate([a + b, np.abs(a - b)])
    w = np.minimum(np.abs(ends[:, None] + _BESIDE), FARTHEST)
    x = np.broadcast_to(np.tile(x, 2)[:, None], w.shape)
    shape = (len(rho), *w.shape)
    found = rho[:, None, None], rho[:, None, None] * w, x
    return np.stack([np.broadcast_to(each, shape).ravel() for each in found])
