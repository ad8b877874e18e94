from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meanfield import schedules
from meanfield.activations import Pieces, PiecewiseLinear, Tanh
from meanfield.laws import IsotropicGaussians, Law
from meanfield.neurons import Perceptron, Ridge
from meanfield.random import SAMPLE
from meanfield.sampling import sample
from meanfield.sgd import engine, reference
from meanfield.sgd.microkernels import BLOCK
from meanfield.sgd.reference import Divergence
from sample_laws import laws
from sgd_runs import FLAT, NEURONS, NOISY_NEURONS, SCHEDULES, VARIANTS, initial, run


def assert_equal_to_rounding(**arguments):
    # A step multiplies the error of its prediction by about 1 - 2 s sigma'^2 |x|^2: with s |x|^2 of
    # order 1 SGD itself would amplify the rounding of either side.
    fast, fast_means = run(engine, **arguments)
    plain, plain_means = run(reference, **arguments)
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-12 * max(1, np.abs(plain).max()))
    np.testing.assert_allclose(fast_means, plain_means, rtol=1e-12)


EXAMPLES = st.fixed_dictionaries(
    {
        "neurons": st.integers(1, 200),
        "law": st.one_of(
            st.builds(IsotropicGaussians, st.integers(1, 50), st.sampled_from([0.0, 0.2, 0.8])),
            st.sampled_from(laws()),
        ),
        "schedule": st.sampled_from(SCHEDULES),
        "decay": st.sampled_from([0.0, 0.3, 40.0]),
        "seed": st.integers(0, 2**64 - 1),
    }
)
CORNERS = (
    {"neurons": 1, "law": IsotropicGaussians(1, 0.0), "schedule": SCHEDULES[0], "decay": 0.0,
     "seed": 0},
    {"neurons": 161, "law": IsotropicGaussians(41, 0.2), "schedule": SCHEDULES[1], "decay": 0.3,
     "seed": 2**64 - 1},
    {"neurons": 96, "law": IsotropicGaussians(10, 0.5), "schedule": SCHEDULES[2], "decay": 0.0,
     "seed": 2**32},
)  # fmt: skip


def test_the_examples_are_of_every_kind():
    kinds = {(type(neuron), isinstance(neuron.activation, Pieces)) for neuron in NEURONS}
    assert kinds == {(neuron, pieces) for neuron in (Ridge, Perceptron) for pieces in (True, False)}
    assert {type(neuron) for neuron in NEURONS} == {type(neuron) for neuron in NOISY_NEURONS}
    assert {type(law) for law in laws()} == set(get_args(Law))
    assert {type(schedule) for schedule in SCHEDULES} == {
        kind for kind, _ in schedules._KINDS.values()
    }


@settings(max_examples=60)
@example(case=CORNERS[0], neuron=NEURONS[0], steps=1)
@example(case=CORNERS[1], neuron=NEURONS[3], steps=333)
@example(case=CORNERS[2], neuron=NEURONS[1], steps=64)
@given(case=EXAMPLES, neuron=st.sampled_from(NEURONS), steps=st.integers(0, 150))
def test_the_iterates_are_those_of_the_reference(case, neuron, steps):
    step_size = 2e-4 / (case["law"].dimension + 4)
    assert_equal_to_rounding(
        **case, neuron=neuron, step_size=step_size, snapshot_steps=(steps // 3, steps + 1)
    )


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: type(n.activation).__name__)
def test_every_kernel_gives_the_iterates_of_the_reference(neuron):
    assert_equal_to_rounding(
        neuron=neuron, neurons=45, dimension=7, decay=0.3, schedule=SCHEDULES[1], step_size=1e-4,
        snapshot_steps=(32, 77),
    )  # fmt: skip


