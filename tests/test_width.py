"""The finite-width coefficient against Monte Carlo over data and over networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from meanfield.activations import Activation, Erf, PiecewiseLinear, Tanh
from meanfield.functionals import risk
from meanfield.invariants import invariants
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.measure import Measure, gaussian_radii
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import make_problem
from meanfield.width import second_moment, self_interaction, width_coefficients

LAW = IsotropicGaussians(6, 0.6)
ACTIVATION = PiecewiseLinear((-0.4, 0.5, 1.5), (1.0, -2.5, 7.5), left_slope=0.3)
NEURON = Ridge(ACTIVATION)


@given(st.floats(0.05, 20.0))
def test_second_moment_is_the_gaussian_integral(scale: float) -> None:
    activation = ACTIVATION

    def integrand(g: float) -> float:
        value = float(activation(np.array([scale * g]))[0])
        return value**2 * np.exp(-0.5 * g * g) / np.sqrt(2 * np.pi)

    knots = [c / scale for c in activation.knots if abs(c / scale) < 12]
    expected = quad(integrand, -12, 12, points=knots, limit=200, epsabs=1e-12, epsrel=1e-12)[0]
    assert second_moment(activation, np.array([scale]))[0] == pytest.approx(expected, rel=1e-9)


def test_second_moment_at_infinite_scale() -> None:
    bounded, growing = (
        PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)),
        PiecewiseLinear((0.0,), (0.0,), 0, 1),
    )
    limit, near = second_moment(bounded, np.array([np.inf, 1e4]))
    assert limit == (2.5**2 + 7.5**2) / 2
    assert near == pytest.approx(limit, rel=1e-3)
    assert second_moment(growing, np.array([np.inf]))[0] == np.inf


def test_second_moment_at_zero_scale() -> None:
    for activation in (ACTIVATION, PiecewiseLinear((0.0, 1.0), (2.0, 3.0))):
        expected = float(activation(np.zeros(1))[0]) ** 2
        assert second_moment(activation, np.zeros(1))[0] == expected


def test_mean_risk_of_independent_neurons() -> None:
    """E R_N = R + K/N, and E Var(yhat | s, y) = K_fluctuation / N, within 4 standard errors.

    The networks are many enough for a part in forty of either to show.
    """
    neurons, networks = 5, 6000
    rng = np.random.default_rng(7)
    problem = make_problem(LAW, NEURON, 32)
    measure, _ = gaussian_radii(LAW.dimension, 0.8, 64)
    expected = width_coefficients(problem, measure, LAW, NEURON)
    reduced, fluctuation = np.empty(networks), np.empty(networks)
    for k in range(networks):
        theta = rng.standard_normal((neurons, LAW.dimension)) * 0.8 / np.sqrt(LAW.dimension)
        labels = rng.choice([-1.0, 1.0], 100)
        inputs = rng.standard_normal((100, LAW.dimension)) * LAW.scale(labels)[:, np.newaxis]
        omega = NEURON.invariants(theta)
        uniform = Measure(omega, np.full(neurons, 1 / neurons))
        mean = uniform.mass @ problem.features_at(omega, LAW.invariants(inputs))
        reduced[k] = risk(problem, uniform)
        fluctuation[k] = np.mean((NEURON.network(theta, inputs) - mean) ** 2)
    for values, coefficient in (
        (reduced - risk(problem, measure), expected.total - expected.fluctuation),
        (fluctuation, expected.fluctuation),
    ):
        error = values.std(ddof=1) / np.sqrt(networks)
        assert abs(values.mean() - coefficient / neurons) < 4 * error
    assert fluctuation.std(ddof=1) / np.sqrt(networks) < 0.01 * expected.fluctuation / neurons


@pytest.mark.parametrize("activation", [ACTIVATION, Tanh(), Erf()])
@given(scale=st.floats(0.05, 5.0), offset=st.floats(-3.0, 3.0))
@settings(max_examples=20)
def test_second_moment_with_an_offset(activation: Activation, scale: float, offset: float) -> None:
    def integrand(g: float) -> float:
        value = float(activation(np.array([offset + scale * g]))[0])
        return value**2 * np.exp(-0.5 * g * g) / np.sqrt(2 * np.pi)

    knots = [(c - offset) / scale for c in getattr(activation, "knots", ())]
    inner = [knot for knot in knots if abs(knot) < 12]
    expected = quad(integrand, -12, 12, points=inner or None, limit=300, epsrel=1e-11)[0]
    found = second_moment(activation, np.array([scale]), np.array([offset]))[0]
    assert found == pytest.approx(expected, rel=1e-8)


def test_self_interaction_of_perceptrons_on_anisotropic_data() -> None:
    """E sigma_*(x; theta)^2 by its definition, over samples, within 4.5 standard errors."""
    law, neuron = AnisotropicGaussians(9, 3, 0.5), Perceptron(ACTIVATION)
    rng = np.random.default_rng(3)
    theta = np.concatenate([[[1.5, 0.4], [-0.7, -0.2]], rng.standard_normal((2, 9)) / 3], axis=1)
    labels = rng.choice([-1.0, 1.0], 100_000)
    inputs = rng.standard_normal((100_000, 9))
    inputs[:, :3] *= law.scale(labels)[:, np.newaxis]
    squares = np.stack([neuron.network(row[np.newaxis], inputs) for row in theta]) ** 2
    expected, error = squares.mean(axis=1), squares.std(axis=1) / np.sqrt(100_000)
    found = self_interaction(law, neuron, invariants(law, neuron, theta))
    assert np.all(np.abs(found - expected) < 4.5 * error)
    assert np.all(error < 0.01 * expected)
