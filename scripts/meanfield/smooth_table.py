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
from meanfield.tabulated_mean import SmoothTable, TabulatedMean
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

_SAMPLES = 1500  # for the errors


def tabulate_mean(
    activation: Smooth, dimensions: tuple[float, ...], *, biased: bool
) -> TabulatedMean | SmoothMean:
    """Return the orbit mean of a smooth neuron, as a table if one can keep its bounds.

    Args:
        activation: sigma.
        dimensions: those of `Projection`.
        biased: whether the neurons have an offset b; if not, the table is for b = 0 alone.

    Returns:
        A table whose errors were measured between its nodes, or the exact mean: on spheres of low
        dimension F has kinks as rho grows, which no polynomial follows.
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
) -> TabulatedMean:
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
    made = TabulatedMean(exact.activation, SmoothTable(coefficients, per_unit, bend, 0.0, 0.0))
    value_error, slope_error = _errors(made, exact, len(projection.dimensions), biased)
    table = made.table._replace(value_error=value_error, slope_error=slope_error)
    return TabulatedMean(exact.activation, table)


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
    made: TabulatedMean, exact: SmoothMean, spheres: int, biased: bool
) -> tuple[float, float]:
    """Return the largest errors of values and of derivatives at many (b, rho, x)."""
    generator = np.random.default_rng(0)
    rho = np.exp(generator.uniform(-5, 4, _SAMPLES)) * made.table.bend
    length = np.hypot(made.table.bend, rho)
    offset = length * generator.normal(0, 2, _SAMPLES) * biased
    angle = np.pi / 2 * generator.uniform(0, 1, _SAMPLES)
    radii = rho[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, :spheres]
    units = Units(np.ones(_SAMPLES), offset, radii, biased)
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
