"""One job trains the other points of its sweep in one call, and leaves them to their own jobs."""

import json
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from cuda_host import HostDevice
from meanfield import sweep
from meanfield.checkpoint import Pace
from meanfield.initial_data import draw_test_set
from meanfield.locks import held
from meanfield.sgd import cuda, cuda_blocked, cuda_replicas
from meanfield.sgd.cuda_kernels import Shape
from stand_in_gpu import KilledError, in_step
from sweep_jobs import (
    SWEPT,
    TOGETHER,
    Calls,
    equal,
    left_alone,
    make_sweep,
    stand_in_for_a_gpu,
)

LOG = logging.getLogger("test")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Stand in for a GPU, and note (Delta, seed) of the networks of every call."""
    seen: Calls = []
    stand_in_for_a_gpu(monkeypatch, seen)
    return seen


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note Delta of every test set that is drawn for another point."""
    seen: list[float] = []

    def draw(settings: Any, law: Any) -> Any:
        seen.append(law.delta)
        return draw_test_set(settings, law)

    monkeypatch.setattr(sweep, "draw_test_set", draw)
    return seen


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    return left_alone(tmp_path_factory.mktemp("alone"), SWEPT)


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
    monkeypatch.setattr(Pace, "is_due", True)
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
    drawn: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sweep, "HOST_BYTES", 52_000)
    points = make_sweep(tmp_path)
    with caplog.at_level(logging.INFO):
        for name in TOGETHER:
            equal(points.run(name), alone[name])
    # "start" has the law of "delta-0.5", and so its test set.
    assert calls[0] == [(0.3, 1), (0.3, 2), (0.3, 4), (0.5, 3), (0.5, 1), (0.5, 3), (0.5, 1)]
    assert [len(call) for call in calls] == [7, 3]
    assert drawn == [0.5]  # and none for "delta-0.8", for which there was no room
    assert "other points left to later jobs: 1, since all together would take" in caplog.text


def test_no_two_processes_train_a_point(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    calls: Calls,
    drawn: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    points = make_sweep(tmp_path)
    folder = points.siblings["delta-0.8"].folder
    with caplog.at_level(logging.INFO), held(folder, LOG, wait=False):
        equal(points.run("delta-0.3"), alone["delta-0.3"])
    assert "delta-0.8: another process is at it" in caplog.text
    assert [len(call) for call in calls] == [3 + 2 + 2]
    assert drawn == [0.5]  # and none for "delta-0.8"
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
