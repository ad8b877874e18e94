"""The split of the risk against the plain average over a test set."""

import numpy as np
import pytest

from meanfield.activations import PiecewiseLinear
from meanfield.evaluation import Interpolation, TestSet, estimate_risk, reduced_network
from meanfield.invariants import invariants
from meanfield.laws import IsotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Ridge
from meanfield.problem import make_problem
from plain_network import network

LAW = IsotropicGaussians(8, 0.5)
NEURON = Ridge(PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)))


@pytest.fixture(scope="module")
def test_set() -> TestSet:
    rng = np.random.default_rng(3)
    labels = rng.choice([-1.0, 1.0], 20_000)
    inputs = rng.standard_normal((len(labels), LAW.dimension)) * LAW.scale(labels)[:, np.newaxis]
    return TestSet(inputs.astype(np.float32), labels, LAW.invariants(inputs))


@pytest.mark.parametrize("seed", range(5))
def test_parts_add_up_to_the_risk(test_set: TestSet, seed: int) -> None:
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((12, LAW.dimension)) * rng.uniform(0.2, 1.5)
    estimate = estimate_risk(
        network(NEURON, theta, test_set.x),
        invariants(LAW, NEURON, theta),
        test_set,
        make_problem(LAW, NEURON, 48),
    )
    difference = estimate.risk - estimate.reduced_risk - estimate.fluctuation
    assert abs(difference) < 4 * np.hypot(estimate.risk_stderr, estimate.fluctuation_stderr)
    assert estimate.fluctuation > 0


def test_interpolated_network_function(test_set: TestSet) -> None:
    problem = make_problem(LAW, NEURON, 16)
    radii = np.random.default_rng(0).uniform(0.0, 4.0, (50, 1))
    measure = Measure(radii, np.full(50, 1 / 50))
    assert test_set.invariants is not None
    s = test_set.invariants[:300]
    exact = measure.mass @ problem.features_at(measure.omega, s)
    found = reduced_network(problem, measure, Interpolation(s))
    np.testing.assert_allclose(found, exact, atol=1e-6)


def test_standard_errors_are_the_spread_over_test_sets() -> None:
    rng = np.random.default_rng(11)
    theta = rng.standard_normal((12, LAW.dimension))
    problem = make_problem(LAW, NEURON, 24)
    estimates = []
    for _ in range(300):
        labels = rng.choice([-1.0, 1.0], 400)
        inputs = rng.standard_normal((400, LAW.dimension)) * LAW.scale(labels)[:, np.newaxis]
        fresh = TestSet(inputs.astype(np.float32), labels, LAW.invariants(inputs))
        output = network(NEURON, theta, fresh.x)
        estimates.append(estimate_risk(output, invariants(LAW, NEURON, theta), fresh, problem))
    for name in ("risk", "fluctuation"):
        spread = np.std([getattr(estimate, name) for estimate in estimates], ddof=1)
        claimed = np.mean([getattr(estimate, f"{name}_stderr") for estimate in estimates])
        assert claimed == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("axes", [0, 1, 2])
def test_the_memory_of_a_test_set_is_known_before_it_is_taken(axes: int) -> None:
    s = np.random.default_rng(2).uniform(1, 2, (300, axes)) if axes else None
    sample = TestSet(np.ones((300, 5), np.float32), np.ones(300), s)
    told = sample.nbytes
    bases = sample.interpolation._bases if sample.interpolation else []
    parts = [sample.x, sample.y, *bases, *([] if s is None else [s])]
    assert told == sum(part.nbytes for part in parts)
    assert len(bases) == axes
