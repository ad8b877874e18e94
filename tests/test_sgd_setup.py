"""Every setting of a run reaches its setup."""

from typing import Any

import numpy as np
import pytest

from meanfield.laws import GaussianTeacher, IsotropicGaussians, make_law
from meanfield.neurons import Perceptron, Ridge
from meanfield.sampling import Samples
from meanfield.schedules import Constant, Power
from meanfield.sgd_setup import make_setup
from meanfield.training import Setup
from sample_settings import RIDGE

TEACHER: dict[str, Any] = {
    "law": {
        "kind": "gaussian_teacher",
        "dimension": 6,
        "link": {"kind": "tanh"},
        "coefficients": [1.0, 2.0],
        "noise": 0.1,
    },
    "neuron": {"kind": "perceptron", "activation": {"kind": "tanh"}},
    "sgd": {
        **RIDGE["sgd"],
        "schedule": {"kind": "power", "c": 2.0, "t0": 0.0, "p": 0.25},
        "decay": 0.01,
        "inverse_temperature": 50.0,
        "precision": "float64",
        "store_path": True,
    },
}


def setup_of(settings: dict[str, Any], steps: list[int], samples: Samples) -> Setup:
    return make_setup(settings, make_law(settings["law"]), steps, samples)


@pytest.fixture
def initial() -> Samples:
    rng = np.random.default_rng(0)
    return Samples(rng.standard_normal((20, 6)).astype(np.float32), np.ones(20))


def test_a_run_with_a_reduction(initial: Samples) -> None:
    setup = setup_of(RIDGE, [0, 10], initial)
    assert isinstance(setup.law, IsotropicGaussians)
    assert isinstance(setup.neuron, Ridge)
    assert setup.schedule == Constant(1.0)
    assert (setup.decay, setup.inverse_temperature) == (0.0, np.inf)
    assert setup.problem is not None
    assert setup.test_set.invariants is not None


def test_a_run_with_two_invariants(initial: Samples) -> None:
    """The risk is split, but where the features would take too long."""
    law = {"kind": "anisotropic_gaussians", "dimension": 6, "informative": 2, "delta": 0.5}
    setup = setup_of({**RIDGE, "law": law, "neuron": {"kind": "relu"}}, [0, 10], initial)
    assert setup.problem is not None
    assert setup.test_set.invariants is not None
    assert setup.problem.invariant_names == ("a", "b", "r1", "r2")
    assert setup.test_set.invariants.shape == (20, 2)
    slow = {"kind": "perceptron", "activation": {"kind": "tanh"}}
    assert setup_of({**RIDGE, "law": law, "neuron": slow}, [0, 10], initial).problem is None


def test_a_noisy_run_without_one(initial: Samples) -> None:
    setup = setup_of(TEACHER, [0, 10], initial)
    assert isinstance(setup.law, GaussianTeacher)
    assert isinstance(setup.neuron, Perceptron)
    assert setup.schedule == Power(2.0, 0.0, 0.25)
    assert (setup.decay, setup.inverse_temperature) == (0.01, 50.0)
    assert (setup.precision, setup.keep_theta) == ("float64", True)
    assert setup.problem is None
    assert setup.test_set.invariants is None
