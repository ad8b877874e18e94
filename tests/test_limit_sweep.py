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
from meanfield.flow import FlowError
from meanfield.nested import with_value
from meanfield.siblings import Sibling
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
        siblings=list(points.values()) if batch == "sweep" else [],
    )  # fmt: skip
    return read(result)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stand in for a GPU by a strict array namespace, and note where the solved flows start."""
    seen: list[float] = []
    solve = limit_sweep.solve

    def noted(problem: Any, start: Any, *given: Any, **more: Any) -> Any:
        seen.append(round(float(strict.max(start.omega)), 3))
        return solve(problem, start, *given, **more)

    toy = Backend("cupy", strict, "GPU Toy")
    monkeypatch.setattr(limit_sweep, "choose_backend", lambda *asked, **reasons: toy)
    monkeypatch.setattr(limit_sweep, "solve", noted)
    return seen


def test_a_sweep_is_solved_by_its_first_job(
    tmp_path: Path, calls: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    alone, points = sweep(tmp_path / "alone"), sweep(tmp_path / "together")
    expected = {name: solved(alone, name, batch="point") for name in points}
    calls.clear()
    with caplog.at_level(logging.INFO):
        for name in ("delta-0.5", "delta-0.2", "start"):
            found = solved(points, name)
            xr.testing.assert_identical(found, expected[name])
            assert (found.attrs["backend"], found.attrs["device"]) == ("cupy", "GPU Toy")
            assert len(calls) == 3
    assert "together with 2 other points: delta-0.2, start" in caplog.text
    assert caplog.text.count("was solved before, on GPU Toy") == 2
    xr.testing.assert_identical(solved(points, "atoms"), expected["atoms"])
    assert len(calls) == 4
    assert not list(tmp_path.rglob("*.checkpoints"))


def test_a_limit_that_cannot_be_solved_fails_in_its_own_job_alone(
    tmp_path: Path,
    calls: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    points = sweep(tmp_path)
    solve = limit_sweep.solve

    def fail(problem: Any, start: Any, *given: Any, **more: Any) -> Any:
        found = solve(problem, start, *given, **more)
        if calls[-1] < 0.8:
            raise FlowError("the velocity is not finite")
        return found

    monkeypatch.setattr(limit_sweep, "solve", fail)
    solved(points, "delta-0.2")
    assert "start: left to its own job: the velocity is not finite" in caplog.text
    solved(points, "delta-0.5")
    assert len(calls) == 3
    with pytest.raises(FlowError):
        solved(points, "start")


def test_what_is_up_to_date_or_solved_is_not_solved_again(
    tmp_path: Path, calls: list[float]
) -> None:
    points = sweep(tmp_path)
    solved(points, "start", batch="point")
    solved(points, "delta-0.2")
    assert len(calls) == 3
    points["delta-0.2"].result.unlink()
    solved(points, "delta-0.2")  # "delta-0.5" waits for its own job
    assert len(calls) == 4
    assert np.all(solved(points, "delta-0.5").risk > 0)
    assert len(calls) == 4
