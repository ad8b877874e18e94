"""What is left of neurons under the symmetries of a law."""

import numpy as np
import pytest

from meanfield import invariants as module
from meanfield.activations import Tanh
from meanfield.invariants import invariant_names, invariants
from meanfield.laws import AnisotropicGaussians, GaussianTeacher, IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from sgd_runs import STEP

RIDGE, PERCEPTRON = Ridge(STEP), Perceptron(Tanh())
THETA = np.random.default_rng(3).normal(size=(40, 9)).astype(np.float32)


def norm(*columns: int) -> np.ndarray:
    return np.sqrt(np.sum(THETA[:, columns].astype(np.float64) ** 2, axis=1))


@pytest.mark.parametrize(
    ("law", "neuron", "names", "columns"),
    [
        (IsotropicGaussians(9, 0.5), RIDGE, ("r",), [norm(*range(9))]),
        (IsotropicGaussians(7, 0.5), PERCEPTRON, ("a", "b", "r"),
         [THETA[:, 0], THETA[:, 1], norm(*range(2, 9))]),
        (AnisotropicGaussians(9, 3, 0.5), RIDGE, ("r1", "r2"),
         [norm(0, 1, 2), norm(*range(3, 9))]),
        (GaussianTeacher(9, Tanh(), (1.0, 2.0)), RIDGE, ("w1", "w2", "r"),
         [THETA[:, 0], THETA[:, 1], norm(*range(2, 9))]),
    ],
)  # fmt: skip
def test_invariants_by_law_and_neuron(law, neuron, names, columns, monkeypatch):
    assert invariant_names(law, neuron) == names
    omega = invariants(law, neuron, THETA)
    assert omega.dtype == np.float64
    np.testing.assert_allclose(omega, np.stack(columns, axis=1), rtol=1e-14)
    # Of several networks at once, and some neurons at a time, they are the same.
    for chunk in (1, 30, 10**9):
        monkeypatch.setattr(module, "_CHUNK", chunk)
        np.testing.assert_array_equal(
            invariants(law, neuron, THETA.reshape(4, 10, 9)), omega.reshape(4, 10, -1)
        )
