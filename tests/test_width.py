"""The finite-width coefficient against Monte Carlo over data and over networks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from meanfield.activations import (
    GELU,
    Activation,
    Cosine,
    Erf,
    PiecewiseLinear,
    ReLU,
    Sigmoid,
    Softplus,
    Tanh,
)
from meanfield.functionals import risk
from meanfield.invariants import invariants
from meanfield.laws import AnisotropicGaussians, DataSet, IsotropicGaussians, Law
from meanfield.measure import Measure, gaussian_radii
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import make_problem
from meanfield.random import SAMPLE
from meanfield.sampling import sample
from meanfield.width import second_moment, self_interaction, width_coefficients
from plain_network import network

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


@pytest.mark.parametrize(
    "activation", [ACTIVATION, ReLU(), Tanh(), Erf(), Sigmoid(), Softplus(), GELU(), Cosine()]
)
def test_second_moment_with_an_offset(activation: Activation) -> None:
    scale, offset = np.array([0.0, 0.3, 1.0, 4.0, 20.0]), np.array([0.7, -0.5, 2.0, 0.0, -3.0])
    found = second_moment(activation, scale, offset)
    g = (np.arange(400_000) + 0.5) / 200_000 * 9 - 9
    mass = np.exp(-0.5 * g * g)
    mass /= mass.sum()
    for a, b, mine in zip(scale, offset, found, strict=True):
        assert mine == pytest.approx(mass @ activation(b + a * g) ** 2, rel=1e-7)


def test_second_moment_at_infinite_scale() -> None:
    for activation in (ACTIVATION, PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)), Sigmoid(), Cosine()):
        end = second_moment(activation, np.array([np.inf]), 0.3)[0]
        near = second_moment(activation, np.array([1e3]), 0.3)[0]
        assert end == pytest.approx(near, rel=1e-2) or (end == np.inf and near > 1e4)


@pytest.mark.parametrize(
    ("law", "neuron"),
    [
        (IsotropicGaussians(6, 0.6), Perceptron(ACTIVATION)),
        (IsotropicGaussians(6, 0.6), Ridge(Softplus())),
        (AnisotropicGaussians(9, 4, 0.6), Ridge(ReLU())),
        (AnisotropicGaussians(9, 4, 0.6), Perceptron(ReLU())),
        (AnisotropicGaussians(9, 4, 0.6), Perceptron(Tanh())),
    ],
)
def test_self_interaction_against_samples(law: Law, neuron: Ridge | Perceptron) -> None:
    theta = np.random.default_rng(4).normal(size=(5, neuron.parameters(law.dimension)))
    found = self_interaction(law, neuron, invariants(law, neuron, theta))
    x, _ = sample(law, 3, 0, 40_000, SAMPLE)
    for unit, mine in zip(theta, found, strict=True):
        values = network(neuron, unit[np.newaxis], x) ** 2
        assert abs(values.mean() - mine) < 4 * values.std() / np.sqrt(len(values))


def test_unknown_combinations() -> None:
    law = DataSet(np.ones((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="Gaussians of two scales"):
        self_interaction(law, NEURON, np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"expected omega \(J, 1\)"):
        self_interaction(LAW, NEURON, np.ones((1, 2)))


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
        omega = invariants(LAW, NEURON, theta)
        uniform = Measure(omega, np.full(neurons, 1 / neurons))
        mean = uniform.mass @ problem.features_at(omega, LAW.invariants(inputs))
        reduced[k] = risk(problem, uniform)
        fluctuation[k] = np.mean((network(NEURON, theta, inputs) - mean) ** 2)
    for values, coefficient in (
        (reduced - risk(problem, measure), expected.total - expected.fluctuation),
        (fluctuation, expected.fluctuation),
    ):
        error = values.std(ddof=1) / np.sqrt(networks)
        assert abs(values.mean() - coefficient / neurons) < 4 * error
    assert fluctuation.std(ddof=1) / np.sqrt(networks) < 0.01 * expected.fluctuation / neurons
