"""One job trains the other points of its sweep in one call, and leaves them to their own jobs."""

import json
import logging
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import xarray as xr

import generate_data
import run_sgd
from cuda_host import HostDevice
from meanfield import seeds, sweep, training
from meanfield.arrays import Backend
from meanfield.digests import code_digest, settings_digest
from meanfield.experiment import Experiment
from meanfield.initial_data import draw_test_set
from meanfield.locks import held
from meanfield.nested import with_value
from meanfield.sgd import cuda, cuda_blocked, cuda_replicas
from meanfield.sgd.cuda_kernels import Shape
from meanfield.sgd.reference import Divergence
from meanfield.siblings import Sibling, packed
from meanfield.store import Origin, read
from stand_in_gpu import KilledError, in_step

LOG = logging.getLogger("test")
BASE: dict[str, Any] = {
    "title": "Toy",
    "law": {"kind": "isotropic_gaussians", "dimension": 6, "delta": 0.5},
    "neuron": {
        "kind": "ridge",
        "activation": {"kind": "piecewise_linear", "knots": [0.5, 1.5], "values": [-2.5, 7.5]},
    },
    "initial": {"kind": "gaussian", "scale": 0.8},
    "time": {"horizon": 1.28, "snapshots": [0, 0.064, 1.28], "curve_points": 2},
    "sgd": {"neurons": 20, "step_size": 1e-3, "test_samples": 50},
}
_DATA = tempfile.TemporaryDirectory(prefix="sweep-")
SWEPT: dict[str, dict[str, Any]] = {
    "delta-0.3": {"law.delta": 0.3},
    "delta-0.5": {},
    "delta-0.8": {"law.delta": 0.8, "sgd.test_samples": 60},
    "start": {"initial.scale": 0.4},
    "step": {"sgd.step_size": 2e-3},
    "width": {"sgd.neurons": 24},
    "dimension": {"law.dimension": 8},
}
TOGETHER = ("delta-0.3", "delta-0.5", "delta-0.8", "start")


class Sweep(NamedTuple):
    """An experiment whose jobs are called one by one, as Snakemake does."""

    siblings: dict[str, Sibling]

    def run(self, name: str, *, batch: str = "sweep", backend: str = "cupy") -> xr.Dataset:
        """Do the job of a point, and return its result."""
        origin, result = self.siblings[name]
        data = Path(_DATA.name) / f"{origin.digest}.nc"
        if not data.exists():
            generate_data.main(settings=origin.settings, origin=origin, data=data)
        result.unlink(missing_ok=True)  # as Snakemake does before a job
        run_sgd.main(
            settings=origin.settings, origin=origin, threads=2, data=data, runs=result,
            backend=backend, siblings=packed(self.siblings.values()) if batch == "sweep" else b"",
        )  # fmt: skip
        return read(result)


def make_sweep(root: Path, **changes: dict[str, Any]) -> Sweep:
    """Return a sweep of seven points; four of them can share a launch."""
    siblings = {}
    for index, (name, change) in enumerate({**SWEPT, **changes}.items()):
        raw = BASE
        for key, value in change.items():
            raw = with_value(raw, tuple(key.split(".")), value)
        settings = Experiment.model_validate(raw).model_dump(mode="json")
        settings["seeds"] = [3, 1] if index % 2 else [1, 2, 4]
        digest = settings_digest(settings)
        origin = Origin("run_sgd", "toy", name, settings, code_digest("run_sgd.py"), digest)
        siblings[name] = Sibling(origin, root / "runs" / f"{name}.nc")
    return Sweep(siblings)


