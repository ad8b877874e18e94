"""What fails for one point of a sweep fails in that point's own job alone."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from meanfield.sgd.reference import Divergence
from stand_in_gpu import in_step
from sweep_jobs import TOGETHER, Calls, equal, left_alone, make_sweep, stand_in_for_a_gpu


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    return left_alone(tmp_path_factory.mktemp("alone"), TOGETHER)


def test_a_sibling_that_cannot_be_prepared_is_named_and_left_to_its_own_job(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: Calls = []
    stand_in_for_a_gpu(monkeypatch, calls)
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
