"""The stage hands every setting of a run to the engine, and stores what comes back."""

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
import xarray as xr

import generate_data
import run_sgd
from cuda_host import HostDevice
from meanfield import seeds
from meanfield.arrays import Backend
from meanfield.digests import SCRIPTS
from meanfield.experiment import Experiment
from meanfield.locks import held
from meanfield.seeds import run_all
from meanfield.sgd.reference import Divergence
from meanfield.siblings import checkpoints_of
from meanfield.stage import LOG
from meanfield.store import Origin, read, write
from meanfield.training import Stopped
from meanfield.trajectory import Trajectory
from sample_settings import RIDGE
from stand_in_gpu import KilledError


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

    monkeypatch.setattr(seeds, "run_point", train)
    with caplog.at_level(logging.INFO), ThreadPoolExecutor() as pool:
        with held(checkpoints_of(runs), LOG, wait=True):
            waiting = pool.submit(run_sgd.main, **arguments, runs=runs)
            deadline = monotonic() + 60
            while "waiting for it" not in caplog.text:
                assert not waiting.done()
                assert monotonic() < deadline
                sleep(0.001)
            write(xr.Dataset(), runs, title="Another's", origin=origin, backend="numba")
            content = runs.read_bytes()
        waiting.result()
    assert caplog.messages[-1] == f"{runs}: another process has made it in the meantime"
    assert runs.read_bytes() == content
    assert not checkpoints_of(runs).exists()
    arguments["origin"] = replace(origin, digest="other")
    with pytest.raises(KilledError):
        run_sgd.main(**arguments, runs=runs)


def test_a_job_that_only_stores_loads_no_compiled_code() -> None:
    """Most jobs of a sweep on a GPU do: a launch has trained their points before."""
    code = "import sys, run_sgd; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SCRIPTS)}, check=True)


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
    assert "on GPU Toy, 2 thread(s), into" in caplog.text
    cpu, gpu = read(tmp_path / "cpu.nc"), read(tmp_path / "gpu.nc")
    assert cpu.attrs["backend"] == "numba"
    assert (gpu.attrs["backend"], gpu.attrs["device"]) == ("cupy", "GPU Toy")
    assert gpu.attrs["result_digest"] == cpu.attrs["result_digest"]
    assert gpu.keys() == cpu.keys()
    for name in cpu:
        np.testing.assert_allclose(gpu[name], cpu[name], rtol=1e-4, atol=1e-5)
    assert np.abs(cpu.theta - read(arguments["data"]).theta).max() > 1e-3
    assert not list(tmp_path.glob("*.checkpoints"))