Calls = list[list[tuple[float, int]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Stand in for a GPU, and note (Delta, seed) of the networks of every call."""
    seen: Calls = []
    stand_in_for_a_gpu(monkeypatch, seen)
    return seen


def stand_in_for_a_gpu(
    patch: pytest.MonkeyPatch, seen: Calls, run: Callable[..., Any] = in_step
) -> None:
    def noted(theta0: Any, **arguments: Any) -> Any:
        deltas = [law.delta for law in arguments["law"]]
        seen.append(list(zip(deltas, arguments["seeds"], strict=True)))
        return run(theta0, **arguments)

    toy = Backend("cupy", np, "GPU Toy")
    patch.setattr(seeds, "use_backend", lambda *asked, **reasons: nullcontext(toy))
    patch.setattr(seeds.cuda, "run", noted)


def equal(found: xr.Dataset, expected: xr.Dataset) -> None:
    """Hold all of a result to another one, bit for bit."""
    xr.testing.assert_identical(found, expected)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    """Return what every point's job leaves by itself."""
    with pytest.MonkeyPatch.context() as patch:
        stand_in_for_a_gpu(patch, [])
        points = make_sweep(tmp_path_factory.mktemp("alone"))
        return {name: points.run(name, batch="point") for name in points.siblings}


def test_a_sweep_is_one_call_and_leaves_what_its_points_leave_alone(
    alone: dict[str, xr.Dataset], tmp_path: Path, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    points = make_sweep(tmp_path)
    with caplog.at_level(logging.INFO):
        equal(points.run("delta-0.5"), alone["delta-0.5"])
    # Its own networks first, then those of the points that can share a launch.
    networks = {0.3: (1, 2, 4), 0.5: (3, 1), 0.8: (1, 2, 4)}
    assert calls == [[(delta, seed) for delta in (0.5, 0.3, 0.8, 0.5) for seed in networks[delta]]]
    assert "together with 3 other points: delta-0.3, delta-0.8, start" in caplog.text
    for name in points.siblings:
        found = points.run(name)
        equal(found, alone[name])
        assert (found.attrs["backend"], found.attrs["device"]) == ("cupy", "GPU Toy")
        assert found.attrs["result_digest"] == points.siblings[name].origin.digest
    # "delta-0.5" was asked for once more, and three points go by themselves.
    assert [len(call) for call in calls[1:]] == [2, 3, 2, 3]
    assert not list(tmp_path.rglob("*.checkpoints"))


def test_what_is_up_to_date_is_not_trained_again(
    alone: dict[str, xr.Dataset], tmp_path: Path, calls: Calls
) -> None:
    points = make_sweep(tmp_path)
    points.run("delta-0.3", batch="point")
    stale = points.siblings["start"]
    points.siblings["start"] = stale._replace(origin=replace(stale.origin, digest="old"))
    points.run("start", batch="point")
    points.siblings["start"] = stale
    equal(points.run("delta-0.8"), alone["delta-0.8"])
    assert [len(call) for call in calls] == [3, 2, 3 + 2 + 2]
    assert not points.siblings["delta-0.3"].folder.exists()
    equal(points.run("start"), alone["start"])
    assert len(calls) == 3


def test_a_killed_sweep_goes_on_in_whatever_job_is_next(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL", 0.0)
    points = make_sweep(tmp_path)
    calls: Calls = []
    with monkeypatch.context() as patch:
        stand_in_for_a_gpu(patch, calls, partial(in_step, kill_at=640))
        with pytest.raises(KilledError):
            points.run("delta-0.5")
    stand_in_for_a_gpu(monkeypatch, calls)
    with caplog.at_level(logging.INFO):
        for name in reversed(TOGETHER):
            equal(points.run(name), alone[name])
    assert [len(call) for call in calls] == [10, 10]
    assert "10 of 10 networks: continued from step 640" in caplog.text


def test_a_sweep_that_does_not_fit_is_split(
    alone: dict[str, xr.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(theta0: Any, **arguments: Any) -> Any:
        if len(theta0) > 3:
            raise MemoryError("too much")
        return in_step(theta0, **arguments)

    calls: Calls = []
    stand_in_for_a_gpu(monkeypatch, calls, small)
    points = make_sweep(tmp_path)
    for name in TOGETHER:
        equal(points.run(name), alone[name])
    assert [len(call) for call in calls] == [10, 5, 2, 3, 5, 2, 3]


def test_the_computer_s_memory_bounds_what_is_taken(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    drawn: list[float] = []

    def draw(settings: Any, law: Any) -> Any:
        drawn.append(law.delta)
        return draw_test_set(settings, law)

    monkeypatch.setattr(sweep, "HOST_BYTES", 52_000)
    monkeypatch.setattr(sweep, "draw_test_set", draw)
    points = make_sweep(tmp_path)
    with caplog.at_level(logging.INFO):
        for name in TOGETHER:
            equal(points.run(name), alone[name])
    # "start" has the law of "delta-0.5", and so its test set.
    assert calls[0] == [(0.3, 1), (0.3, 2), (0.3, 4), (0.5, 3), (0.5, 1), (0.5, 3), (0.5, 1)]
    assert [len(call) for call in calls] == [7, 3]
    assert drawn == [0.5]  # and none for "delta-0.8", for which there was no room
    assert "other points left to later jobs: 1, since all together would take" in caplog.text


def test_a_sibling_that_cannot_be_prepared_is_named_and_left_to_its_own_job(
    alone: dict[str, xr.Dataset], tmp_path: Path, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    points = make_sweep(tmp_path)
    good = points.siblings["delta-0.8"]
    points.siblings["delta-0.8"] = good._replace(origin=replace(good.origin, code="edited"))
    with caplog.at_level(logging.WARNING):
        equal(points.run("delta-0.3"), alone["delta-0.3"])
    assert [len(call) for call in calls] == [3 + 2 + 2]
    assert "delta-0.8: left to its own job: RuntimeError: the code of run_sgd was" in caplog.text
    assert not good.folder.exists()


def test_a_sibling_that_diverges_fails_in_its_own_job_alone(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def diverging(theta0: Any, **arguments: Any) -> Any:
        for index, (theta, seed) in enumerate(zip(theta0, arguments["seeds"], strict=True)):
            if np.abs(theta).max() > 1e3:
                raise Divergence(39, seed, 1e-3, index)
        return in_step(theta0, **arguments)

    calls: Calls = []
    stand_in_for_a_gpu(monkeypatch, calls, diverging)
    points = make_sweep(tmp_path, start={"initial.scale": 1e5})
    with caplog.at_level(logging.WARNING):
        equal(points.run("delta-0.3"), alone["delta-0.3"])
    assert "start: left to its own job: SGD diverged" in caplog.text
    assert [len(call) for call in calls] == [10, 8]
    for name in ("delta-0.5", "delta-0.8"):
        equal(points.run(name), alone[name])
    assert len(calls) == 2
    with pytest.raises(Divergence, match=r"step 39 .*seed 3"):
        points.run("start")


def test_a_sibling_without_room_fails_in_its_own_job_alone(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(theta0: Any, **arguments: Any) -> Any:
        if any(law.delta == 0.8 for law in arguments["law"]):
            raise MemoryError("too much")
        return in_step(theta0, **arguments)

    calls: Calls = []
    stand_in_for_a_gpu(monkeypatch, calls, full)
    points = make_sweep(tmp_path)
    with caplog.at_level(logging.WARNING):
        equal(points.run("delta-0.3"), alone["delta-0.3"])
    assert "delta-0.8: left to its own job: too much" in caplog.text
    before = len(calls)
    for name in ("delta-0.5", "start"):
        equal(points.run(name), alone[name])
    assert len(calls) == before
    with pytest.raises(MemoryError, match="too much"):
        points.run("delta-0.8")


def test_a_failure_of_nobody_knows_whom_leaves_every_point_to_its_own_job(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As when a user's function cannot draw the data of one point."""

    def failing(theta0: Any, **arguments: Any) -> Any:
        if any(law.delta == 0.8 for law in arguments["law"]):
            raise ValueError("x must be finite")
        return in_step(theta0, **arguments)

    calls: Calls = []
    stand_in_for_a_gpu(monkeypatch, calls, failing)
    points = make_sweep(tmp_path)
    with caplog.at_level(logging.WARNING):
        equal(points.run("delta-0.3"), alone["delta-0.3"])
    assert "3 other points: left to their own jobs: ValueError: x must be finite" in caplog.text
    assert [len(call) for call in calls] == [10, 3]
    with pytest.raises(ValueError, match="x must be finite"):
        points.run("delta-0.8")
    assert [len(call) for call in calls] == [10, 3, 3 + 2 + 2, 3]


def test_no_two_processes_train_a_point(
    alone: dict[str, xr.Dataset], tmp_path: Path, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    points = make_sweep(tmp_path)
    folder = points.siblings["delta-0.8"].folder
    with caplog.at_level(logging.INFO), held(folder, LOG, wait=False):
        equal(points.run("delta-0.3"), alone["delta-0.3"])
    assert "delta-0.8: another process is at it" in caplog.text
    assert [len(call) for call in calls] == [3 + 2 + 2]
    assert not folder.exists()


def test_on_a_cpu_a_point_is_run_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points = make_sweep(tmp_path)
    with caplog.at_level(logging.INFO):
        points.run("delta-0.3", backend="cpu")
    assert "batch: sweep does not count on the CPU: the point is run by itself" in caplog.text
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["delta-0.3.nc"]


@pytest.mark.parametrize("form", ["resident", "blocked"])
def test_the_kernels_leave_the_same_bits_in_a_sweep(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CUDA kernels, on the CPU in place of a GPU."""
    if form == "blocked":
        monkeypatch.setattr(cuda_replicas, "resident_shape", lambda *shape: None)
        monkeypatch.setattr(cuda_blocked, "recurrence_shape", lambda *shape: Shape(32, 1))
    short = {"time.horizon": 0.07, "time.snapshots": [0, 0.01, 0.07]}
    changes = {name: dict(short) for name in ("delta-0.5", "start")}
    changes["delta-0.8"] = {**short, "law.delta": 0.8}
    kernels = partial(cuda.run, device=HostDevice())
    calls: Calls = []
    stand_in_for_a_gpu(monkeypatch, calls, kernels)
    apart, together = (make_sweep(tmp_path / name, **changes) for name in ("apart", "together"))
    for name in changes:
        equal(together.run(name), apart.run(name, batch="point"))
    assert [len(call) for call in calls] == [7, 2, 2, 3]
    assert json.loads(together.run("start").attrs["seeds"]) == [3, 1]
