"""One job solves the limits of the other points of its sweep, and leaves them to their own jobs."""

import logging
from pathlib import Path
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
import xarray as xr

import solve_dd
from meanfield import limit_sweep
from meanfield.arrays import Backend
from meanfield.digests import code_digest, settings_digest
from meanfield.experiment import Experiment
from meanfield.flow_control import FlowError
from meanfield.nested import with_value
from meanfield.siblings import Sibling, packed
from meanfield.store import Origin, read

BASE: dict[str, Any] = {
    "title": "Toy",
    "law": {"kind": "isotropic_gaussians", "dimension": 10, "delta": 0.5},
    "neuron": {
        "kind": "ridge",
        "activation": {"kind": "piecewise_linear", "knots": [0.5, 1.5], "values": [-2.5, 7.5]},
    },
    "initial": {"kind": "gaussian", "scale": 0.8},
    "time": {"horizon": 0.2, "snapshots": [0, 0.2], "curve_points": 3},
    "sgd": {"neurons": 8, "step_size": 1e-3},
    "dd": {"atoms": 12, "nodes": 6, "tolerance": 1e-4},
}
SWEPT: dict[str, dict[str, Any]] = {
    "delta-0.2": {"law.delta": 0.2},
    "delta-0.5": {},
    "start": {"initial.scale": 0.4},
    "atoms": {"dd.atoms": 10},
}
Siblings = dict[str, Sibling]


def sweep(root: Path) -> Siblings:
    siblings = {}
    for name, change in SWEPT.items():
        raw = BASE
        for key, value in change.items():
            raw = with_value(raw, tuple(key.split(".")), value)
        settings = Experiment.model_validate(raw).model_dump(mode="json")
        digest = settings_digest(settings)
        origin = Origin("solve_dd", "toy", name, settings, code_digest("solve_dd.py"), digest)
        siblings[name] = Sibling(origin, root / f"{name}.nc")
    return siblings


def solved(points: Siblings, name: str, *, batch: str = "sweep") -> xr.Dataset:
    """Do the job of a point, and return its result."""
    origin, result = points[name]
    solve_dd.main(
        settings=origin.settings, origin=origin, limit=result, backend="cupy",
        siblings=packed(points.values()) if batch == "sweep" else b"",
    )  # fmt: skip
    return read(result)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stand in for a GPU by a strict array namespace, and note how many flows each call solves."""
    seen: list[int] = []
    solve = limit_sweep.solve_together

    def noted(problems: Any, starts: Any, times: Any, **more: Any) -> Any:
        seen.append(len(starts))
        return solve(problems, starts, times, **more)

    toy = Backend("cupy", strict, "GPU Toy")
    monkeypatch.setattr(limit_sweep, "choose_backend", lambda *asked, **reasons: toy)
    monkeypatch.setattr(limit_sweep, "solve_together", noted)
    return seen


def same(found: xr.Dataset, expected: xr.Dataset) -> None:
    xr.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert int(found.steps) == int(expected.steps)


@pytest.fixture
def alone(tmp_path: Path, calls: list[int]) -> dict[str, xr.Dataset]:
    """Return what every point's job leaves by itself."""
    points = sweep(tmp_path / "alone")
    found = {name: solved(points, name, batch="point") for name in points}
    calls.clear()
    return found


def test_a_sweep_is_solved_by_its_first_job(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    calls: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    points = sweep(tmp_path)
    with caplog.at_level(logging.INFO):
        for name in ("delta-0.5", "delta-0.2", "start"):
            found = solved(points, name)
            same(found, alone[name])
            assert (found.attrs["backend"], found.attrs["device"]) == ("cupy", "GPU Toy")
    assert calls == [3]
    assert "together with 2 other points: delta-0.2, start" in caplog.text
    assert caplog.text.count("was solved before, on GPU Toy") == 2
    same(solved(points, "atoms"), alone["atoms"])
    assert calls == [3, 1]
    assert not list(tmp_path.rglob("*.checkpoints"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FlowError("flow 3: the velocity is not finite", 2), [3, 2]),
        (MemoryError("too much"), [3, 2]),
        (ValueError("they do not fit together"), [3, 1]),
    ],
)
def test_limits_that_cannot_be_solved_are_left_to_their_own_jobs(
    error: Exception,
    expected: list[int],
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    calls: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    points = sweep(tmp_path)
    solve = limit_sweep.solve_together

    def fail(problems: Any, *given: Any, **more: Any) -> Any:
        found = solve(problems, *given, **more)
        if len(problems) == 3:
            raise error
        return found

    monkeypatch.setattr(limit_sweep, "solve_together", fail)
    same(solved(points, "delta-0.2"), alone["delta-0.2"])
    assert calls == expected
    assert f"start: left to later jobs: {error}" in caplog.text
    same(solved(points, "start"), alone["start"])


def test_the_failure_of_a_point_is_its_job_s(
    tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(problems: Any, *given: Any, **more: Any) -> Any:
        raise FlowError("flow 1: the velocity is not finite", 0)

    monkeypatch.setattr(limit_sweep, "solve_together", fail)
    points = sweep(tmp_path)
    with pytest.raises(FlowError, match="flow 1"):
        solved(points, "start")
    assert not list(tmp_path.rglob("*.checkpoints"))


def test_what_is_up_to_date_or_solved_is_not_solved_again(tmp_path: Path, calls: list[int]) -> None:
    points = sweep(tmp_path)
    solved(points, "start", batch="point")
    solved(points, "delta-0.2")
    assert calls == [1, 2]
    points["delta-0.2"].result.unlink()
    solved(points, "delta-0.2")  # "delta-0.5" waits for its own job
    assert calls == [1, 2, 1]
    assert np.all(solved(points, "delta-0.5").risk > 0)
    assert calls == [1, 2, 1]
