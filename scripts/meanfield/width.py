"""Finite width: what N independent neurons add to the risk of the measure they are drawn from."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from meanfield.activations import Pieces
from meanfield.laws import IsotropicGaussians, Law
from meanfield.measure import Measure
from meanfield.neurons import Neuron, Ridge
from meanfield.problem import Problem

Floats = NDArray[np.float64]


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


def self_interaction(law: Law, neuron: Neuron, omega: Floats) -> Floats:
    """Return U(theta, theta) = E sigma_*(x; theta)^2 by invariants omega (J, 1), shape (J,).

    Given y, <w, x> is N(0, (tau_y r)^2), so U is the mean over y of E sigma(tau_y r G)^2.
    """
    if not isinstance(law, IsotropicGaussians):
        raise ValueError(f"U(theta, theta) is known for isotropic Gaussians, got {law}")
    if not (isinstance(neuron, Ridge) and isinstance(neuron.activation, Pieces)):
        raise ValueError(f"U(theta, theta) is known for piecewise linear ridges, got {neuron}")
    radius = omega[:, 0]
    moments = [second_moment(neuron.activation, tau * radius) for tau in law.scale([-1.0, 1.0])]
    return np.mean(moments, axis=0)


def second_moment(activation: Pieces, scale: Floats) -> Floats:
    """Return E sigma(a G)^2 for G ~ N(0, 1) and 0 <= a <= inf, shape of ``scale``.

    On a piece sigma(t) = m t + b between knots, with g = t / a,
        int (m a g + b)^2 phi(g) dg = m^2 a^2 [Phi - g phi] - 2 m a b [phi] + b^2 [Phi].
    """
    size = np.asarray(scale, dtype=float)
    a = np.where(np.isinf(size), 1.0, size)[..., np.newaxis]
    with np.errstate(divide="ignore"):
        # At a = 0 the knots go to infinity (0/0 at a knot at 0, where sigma is continuous).
        inner = np.where(a > 0, np.asarray(activation.knots) / np.where(a > 0, a, 1.0), 0.0)
    edges = np.concatenate([np.full_like(a, -np.inf), inner, np.full_like(a, np.inf)], axis=-1)
    density = np.exp(-0.5 * edges**2) / np.sqrt(2 * np.pi)
    first = np.where(np.isfinite(edges), edges, 0.0) * density
    phi, phi_below = np.diff(density), np.diff(ndtr(edges))
    m, b = activation.slopes, activation.intercepts
    pieces = (m * a) ** 2 * (phi_below - np.diff(first)) - 2 * m * a * b * phi + b**2 * phi_below
    at_zero = float(activation(np.zeros(1))[0]) ** 2
    # At a = inf all of G lies beyond the knots, half of it on either side.
    bounded = m[0] == m[-1] == 0
    at_infinity = float(b[0] ** 2 + b[-1] ** 2) / 2 if bounded else np.inf
    finite = np.where(size > 0, pieces.sum(axis=-1), at_zero)
    return np.where(np.isinf(size), at_infinity, finite)
