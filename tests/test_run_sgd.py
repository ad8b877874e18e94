"""The stage hands every setting of a run to the engine, and stores what comes back."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import xarray as xr

import generate_data
import run_sgd
from cuda_host import HostDevice
from meanfield import seeds
from meanfield.arrays import Backend
from meanfield.experiment import Experiment
from meanfield.laws import GaussianTeacher, IsotropicGaussians
from meanfield.locks import held
from meanfield.neurons import Perceptron, Ridge
from meanfield.sampling import Samples
from meanfield.schedules import Constant, Power
from meanfield.seeds import run_all
from meanfield.sgd.reference import Divergence
from meanfield.siblings import checkpoints_of
from meanfield.stage import LOG
from meanfield.store import Origin, read, write
from meanfield.training import Stopped
from meanfield.trajectory import Trajectory
from run_sgd import make_setup
from stand_in_gpu import KilledError

RIDGE: dict[str, Any] = {
    "law": {"kind": "isotropic_gaussians", "dimension": 6, "delta": 0.5},
    "neuron": {
        "kind": "ridge",
        "activation": {
            "kind": "piecewise_linear",
            "knots": [0.5, 1.5],
            "values": [-2.5, 7.5],
            "left_slope": 0.0,
            "right_slope": 0.0,
        },
    },
    "sgd": {
        "neurons": 4,
        "step_size": 1e-3,
        "schedule": {"kind": "constant", "value": 1.0},
        "decay": 0.0,
        "inverse_temperature": None,
        "precision": "float32",
        "store_path": False,
    },
}
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


@pytest.fixture
def initial() -> Samples:
    rng = np.random.default_rng(0)
    return Samples(rng.standard_normal((20, 6)).astype(np.float32), np.ones(20))


def test_a_run_with_a_reduction(initial: Samples) -> None:
    setup = make_setup(RIDGE, [0, 10], initial)
    assert isinstance(setup.law, IsotropicGaussians)
    assert isinstance(setup.neuron, Ridge)
    assert setup.schedule == Constant(1.0)
    assert (setup.decay, setup.inverse_temperature) == (0.0, np.inf)
    assert setup.problem is not None
    assert setup.test_set.invariants is not None


def test_a_run_with_two_invariants(initial: Samples) -> None:
    """The risk is split, but where the features would take too long."""
    law = {"kind": "anisotropic_gaussians", "dimension": 6, "informative": 2, "delta": 0.5}
    setup = make_setup({**RIDGE, "law": law, "neuron": {"kind": "relu"}}, [0, 10], initial)
    assert setup.problem is not None
    assert setup.test_set.invariants is not None
    assert setup.problem.invariant_names == ("a", "b", "r1", "r2")
    assert setup.test_set.invariants.shape == (20, 2)
    slow = {"kind": "perceptron", "activation": {"kind": "tanh"}}
    assert make_setup({**RIDGE, "law": law, "neuron": slow}, [0, 10], initial).problem is None


def test_a_noisy_run_without_one(initial: Samples) -> None:
    setup = make_setup(TEACHER, [0, 10], initial)
    assert isinstance(setup.law, GaussianTeacher)
    assert isinstance(setup.neuron, Perceptron)
    assert setup.schedule == Power(2.0, 0.0, 0.25)
    assert (setup.decay, setup.inverse_temperature) == (0.01, 50.0)
    assert (setup.precision, setup.keep_theta) == ("float64", True)
    assert setup.problem is None
    assert setup.test_set.invariants is None


def test_the_reason_is_raised_and_not_that_the_others_were_stopped() -> None:
    """Seed 1 fails after seed 0 has begun, which then stops because of it."""
    stop = Event()

    def trajectory(seed: int) -> Trajectory:
        if seed == 1:
            stop.set()
            raise Divergence(39, 1, 0.05)
        stop.wait()
        raise Stopped("stopped, because another seed failed")

    with pytest.raises(Divergence, match="step 39"):
        run_all(trajectory, [0, 1], 2, stop)


def prepared(folder: Path) -> dict[str, Any]:
    """Return the arguments of the stage for two seeds of 50 steps, with their initial data."""
    settings = {
        "title": "One",
        **{key: RIDGE[key] for key in ("law", "neuron")},
        "initial": {"kind": "gaussian", "scale": 0.8},
        "time": {"horizon": 0.05, "snapshots": [0, 0.05], "curve_points": 3},
        "sgd": {"neurons": 40, "step_size": 1e-3, "test_samples": 50},
    }
    resolved = Experiment.model_validate(settings).model_dump(mode="json") | {"seeds": [3, 1]}
    data = folder / "data.nc"
    origin = Origin("generate_data", "test", "base", resolved, "code", "digest")
    generate_data.main(settings=resolved, origin=origin, data=data)
    origin = replace(origin, stage="run_sgd")
    return {"settings": resolved, "origin": origin, "threads": 2, "data": data}


def test_what_another_process_stored_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It went on when Snakemake was killed; this one waits for its lock, and then looks."""
    arguments = prepared(tmp_path)
    origin, runs = arguments["origin"], tmp_path / "runs.nc"

    def train(*given: Any, **more: Any) -> None:
        raise KilledError

    monkeypatch.setattr(run_sgd, "run_point", train)
    with caplog.at_level(logging.INFO), ThreadPoolExecutor() as pool:
        with held(checkpoints_of(runs), LOG, wait=True):
            waiting = pool.submit(run_sgd.main, **arguments, runs=runs)
            while "waiting for it" not in caplog.text:
                assert not waiting.done()
            write(xr.Dataset(), runs, title="Another's", origin=origin, backend="numba")
            content = runs.read_bytes()
        waiting.result()
    assert caplog.messages[-1] == f"{runs}: another process has made it in the meantime"
    assert runs.read_bytes() == content
    assert not checkpoints_of(runs).exists()
    arguments["origin"] = replace(origin, digest="other")
    with pytest.raises(KilledError):
        run_sgd.main(**arguments, runs=runs)


def test_the_stage_runs_on_a_gpu_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The CUDA kernels on the CPU, in place of a GPU."""
    arguments = prepared(tmp_path)
    run_sgd.main(**arguments, runs=tmp_path / "cpu.nc", backend="cpu")
    toy = Backend("cupy", np, "GPU Toy")
    monkeypatch.setattr(seeds, "use_backend", lambda *asked, **reasons: nullcontext(toy))
    monkeypatch.setattr(seeds.cuda, "run", partial(seeds.cuda.run, device=HostDevice()))
    with caplog.at_level(logging.INFO):
        run_sgd.main(**arguments, runs=tmp_path / "gpu.nc", backend="cupy")
    assert "ran 2 seeds of 50 steps" in caplog.text
    assert "on GPU Toy into" in caplog.text
    cpu, gpu = read(tmp_path / "cpu.nc"), read(tmp_path / "gpu.nc")
    assert cpu.attrs["backend"] == "numba"
    assert (gpu.attrs["backend"], gpu.attrs["device"]) == ("cupy", "GPU Toy")
    assert gpu.attrs["result_digest"] == cpu.attrs["result_digest"]
    assert gpu.keys() == cpu.keys()
    for name in cpu:
        np.testing.assert_allclose(gpu[name], cpu[name], rtol=1e-4, atol=1e-5)
    assert np.abs(cpu.theta - read(arguments["data"]).theta).max() > 1e-3
    assert not list(tmp_path.glob("*.checkpoints"))
