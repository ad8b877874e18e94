import hashlib
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import meanfield
from meanfield.activations import PiecewiseLinear
from meanfield.initial import Gaussian, Initial
from meanfield.laws import IsotropicGaussians
from meanfield.sgd import blocks, engine, reference
from meanfield.sgd.reference import Divergence

STEP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
ACTIVATIONS = (
    PiecewiseLinear((0.1,), (0.3,), left_slope=-0.2, right_slope=1.0),
    STEP,
    PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5)),
    PiecewiseLinear((-1.0, -0.2, 0.4, 1.0), (1.0, -1.0, 2.0, 0.5), right_slope=-0.3),
)


def run(
    module=engine, *, neurons=70, dimension=9, delta=0.8, activation=STEP, step_size=2e-3,
    snapshot_steps=(101,), seed=5, precision="float64",
):  # fmt: skip
    """Weights at the snapshots, then at the end."""
    seen = []
    last = module.run(
        Initial(Gaussian(0.8)).draw(seed, neurons, dimension),
        law=IsotropicGaussians(dimension, delta),
        activation=activation, step_size=step_size, snapshot_steps=snapshot_steps, seed=seed,
        precision=precision, record=lambda step, theta: seen.append(theta),
    )  # fmt: skip
    assert last.dtype == precision
    assert last.shape == (neurons, dimension)
    assert np.array_equal(last, seen[-1])
    return np.array(seen)


@settings(deadline=None, max_examples=25)
@example(neurons=1, dimension=1, steps=1, activation=STEP, delta=0.0, seed=0)
@example(neurons=161, dimension=41, steps=333, activation=ACTIVATIONS[3], delta=0.2, seed=2**64 - 1)
@example(neurons=320, dimension=8, steps=64, activation=ACTIVATIONS[2], delta=0.5, seed=2**32)
@given(
    neurons=st.integers(1, 400),
    dimension=st.integers(1, 50),
    steps=st.integers(0, 150),
    activation=st.sampled_from(ACTIVATIONS),
    delta=st.sampled_from([0.0, 0.2, 0.8]),
    seed=st.integers(0, 2**64 - 1),
)
def test_the_iterates_are_those_of_the_reference(
    neurons, dimension, steps, activation, delta, seed
):
    # A step multiplies the error of its prediction by about 1 - 2 s sigma'^2 |x|^2: with s |x|^2 of
    # order 1 SGD itself would amplify the rounding of either side.
    arguments = {
        "neurons": neurons, "dimension": dimension, "activation": activation, "delta": delta,
        "snapshot_steps": (steps // 3, steps + 1), "seed": seed,
        "step_size": 1e-3 / (dimension + 4),
    }  # fmt: skip
    fast = run(engine, **arguments)
    plain = run(reference, **arguments)
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-12 * max(1, np.abs(plain).max()))


def test_float32_is_the_reference_to_rounding():
    size, arguments = 2e-4, {"neurons": 801, "dimension": 41, "precision": "float32"}
    fast, plain = (
        run(module, **arguments, step_size=size, snapshot_steps=(400,))[-1].astype(np.float64)
        for module in (engine, reference)
    )
    error = np.abs(fast - plain)
    assert np.mean(error > 2e-6) < 1e-3
    # A z within rounding of a knot may fall on either side of it.  Each such flip moves the weights
    # of one neuron by 2 s |y - yhat| |jump| |x|, where |y - yhat| < 6, |jump| = 10, |x_j| < 9.
    assert error.max() < 3 * (2 * size * 6 * 10 * 9)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_snapshot_times_change_no_bits(precision):
    alone = run(snapshot_steps=(101,), precision=precision)
    often = run(snapshot_steps=(0, 1, 31, 32, 33, 64, 95, 101), precision=precision)
    longer = run(snapshot_steps=(101, 150), precision=precision)
    assert np.array_equal(alone[-1], often[-1])
    assert np.array_equal(alone[-1], longer[0])
    assert np.array_equal(often[3], run(snapshot_steps=(32,), precision=precision)[-1])


def test_interruptions_for_air_change_no_bits(monkeypatch):
    whole = run(snapshot_steps=(101,))
    monkeypatch.setattr(engine, "_STEPS_PER_CALL", blocks.BLOCK)
    assert np.array_equal(whole, run(snapshot_steps=(101,)))


def test_threads_change_no_bits():
    seeds = range(6)
    serial = [run(seed=seed, precision="float32", snapshot_steps=(2001,)) for seed in seeds]
    with ThreadPoolExecutor(2) as pool:
        threaded = list(
            pool.map(lambda s: run(seed=s, precision="float32", snapshot_steps=(2001,)), seeds)
        )
    assert all(np.array_equal(a, b) for a, b in zip(serial, threaded, strict=True))


def test_the_initial_weights_and_the_records_are_left_alone():
    theta = Initial(Gaussian(0.8)).draw(5, 70, 9)
    before = theta.copy()

    def spoil(step, weights):
        weights[:] = np.nan

    last = engine.run(
        theta, law=IsotropicGaussians(9, 0.8), activation=STEP, step_size=2e-3,
        snapshot_steps=[0, 40, 64, 101], seed=5, precision="float64", record=spoil,
    )  # fmt: skip
    assert np.array_equal(theta, before)
    assert np.array_equal(last, run()[-1])


UNBOUNDED = PiecewiseLinear((0.0,), (0.0,), left_slope=1.0, right_slope=1.5)


def outcome(module, steps, precision):
    try:
        run(module, activation=UNBOUNDED, step_size=0.5, snapshot_steps=(steps,),
            precision=precision)  # fmt: skip
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
    huge = {"activation": UNBOUNDED, "step_size": 1e38, "precision": "float32", "dimension": 40}
    errors = []
    for module in (reference, engine):
        with pytest.raises(Divergence) as caught, np.errstate(over="ignore"):
            run(module, **huge, snapshot_steps=(1,))
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    assert "at step 1 " in errors[0]


def digest():
    """Hash of the weights of two short runs."""
    precisions = ("float32", "float64")
    weights = [run(precision=precision, neurons=170).tobytes() for precision in precisions]
    return hashlib.sha256(b"".join(weights)).hexdigest()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 CPUs")
@pytest.mark.parametrize(
    ("cpu", "features"), [("x86-64", "+sse2"), ("haswell", "+avx2,+fma")], ids=["sse2", "avx2"]
)
def test_the_bits_do_not_depend_on_the_cpu(cpu, features):
    folders = [str(Path(meanfield.__file__).parents[1]), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", "import test_engine; print(test_engine.digest())"],
        env={**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features,
             "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == digest()
