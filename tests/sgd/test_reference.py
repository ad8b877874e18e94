import pickle

import numpy as np
import pytest

from meanfield.activations import PiecewiseLinear, Tanh
from meanfield.initial import Gaussian, Initial
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from meanfield.random import NOISE, SAMPLE, normals
from meanfield.sampling import sample
from meanfield.schedules import Constant, Power
from meanfield.sgd.reference import Divergence, run
from plain_network import network

LAW = IsotropicGaussians(5, 0.4)
BUMP = PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5))


def test_one_step_descends_the_loss_of_its_sample():
    sloped = PiecewiseLinear((0.0, 1.0), (1.0, -2.0), left_slope=0.5, right_slope=3.0)
    theta = Initial(Gaussian(2.0)).draw(1, 6, 5)
    x, y = sample(LAW, 2, 0, 1, SAMPLE, np.float64)

    def loss(weights):
        return (y[0] - np.mean(sloped(weights @ x[0]))) ** 2

    after = run(
        theta, law=LAW, neuron=Ridge(sloped), schedule=Constant(), step_size=0.01,
        snapshot_steps=[1], seed=2, precision="float64", record=lambda *_: None,
    )  # fmt: skip
    gradient = np.zeros_like(theta)
    for index in np.ndindex(*theta.shape):
        shift = np.zeros_like(theta)
        shift[index] = 1e-6
        gradient[index] = (loss(theta + shift) - loss(theta - shift)) / 2e-6
    # d yhat / d theta_i = sigma' x / N, and time runs N times faster than gradient descent.
    np.testing.assert_allclose(after - theta, -0.01 * 6 * gradient, atol=1e-8)
    assert np.max(np.abs(after - theta)) > 1e-3


def test_records_copies_at_the_steps_asked_for():
    theta = Initial(Gaussian(1.0)).draw(1, 4, 5)
    seen = []

    def record(step, weights, mean_square_residual):
        seen.append((step, weights.copy(), mean_square_residual))
        weights[:] = np.nan

    after = run(
        theta, law=LAW, neuron=Ridge(BUMP), schedule=Constant(), step_size=1e-9,
        snapshot_steps=[0, 3, 300], seed=2, precision="float64", record=record,
    )  # fmt: skip
    assert [step for step, *_ in seen] == [0, 3, 300]
    assert np.array_equal(seen[0][1], theta)
    assert np.array_equal(seen[-1][1], after)
    assert np.isfinite(after).all()
    # At this step size the weights hardly move, so the means are those of the initial network.
    x, y = sample(LAW, 2, 0, 300, SAMPLE, np.float64)
    squares = (y - network(Ridge(BUMP), theta, x)) ** 2
    assert np.isnan(seen[0][2])
    assert seen[1][2] == pytest.approx(squares[:3].mean(), rel=1e-5)
    assert seen[2][2] == pytest.approx(squares[3:].mean(), rel=1e-5)


def test_decay_schedule_and_noise_enter_the_step():
    neuron, schedule, size = Perceptron(Tanh()), Power(2.0, 0.0, 0.25), 0.01
    theta = np.random.default_rng(1).normal(size=(4, 7))
    x, y = sample(LAW, 2, 0, 1, SAMPLE, np.float64)
    after = run(
        theta, law=LAW, neuron=neuron, schedule=schedule, step_size=size, decay=0.3,
        inverse_temperature=5.0, snapshot_steps=[1], seed=2, precision="float64",
        record=lambda *_: None,
    )  # fmt: skip
    s = size * 2.0 * size**-0.25
    values, gradients = neuron.respond(theta, x[0])
    noise = normals(2, NOISE, 0, 1, 28).reshape(4, 7)
    expected = (
        (1 - 2 * 0.3 * s) * theta
        + 2 * s * (y[0] - values.mean()) * gradients
        + np.sqrt(4 * s / 5.0) * noise
    )
    np.testing.assert_allclose(after, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta0": np.zeros((3, 4))}, r"theta0 must have shape \(neurons, 5\).*\(3, 4\)"),
        ({"theta0": np.full((3, 5), 1e300)}, "theta0 must be finite in float32"),
        ({"step_size": 0.0}, "step_size must be positive"),
        ({"step_size": np.inf}, "step_size must be positive"),
        ({"snapshot_steps": []}, "snapshot_steps must be increasing"),
        ({"snapshot_steps": [3, 3]}, "snapshot_steps must be increasing"),
        ({"snapshot_steps": [-1, 3]}, "snapshot_steps must be increasing"),
        ({"seed": -1}, "seed must be an integer"),
        ({"precision": "float16"}, "precision must be"),
        ({"decay": -0.1}, "decay must be finite and at least 0"),
        ({"inverse_temperature": 0.0}, "inverse_temperature must be positive"),
        ({"inverse_temperature": np.nan}, "inverse_temperature must be positive"),
        ({"neuron": Perceptron(BUMP)}, r"theta0 must have shape \(neurons, 7\).*\(3, 5\)"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {
        "theta0": np.zeros((3, 5)), "law": LAW, "neuron": Ridge(BUMP), "schedule": Constant(),
        "step_size": 0.1, "snapshot_steps": [1], "seed": 0, "precision": "float32",
        "record": lambda *_: None,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message), np.errstate(over="ignore"):
        run(**(arguments | change))


def test_divergence_says_what_to_do_and_survives_pickling():
    error = pickle.loads(pickle.dumps(Divergence(120, 7, 0.05)))
    assert (error.step, error.seed) == (120, 7)
    assert "step 120 (t = 6), seed 7; lower sgd.step_size, now 0.05" in str(error)
