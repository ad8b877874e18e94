"""Finite width: what N independent neurons add to the risk of the measure they are drawn from."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from meanfield.activations import Activation, Cosine, Pieces
from meanfield.invariants import invariant_names
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians, Law
from meanfield.measure import Measure
from meanfield.neurons import Neuron, Perceptron, Ridge
from meanfield.problem import Problem
from meanfield.quadrature import gauss_legendre

Floats = NDArray[np.float64]

_FARTHEST = 9.0  # beyond which the normal law has no mass, to rounding
_PANEL_NODES = 16
_PANEL_WIDTH = 2.0  # in the argument of sigma: a panel of 16 nodes errs by less than 1e-12
_CHUNK = 1_000_000  # values at a time


class WidthCoefficients(NamedTuple):
    """Coefficients of 1/N in the mean risk of N independent neurons.

    Attributes:
        total: K, with E R_N = R(rho) + K / N.
        fluctuation: the part of K that lies in E Var(yhat | s, y), the spread of the neurons'
            directions; the rest is the spread of their invariants.
    """

    total: float
    fluctuation: float


def width_coefficients(
    problem: Problem, measure: Measure, law: Law, neuron: Neuron
) -> WidthCoefficients:
    """Return K, the coefficient of 1/N in the mean risk of N independent neurons, and its split.

    For theta_1, ..., theta_N drawn from rho, exactly
        E R_N = R(rho) + K / N,    K = int U(theta, theta) d rho - int int U d rho d rho.
    The diagonal is the one of the full space, E sigma_*(x; theta)^2; its average over orbits,
    sum_q pi_q phi_q^2, is smaller, and the difference is what the directions add. The double
    integral is sum_q pi_q f_q^2.

    Args:
        problem: the reduced problem; supplies phi_q, f_q and pi_q.
        measure: rho, atoms omega (J, k) and masses (J,).
        law: law of the data.
        neuron: the hidden unit.

    Returns:
        K >= 0 and its part from directions.

    Source: Mei, Montanari and Nguyen (2018), Proposition 1.
    """
    features = problem.features(measure.omega)
    diagonal = measure.mass @ self_interaction(law, neuron, measure.omega)
    orbit_means = measure.mass @ (features**2 @ problem.weights)
    output = measure.mass @ features
    return WidthCoefficients(
        total=float(diagonal - problem.weights @ output**2),
        fluctuation=float(diagonal - orbit_means),
    )


def row_coefficients(problem: Problem, measure: Measure) -> WidthCoefficients:
    """Return K where the features are the neurons themselves, so that no directions are left.

    K = sum_q pi_q (sum_j p_j phi_jq^2 - f_q^2).

    Args:
        problem: a problem of rows of data.
        measure: rho, atoms theta (J, D) and masses (J,).

    Returns:
        K >= 0, and 0.
    """
    features = problem.features(measure.omega)
    output = measure.mass @ features
    spread = measure.mass @ features**2 - output**2
    return WidthCoefficients(total=float(problem.weights @ spread), fluctuation=0.0)


def self_interaction(law: Law, neuron: Neuron, omega: Floats) -> Floats:
    """Return U(theta, theta) = E sigma_*(x; theta)^2 by invariants omega (J, k), shape (J,).

    Given y, <w, x> is N(0, v_y) with v_y = (tau_y r)^2 for isotropic Gaussians and
    (tau_y r_1)^2 + r_2^2 for anisotropic ones, so U is the mean over y of
    a^2 E sigma(b + v_y^(1/2) G)^2. It does not depend on the dimension.

    Raises:
        ValueError: if the law is not one of these, the neuron neither a ridge nor a perceptron, or
            omega has another number of coordinates.
    """
    if not isinstance(law, IsotropicGaussians | AnisotropicGaussians):
        raise ValueError(f"U(theta, theta) is known for Gaussians of two scales, got {law}")
    if not isinstance(neuron, Ridge | Perceptron):
        raise ValueError(f"U(theta, theta) is known for ridges and perceptrons, got {neuron}")
    names = invariant_names(law, neuron)
    if omega.ndim != 2 or omega.shape[1] != len(names):
        raise ValueError(f"expected omega (J, {len(names)}) of {names}, got {omega.shape}")
    biased = isinstance(neuron, Perceptron)
    amplitude = omega[:, 0] if biased else np.ones(len(omega))
    offset = omega[:, 1] if biased else np.zeros(len(omega))
    radii = omega[:, -len(law.spheres) :]
    moments = []
    for tau in law.scale([-1.0, 1.0]):
        scales = np.ones(radii.shape[1])
        scales[0] = tau
        moments.append(
            second_moment(neuron.activation, np.linalg.norm(radii * scales, axis=1), offset)
        )
    return amplitude**2 * np.mean(moments, axis=0)


def second_moment(activation: Activation, scale: Floats, offset: Floats | float = 0.0) -> Floats:
    """Return E sigma(b + a G)^2 for G ~ N(0, 1).

    Args:
        activation: sigma.
        scale: standard deviations 0 <= a <= inf, shape (J,).
        offset: b, shape (J,) or a number.

    Returns:
        The moments, shape (J,).
    """
    a, b = np.broadcast_arrays(np.asarray(scale, float), np.asarray(offset, float))
    far = np.isinf(a)
    near = np.where(far, 1.0, a)
    if isinstance(activation, Cosine):
        return np.where(far, 0.5, 0.5 + 0.5 * np.cos(2 * b) * np.exp(-2 * near**2))
    low, high = activation.limits
    end = (low**2 + high**2) / 2
    if isinstance(activation, Pieces):
        return np.where(far, end, _bent_moment(activation, near, b))
    return np.where(far, end, _smooth_moment(activation, near, b))


def _bent_moment(activation: Pieces, scale: Floats, offset: Floats) -> Floats:
    """E sigma(b + a G)^2, piecewise linear.

    On a piece sigma(b + t) = m t + c between knots, with g = t / a,
        int (m a g + c)^2 phi(g) dg = m^2 a^2 [Phi - g phi] - 2 m a c [phi] + c^2 [Phi].
    """
    a, b = scale[..., np.newaxis], offset[..., np.newaxis]
    knots = np.asarray(activation.knots) - b
    with np.errstate(divide="ignore"):
        # At a = 0 the knots go to infinity (0/0 at a knot at b, where sigma is continuous).
        inner = np.where(a > 0, knots / np.where(a > 0, a, 1.0), 0.0)
    edges = np.concatenate([np.full_like(a, -np.inf), inner, np.full_like(a, np.inf)], axis=-1)
    density = np.exp(-0.5 * edges**2) / np.sqrt(2 * np.pi)
    first = np.where(np.isfinite(edges), edges, 0.0) * density
    phi, phi_below = np.diff(density), np.diff(ndtr(edges))
    m, c = activation.slopes, activation.intercepts + activation.slopes * b
    pieces = (m * a) ** 2 * (phi_below - np.diff(first)) - 2 * m * a * c * phi + c**2 * phi_below
    return np.where(scale > 0, pieces.sum(axis=-1), activation(offset) ** 2)


def _smooth_moment(activation: Activation, scale: Floats, offset: Floats) -> Floats:
    """E sigma(b + a G)^2 by Gauss-Legendre panels, so narrow that sigma is resolved on each."""
    moments = np.empty_like(scale)
    nodes, weights = gauss_legendre(_PANEL_NODES)
    widest = np.max(scale, initial=0.0)
    panels = int(np.ceil(2 * _FARTHEST * max(1 / 2, widest / _PANEL_WIDTH)))
    t = ((np.arange(panels)[:, np.newaxis] + nodes) / panels).ravel()
    g = _FARTHEST * (2 * t - 1)
    mass = np.tile(weights, panels) * np.exp(-0.5 * g**2)
    mass /= mass.sum()
    rows = max(1, _CHUNK // len(g))
    for start in range(0, len(scale), rows):
        part = slice(start, start + rows)
        values = activation(offset[part, np.newaxis] + scale[part, np.newaxis] * g)
        moments[part] = values**2 @ mass
    return moments
