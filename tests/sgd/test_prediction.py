"""The compiled network against the plain one."""

import numpy as np
import pytest

import plain_network
from meanfield.activations import PiecewiseLinear
from meanfield.neurons import Ridge
from meanfield.sgd import prediction
from meanfield.sgd.prediction import network

ACTIVATION = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 2e-5)])
@pytest.mark.parametrize(
    ("neurons", "dimension", "samples"), [(1, 2, 1), (33, 7, 31), (170, 40, 65), (320, 12, 96)]
)
def test_outputs_are_those_of_the_plain_network(
    neurons: int, dimension: int, samples: int, dtype: type, tolerance: float
) -> None:
    rng = np.random.default_rng(neurons)
    theta: np.ndarray = rng.standard_normal((neurons, dimension)).astype(dtype)
    x = rng.standard_normal((samples, dimension)).astype(np.float32)
    found = network(theta, x, Ridge(ACTIVATION))
    np.testing.assert_allclose(
        found, plain_network.network(Ridge(ACTIVATION), theta, x), atol=tolerance
    )


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(4, 5\)"):
        network(np.zeros((3, 2)), np.zeros((4, 5)), Ridge(ACTIVATION))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 2e-5)])
def test_large_networks_are_taken_in_parts(
    dtype: type, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    theta: np.ndarray = rng.standard_normal((170, 12)).astype(dtype)
    x = rng.standard_normal((33, 12)).astype(np.float32)
    whole = network(theta, x, Ridge(ACTIVATION))
    monkeypatch.setattr(prediction, "PART", 64)
    np.testing.assert_allclose(network(theta, x, Ridge(ACTIVATION)), whole, atol=tolerance)
