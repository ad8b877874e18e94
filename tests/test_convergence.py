"""SGD against its limit: how far it is, as the width grows and the step shrinks.

The settings are those of Figures 3 and 4 in fewer dimensions. A finite network is off the limit by
the spread of its neurons, which adds to the risk a term of order 1/N, and by its finite step, which
shifts the law of the neurons by order epsilon. The step adds to the risk as well, whatever the
width, since all neurons see the same samples: the first term shows at very small steps only.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest

from meanfield import flow
from meanfield.activations import PiecewiseLinear, ReLU
from meanfield.evaluation import TestSet, estimate_risk
from meanfield.functionals import risk
from meanfield.initial import make_initial
from meanfield.invariants import invariants
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.limit import make_limit
from meanfield.measure import Measure
from meanfield.neurons import Perceptron, Ridge
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import sample
from meanfield.schedules import Constant
from meanfield.sgd import engine
from meanfield.sgd.prediction import network

SEEDS = range(4)
WEIGHTS = {"kind": "gaussian", "scale": 0.4}
POINT = {"kind": "point", "value": 1.0}


class Case(NamedTuple):
    """A setting, the time to compare at, and steps that keep SGD near its limit."""

    law: Any
    neuron: Any
    initial: dict[str, Any]
    atoms: Any
    time: float
    step: float


TRAP = Case(
    IsotropicGaussians(40, 0.5),
    Ridge(PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5))),
    WEIGHTS,
    100,
    0.2,
    2e-4,
)
SUBSPACE = Case(
    AnisotropicGaussians(60, 20, 0.5),
    Perceptron(ReLU()),
    {"kind": "product", "a": POINT, "b": POINT, "w": {"kind": "gaussian", "scale": 0.8}},
    [10, 6],
    1.0,
    1e-3,
)
CASES = [pytest.param(TRAP, id="figure_4"), pytest.param(SUBSPACE, id="figure_3")]


def solved(case: Case) -> tuple[Any, Measure, float]:
    dd = {"problem": "reduced", "dimension": "finite", "atoms": case.atoms, "nodes": 8}
    limit = make_limit(case.law, case.neuron, case.initial, dd)
    path = flow.solve(limit.problem, limit.start, [case.time], tolerance=1e-7)
    return limit.problem, Measure(path.omega[-1], limit.start.mass), float(path.risk[-1])


def trained(case: Case, neurons: int, step: float, seed: int) -> Any:
    theta = make_initial(case.initial).draw(seed, neurons, case.law.dimension)
    return engine.run(
        theta, neuron=case.neuron, law=case.law, schedule=Constant(), step_size=step,
        snapshot_steps=[round(case.time / step)], seed=seed, precision="float64",
        record=lambda *_: None,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_width_adds_to_the_risk_in_proportion_to_its_inverse(case: Case) -> None:
    problem, _, _ = solved(case)
    x, y = sample(case.law, 0, 0, 3000, TEST_SAMPLE)
    test_set = TestSet(x, y, case.law.invariants(x))

    def fluctuation(neurons: int) -> float:
        found = []
        for seed in SEEDS:
            theta = trained(case, neurons, case.step / 100, seed)  # where 1/N is what is left
            omega = invariants(case.law, case.neuron, theta)
            estimate = estimate_risk(network(theta, x, case.neuron), omega, test_set, problem)
            found.append(estimate.fluctuation)
        return float(np.mean(found))

    assert fluctuation(100) / fluctuation(400) == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize("case", CASES)
def test_step_shifts_the_law_of_the_neurons_in_proportion(case: Case) -> None:
    problem, measure, least = solved(case)
    means = measure.mass @ measure.omega

    def shift(step: float) -> Any:
        found = []
        for seed in SEEDS:
            omega = invariants(case.law, case.neuron, trained(case, 1600, step, seed))
            empirical = Measure(omega, np.full(len(omega), 1 / len(omega)))
            found.append([*(omega.mean(axis=0) - means), float(risk(problem, empirical)) - least])
        return np.mean(found, axis=0)

    coarse, fine = shift(case.step), shift(case.step / 4)
    moved = np.abs(coarse) > 0.2 * np.max(np.abs(coarse))
    np.testing.assert_allclose(coarse[moved] / fine[moved], 4, rtol=0.3)
