"""Finite width: what N independent neurons add to the risk of the measure they are drawn from."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from meanfield.activations import Activation, Pieces
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians, Law
from meanfield.measure import Measure
from meanfield.neurons import Neuron, Perceptron
from meanfield.problem import Problem

Floats = NDArray[np.float64]

# The trapezoidal rule for Gaussian integrals: where it ends, and its number of points.
_REACH, _TRAPEZOIDS = 9.0, 601


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
    """Return U(theta, theta) = E sigma_*(x; theta)^2 by invariants omega (J, k), shape (J,).

    Given y, <w, x> is N(0, v) with v = (tau_y r)^2, or (tau_y r_1)^2 + r_2^2 for anisotropic
    Gaussians, so U is the mean over y of a^2 E sigma(b + sqrt(v) G)^2.

    Raises:
        ValueError: if the law is not Gaussian given y.
    """
    if not isinstance(law, IsotropicGaussians | AnisotropicGaussians):
        raise ValueError(f"U(theta, theta) is known for Gaussians, got {law}")
    biased = isinstance(neuron, Perceptron)
    amplitude, offset = (omega[:, 0], omega[:, 1]) if biased else (1.0, 0.0)
    radii = omega[:, 2:] if biased else omega
    rest = np.sum(radii[:, 1:] ** 2, axis=1)
    moments = [
        second_moment(neuron.activation, np.sqrt((tau * radii[:, 0]) ** 2 + rest), offset)
        for tau in law.scale([-1.0, 1.0])
    ]
    return np.asarray(amplitude**2 * np.mean(moments, axis=0))


def second_moment(activation: Activation, scale: Floats, offset: Floats | float = 0.0) -> Floats:
    """Return E sigma(b + a G)^2 for G ~ N(0, 1), standard deviations 0 <= a <= inf and offsets b.

    For a piecewise linear sigma it is a closed form: with sigma(b + t) = m t + c on a piece between
    knots, and g = t / a,
        int (m a g + c)^2 phi(g) dg = m^2 a^2 [Phi - g phi] - 2 m a c [phi] + c^2 [Phi].
    For others it is the trapezoidal rule in g, which is exponentially accurate for smooth sigma.

    Returns:
        The moments, in the shape of ``scale``.
    """
    size = np.asarray(scale, dtype=float)
    a = size[..., np.newaxis]
    b = np.broadcast_to(np.asarray(offset, dtype=float)[..., np.newaxis], a.shape)
    if not isinstance(activation, Pieces):
        g = np.linspace(-_REACH, _REACH, _TRAPEZOIDS)
        weights = np.exp(-0.5 * g**2)
        return np.asarray(activation(b + a * g) ** 2 @ (weights / weights.sum()))
    a = np.where(np.isinf(a), 1.0, a)
    with np.errstate(divide="ignore", invalid="ignore"):
        # At a = 0 the knots go to infinity (0/0 at a knot at b, where sigma is continuous).
        inner = np.where(a > 0, (np.asarray(activation.knots) - b) / np.where(a > 0, a, 1.0), 0.0)
    edges = np.concatenate([np.full_like(a, -np.inf), inner, np.full_like(a, np.inf)], axis=-1)
    density = np.exp(-0.5 * edges**2) / np.sqrt(2 * np.pi)
    first = np.where(np.isfinite(edges), edges, 0.0) * density
    phi, phi_below = np.diff(density), np.diff(ndtr(edges))
    m = activation.slopes
    c = activation.intercepts + m * b
    pieces = (m * a) ** 2 * (phi_below - np.diff(first)) - 2 * m * a * c * phi + c**2 * phi_below
    finite = np.where(a[..., 0] > 0, pieces.sum(axis=-1), activation(b[..., 0]) ** 2)
    # At a = inf all of G lies beyond the knots, half of it on either side.
    bounded = m[0] == m[-1] == 0
    at_infinity = (c[..., 0] ** 2 + c[..., -1] ** 2) / 2 if bounded else np.inf
    return np.where(np.isinf(size), at_infinity, finite)