@settings(max_examples=15)
@example(case=CORNERS[1], neuron=NOISY_NEURONS[1], steps=70, beta=0.5)
@given(
    case=EXAMPLES, neuron=st.sampled_from(NOISY_NEURONS), steps=st.integers(0, 40),
    beta=st.sampled_from([0.5, 100.0]),
)  # fmt: skip
def test_noisy_iterates_are_those_of_the_reference(case, neuron, steps, beta):
    step_size = 2e-4 / (case["law"].dimension + 4)
    assert_equal_to_rounding(
        **case, neuron=neuron, step_size=step_size, inverse_temperature=beta,
        snapshot_steps=(steps // 3, steps + 1),
    )  # fmt: skip


def test_noise_reaches_the_stationary_variance():
    # With sigma = 0 a step is theta <- gamma theta + sqrt(4 s / beta) g, gamma = 1 - 2 lambda s,
    # whose stationary variance is (4 s / beta) / (1 - gamma^2) exactly.
    size, decay, beta = 0.05, 1.0, 3.0
    theta, _ = run(
        neuron=Ridge(FLAT), neurons=4001, dimension=5, step_size=size, decay=decay,
        inverse_temperature=beta, snapshot_steps=(300,),
    )  # fmt: skip
    variance = 4 * size / beta / (1 - (1 - 2 * decay * size) ** 2)
    values = theta[-1].ravel()
    assert abs(values.mean()) < 3 * np.sqrt(variance / values.size)
    assert abs(np.mean(values**2) - variance) < 3 * variance * np.sqrt(2 / values.size)


def test_float32_is_the_reference_to_rounding():
    size = 2e-4
    arguments: dict[str, Any] = {"neurons": 801, "dimension": 41, "precision": "float32"}
    fast, plain = (
        run(module, **arguments, step_size=size, snapshot_steps=(400,))[0][-1].astype(np.float64)
        for module in (engine, reference)
    )
    error = np.abs(fast - plain)
    assert np.mean(error > 2e-6) < 1e-3
    # A z within rounding of a knot may fall on either side of it.  Each such flip moves the weights
    # of one neuron by 2 s |y - yhat| |jump| |x|, where |y - yhat| < 6, |jump| = 10, |x_j| < 9.
    assert error.max() < 3 * (2 * size * 6 * 10 * 9)


SMOOTH = Perceptron(Tanh())


@settings(max_examples=30)
@example(case=CORNERS[1], neuron=SMOOTH, steps=333)
@example(case=CORNERS[1], neuron=NEURONS[0], steps=333)
@given(case=EXAMPLES, neuron=st.sampled_from([NEURONS[0], SMOOTH]), steps=st.integers(0, 150))
def test_float32_is_the_reference_to_rounding_whatever_the_size(case, neuron, steps):
    size = 2e-4 / (case["law"].dimension + 4)
    fast, plain = (
        run(module, **case, neuron=neuron, step_size=size, precision="float32",
            snapshot_steps=(steps + 1,))[0][-1].astype(np.float64)
        for module in (engine, reference)
    )  # fmt: skip
    error = np.abs(fast - plain).max(axis=1)
    # A step of either side rounds by half a unit in the last place, twice with weight decay, and so
    # is its factor rounded; where steps are all alike, so are their roundings.
    rounding = 4 * (steps + 1) * 2.0**-24 * max(1, np.abs(plain).max())
    # Flips of knots, see above, move the weights of few neurons.
    flipped = error > rounding
    assert flipped.sum() <= (2 if neuron is NEURONS[0] else 0)
    x, y = sample(case["law"], case["seed"], 0, steps + 1, SAMPLE)
    assert np.all(error <= rounding + 2 * size * (np.abs(y).max() + 7.5) * 10 * np.abs(x).max())


def test_float32_without_knots_is_the_reference_to_rounding():
    arguments: dict[str, Any] = {
        "neurons": 101, "dimension": 41, "precision": "float32", "decay": 0.3,
        "neuron": SMOOTH, "step_size": 2e-4,
    }  # fmt: skip
    fast, plain = (
        run(module, **arguments, snapshot_steps=(400,))[0][-1].astype(np.float64)
        for module in (engine, reference)
    )
    # 400 roundings, half a unit in the last place of 4 each, add up like a random walk.
    assert np.abs(fast - plain).max() < 4 * np.sqrt(400) * 2.0**-22


@pytest.mark.parametrize("variant", VARIANTS)
def test_snapshot_times_change_no_bits(variant):
    alone, _ = run(snapshot_steps=(101,), **variant)
    often, _ = run(snapshot_steps=(0, 1, 31, 32, 33, 64, 95, 101), **variant)
    longer, _ = run(snapshot_steps=(101, 150), **variant)
    assert np.array_equal(alone[-1], often[-1])
    assert np.array_equal(alone[-1], longer[0])
    assert np.array_equal(often[3], run(snapshot_steps=(32,), **variant)[0][-1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_interruptions_for_air_change_no_bits(monkeypatch, variant):
    whole, means = run(snapshot_steps=(50, 101), **variant)
    monkeypatch.setattr(engine, "_CHUNK_BYTES", 1)
    pieces, means_of_pieces = run(snapshot_steps=(50, 101), **variant)
    assert np.array_equal(whole, pieces)
    assert np.array_equal(means, means_of_pieces)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_continues_from_any_state_with_the_same_bits(monkeypatch, variant):
    steps = (0, 7, 64, 101, 130)
    whole, means = run(snapshot_steps=steps, **variant)
    # As often as may be: at every block, with noise at every step.
    monkeypatch.setattr(engine, "_CALL_WORK", 1)
    monkeypatch.setattr(engine, "_NOISY_CALL_WORK", 1)
    states = []
    run(snapshot_steps=steps, pulse=lambda step, state: states.append(state()), **variant)
    noisy = "inverse_temperature" in variant
    assert [state.step for state in states] == list(
        range(1, 131) if noisy else range(BLOCK, 129, BLOCK)
    )
    for state in states[:: 9 if noisy else 1]:
        again, means_again = run(snapshot_steps=steps, start=state, **variant)
        assert np.array_equal(again, whole[state.recorded :])
        assert np.array_equal(means_again, means[state.recorded :])


def test_calls_into_compiled_code_are_short_whatever_the_size():
    def pace(neurons, dimension, beta):
        theta = np.broadcast_to(np.float32(0), (neurons, dimension))
        law, neuron = IsotropicGaussians(dimension, 0.5), NEURONS[0]
        return engine._Runner(neuron, law, SCHEDULES[0], 1e-6, 0.0, beta, 1, theta).pace

    assert pace(10**5, 1000, np.inf) == BLOCK
    assert pace(10**5, 1000, 1.0) == 1
    for beta in (np.inf, 1.0):
        assert pace(800, 40, beta) >= 1024


def test_threads_change_no_bits():
    seeds = range(6)

    def last(seed):
        return run(seed=seed, precision="float32", snapshot_steps=(2001,))[0][-1]

    serial = [last(seed) for seed in seeds]
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(last, seeds))
    assert all(np.array_equal(a, b) for a, b in zip(serial, threaded, strict=True))


def test_the_initial_weights_and_the_records_are_left_alone():
    theta = initial(NEURONS[0], 70, 9, 5)
    before = theta.copy()

    def spoil(step, weights, mean_square_residual):
        weights[:] = np.nan

    last = engine.run(
        theta, law=IsotropicGaussians(9, 0.8), neuron=NEURONS[0], schedule=SCHEDULES[0],
        step_size=2e-3, snapshot_steps=[0, 40, 64, 101], seed=5, precision="float64", record=spoil,
    )  # fmt: skip
    assert np.array_equal(theta, before)
    assert np.array_equal(last, run()[0][-1])


# As many pieces as STEP, and flat ones among them too, so that no more is compiled.
UNBOUNDED = Ridge(PiecewiseLinear((0.0, 1.0), (0.0, 1.5), left_slope=0.0, right_slope=1.5))


def outcome(module, steps, precision):
    try:
        run(module, neuron=UNBOUNDED, step_size=0.5, snapshot_steps=(steps,), precision=precision)
    except Divergence as error:
        return error.step, error.seed, str(error)
    return None


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_divergence_is_reported_at_the_same_step(precision):
    found = outcome(reference, 10_000, precision)
    assert found is not None
    step, seed, message = found
    assert seed == 5
    assert f"step {step} (t = {0.5 * step:g}), seed 5; lower sgd.step_size, now 0.5" in message
    assert outcome(engine, 10_000, precision) == found
    # The end of the run may fall on the step before, on it, or in the middle of its block.
    for steps in (step - 1, step, step + 1):
        assert outcome(engine, steps, precision) == outcome(reference, steps, precision)
    assert outcome(engine, step + 1, precision) == found


def test_weights_that_overflow_at_the_last_step_are_reported():
    # The prediction is finite, the update is not: 2 s |x| exceeds the range.
    huge: dict[str, Any] = {
        "neuron": UNBOUNDED,
        "step_size": 1e38,
        "precision": "float32",
        "dimension": 40,
    }
    errors = []
    for module in (reference, engine):
        with pytest.raises(Divergence) as caught, np.errstate(over="ignore"):
            run(module, **huge, snapshot_steps=(1,))
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    assert "at step 1 " in errors[0]


def test_blocks_are_part_of_the_specification():
    assert BLOCK == 32
