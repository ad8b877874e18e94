"""What runs on the CPU for want of a version for a GPU is said, once."""

import logging

import array_api_strict as strict
import numpy as np
import pytest

from meanfield import host
from meanfield.activations import GELU, ReLU
from meanfield.arrays import Backend, to_backend
from meanfield.empirical import make_empirical_problem
from meanfield.host import on_host
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Perceptron
from meanfield.problem import make_problem


@pytest.fixture(autouse=True)
def _nothing_was_said() -> None:
    host._say.cache_clear()


def test_several_arrays_come_back_to_their_device(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        whole, rest = on_host("parts", np.divmod, strict.asarray([7.0]), strict.asarray([4.0]))
        assert isinstance(whole, type(strict.asarray(0.0)))
        assert (float(whole[0]), float(rest[0])) == (1.0, 3.0)
        on_host("parts", np.divmod, strict.asarray([7.0]), strict.asarray([4.0]))
        on_host("sines", np.sin, strict.asarray([7.0]))
    assert caplog.messages == [
        "on the CPU, as there is no version for a GPU: parts",
        "on the CPU, as there is no version for a GPU: sines",
    ]


def test_on_the_cpu_there_is_nothing_to_say(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert on_host("sines", np.sin, np.zeros(1)) == 0
    assert caplog.messages == []


def test_the_functions_are_named(caplog: pytest.LogCaptureFixture) -> None:
    law, there = IsotropicGaussians(4, 0.5), Backend("cupy", strict, "")
    rows = to_backend(make_empirical_problem(law, Perceptron(ReLU()), 5), there)
    smooth = to_backend(make_problem(law, Perceptron(GELU()), 2), there)
    with caplog.at_level(logging.INFO):
        rows.features_and_gradients(strict.ones((2, 6), dtype=strict.float64))
        smooth.features_and_gradients(strict.ones((2, 3), dtype=strict.float64))
    assert [message.partition("GPU: ")[2] for message in caplog.messages] == [
        "ReLU and its derivative at rows of data",
        "GELU and its derivatives",
        "the mean overshoot on spheres of dimension 4",
    ]
