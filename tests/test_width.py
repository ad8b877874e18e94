"""The finite-width coefficient against Monte Carlo over data and over networks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from meanfield.activations import PiecewiseLinear
from meanfield.evaluation import TestSet, estimate_risk
from meanfield.functionals import risk
from meanfield.laws import IsotropicGaussians
from meanfield.measure import gaussian_radii
from meanfield.neurons import Ridge
from meanfield.problem import make_problem
from meanfield.width import second_moment, width_coefficients

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


def test_second_moment_at_zero_scale() -> None:
    for activation in (ACTIVATION, PiecewiseLinear((0.0, 1.0), (2.0, 3.0))):
        expected = float(activation(np.zeros(1))[0]) ** 2
        assert second_moment(activation, np.zeros(1))[0] == expected


def test_mean_risk_of_independent_neurons() -> None:
    """E R_N = R + K/N, and E Var(yhat | s, y) = K_fluctuation / N, within 4 standard errors."""
    neurons, networks = 20, 400
    rng = np.random.default_rng(7)
    problem = make_problem(LAW, NEURON, 32)
    measure, _ = gaussian_radii(LAW.dimension, 0.8, 64)
    expected = width_coefficients(problem, measure, LAW, NEURON)
    labels = rng.choice([-1.0, 1.0], 4000)
    inputs = rng.standard_normal((4000, LAW.dimension)) * LAW.scale(labels)[:, np.newaxis]
    test_set = TestSet(inputs.astype(np.float32), labels, LAW)
    estimates = []
    for _ in range(networks):
        theta = rng.standard_normal((neurons, LAW.dimension)) * 0.8 / np.sqrt(LAW.dimension)
        output = NEURON.network(theta, test_set.x)
        estimates.append(estimate_risk(output, NEURON.invariants(theta), test_set, problem))
    reduced = np.array([e.reduced_risk for e in estimates])
    fluctuation = np.array([e.fluctuation for e in estimates])

    def error(values: np.ndarray) -> float:
        return float(values.std(ddof=1) / np.sqrt(networks))

    spread = (expected.total - expected.fluctuation) / neurons
    assert abs(reduced.mean() - risk(problem, measure) - spread) < 4 * error(reduced)
    # The test set is common to all networks; its own error comes on top.
    shared = np.mean([e.fluctuation_stderr for e in estimates])
    tolerance = 4 * np.hypot(error(fluctuation), shared)
    assert abs(fluctuation.mean() - expected.fluctuation / neurons) < tolerance
