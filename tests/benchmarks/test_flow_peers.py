"""The peers of the flow solve the same problem, with code of their own."""

from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.flow_cases import CASES
from meanfield.bent_mean import BentMean
from meanfield.functionals import field
from meanfield.sphere_problem import SphereProblem

# Of each test, not of the file: a choice of others (`-m gpu`) then skips nothing here.
pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


def test_each_case_is_the_published_setting() -> None:
    assert [case.name for case in CASES][::3] == ["figure 1", "figure 4, kappa = 0.1"]
    for case in CASES:
        assert case.times[0] == 0
        assert np.all(np.diff(case.times) > 0)
        assert len(case.times) == 101


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plain_numpy_has_the_same_velocity(case) -> None:
    from benchmarks.flow_peers import plain_numpy

    problem, start = case.problem(), case.start()
    assert not isinstance(problem, SphereProblem) or isinstance(problem.mean, BentMean)
    features, gradients = plain_numpy(problem)(start.omega)
    force = problem.weights * (problem.labels - start.mass @ features)
    velocity = 2 * np.einsum("jqk,q->jk", gradients, force)
    expected = field(problem, start.omega, start.mass).velocity
    np.testing.assert_allclose(velocity, expected, rtol=1e-9, atol=1e-11)


def test_pytorch_and_scipy_reach_the_same_risk() -> None:
    from dataclasses import replace

    from benchmarks.flow_peers import scipy_flow, torch_flow

    case = replace(CASES[-1], atoms=20, horizon=0.2)
    expected = case.solve(1e-9).risk
    np.testing.assert_allclose(scipy_flow(case, "RK45", 1e-8).risk, expected, atol=1e-6)
    np.testing.assert_allclose(torch_flow(case, 200).risk, expected, atol=1e-4)
