"""Every reduction against the network itself: the risk is that of the mean plus its fluctuation."""

import numpy as np
import pytest

from meanfield.activations import (
    GELU,
    Activation,
    Cosine,
    Erf,
    LeakyReLU,
    PiecewiseLinear,
    ReLU,
    Sigmoid,
    Softplus,
    Tanh,
)
from meanfield.evaluation import Interpolation, TestSet, estimate_risk, reduced_network
from meanfield.invariants import invariants
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import has_reduction, make_problem
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import sample
from plain_network import network

RAMP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
BUMP = PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5))
ISOTROPIC, ANISOTROPIC = IsotropicGaussians(20, 0.5), AnisotropicGaussians(60, 20, 0.5)
ACTIVATIONS: tuple[Activation, ...] = (
    RAMP, BUMP, ReLU(), LeakyReLU(0.2), Tanh(), Erf(), Sigmoid(), Softplus(), GELU(), Cosine(),
)  # fmt: skip

CASES = [
    (law, kind(activation))
    for law in (ISOTROPIC, ANISOTROPIC)
    for kind in (Ridge, Perceptron)
    for activation in ACTIVATIONS
]


@pytest.mark.parametrize(("law", "neuron"), CASES, ids=str)
def test_risk_is_that_of_the_mean_and_its_fluctuation(
    law: IsotropicGaussians | AnisotropicGaussians, neuron: Ridge | Perceptron
) -> None:
    """R + E Var(yhat | s, y) is the risk of the network, within 4 standard errors.

    The fluctuation is estimated from the same samples, so that the difference is one mean: of
    (y - f)^2 against its quadrature, and of 2 (y - f)(f - yhat) against 0.
    """
    assert has_reduction(law, neuron)
    problem = make_problem(law, neuron, 10)
    generator = np.random.default_rng(len(str(neuron)))
    x, y = sample(law, 5, 0, 4000, TEST_SAMPLE)
    test_set = TestSet(x, y, law.invariants(x))
    biased = isinstance(neuron, Perceptron)
    smooth = isinstance(neuron.activation, Tanh | Erf | Sigmoid | Softplus | GELU)
    costly = smooth and law is ANISOTROPIC
    for _ in range(2 if costly else 20):
        theta = generator.normal(size=(3, neuron.parameters(law.dimension)))
        theta[:, 2 if biased else 0 :] *= generator.uniform(0.05, 0.6)
        omega = invariants(law, neuron, theta)
        output = network(neuron, theta, x)
        estimate = estimate_risk(output, omega, test_set, problem)
        measure = Measure(omega, np.full(3, 1 / 3))
        mean = reduced_network(problem, measure, Interpolation(law.invariants(x)))
        rest = (y - output) ** 2 - (output - mean) ** 2
        error = rest.std(ddof=1) / np.sqrt(len(rest))
        assert abs(rest.mean() - estimate.reduced_risk) < 4 * error
        assert estimate.risk - estimate.fluctuation == pytest.approx(rest.mean(), rel=1e-9)


@pytest.mark.parametrize("neuron", [Perceptron(ReLU()), Ridge(RAMP), Perceptron(Tanh())], ids=str)
def test_interpolated_network_function(neuron: Ridge | Perceptron) -> None:
    generator = np.random.default_rng(2)
    theta = 0.3 * generator.normal(size=(10, neuron.parameters(60)))
    omega = invariants(ANISOTROPIC, neuron, theta)
    measure = Measure(omega, np.full(10, 0.1))
    x, _ = sample(ANISOTROPIC, 1, 0, 2000, TEST_SAMPLE)
    s = ANISOTROPIC.invariants(x)
    problem = make_problem(ANISOTROPIC, neuron, 2)
    found = reduced_network(problem, measure, Interpolation(s))[:100]
    exact = measure.mass @ problem.features_at(omega, s[:100])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="expected s of shape"):
        Interpolation(np.ones((4, 3)))
