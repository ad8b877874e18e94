"""One job solves the limits of the other points of its sweep, and leaves them to their own jobs."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import solve_dd
from meanfield import limit_sweep
from meanfield.digests import code_digest, settings_digest
from meanfield.flow_control import FlowError
from meanfield.siblings import Sibling, packed
from meanfield.store import Origin, read
from sample_settings import STEP, settings_of
from stand_in_gpu import solve_limits_elsewhere

BASE: dict[str, Any] = {
    "title": "Toy",
    "law": {"kind": "isotropic_gaussians", "dimension": 10, "delta": 0.5},
    "neuron": STEP,
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


def sweep(root: Path, **more: dict[str, Any]) -> Siblings:
    siblings = {}
    for name, change in {**SWEPT, **more}.items():
        settings = settings_of(BASE, change)
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

    solve_limits_elsewhere(monkeypatch)
    monkeypatch.setattr(limit_sweep, "solve_together", noted)
    return seen


def same(found: xr.Dataset, expected: xr.Dataset) -> None:
    xr.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert int(found.steps) == int(expected.steps)


def fail(patch: pytest.MonkeyPatch, error: Callable[[Any], Exception | None]) -> None:
    """Let calls fail with what a function returns for the starts of their flows, if it does."""
    solve = limit_sweep.solve_together

    def failing(problems: Any, starts: Any, times: Any, **more: Any) -> Any:
        if (found := error(starts)) is not None:
            raise found
        return solve(problems, starts, times, **more)

    patch.setattr(limit_sweep, "solve_together", failing)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    """Return what every point's job leaves by itself."""
    points = sweep(tmp_path_factory.mktemp("alone"))
    with pytest.MonkeyPatch.context() as patch:
        solve_limits_elsewhere(patch)
        return {name: solved(points, name, batch="point") for name in points}


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


def test_a_limit_that_cannot_be_solved_is_left_to_its_own_job(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    calls: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    points, error = sweep(tmp_path), FlowError("flow 3: the velocity is not finite", 2)
    fail(monkeypatch, lambda starts: error if len(starts) == 3 else None)
    same(solved(points, "delta-0.2"), alone["delta-0.2"])
    assert calls == [2]
    assert f"start: left to its own job: {error}" in caplog.text
    same(solved(points, "delta-0.5"), alone["delta-0.5"])
    same(solved(points, "start"), alone["start"])
    assert calls == [2, 1]


def test_a_limit_with_another_number_of_atoms_is_left_to_its_own_job(
    alone: dict[str, xr.Dataset], tmp_path: Path, calls: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    points = sweep(tmp_path, sphere={"initial": {"kind": "sphere", "radius": 0.8}})
    same(solved(points, "delta-0.2"), alone["delta-0.2"])
    assert calls == [3]
    assert "sphere: left to its own job: problem 2 of 2: flows solved together" in caplog.text
    assert float(solved(points, "sphere").risk[-1]) > 0
    assert calls == [3, 1]


class OutOfMemoryError(MemoryError):
    """As CuPy's pool raises it."""


EXHAUSTED = {
    "pool": OutOfMemoryError("Out of memory allocating 512 bytes (allocated so far: 600 bytes)."),
    "runtime": type("CUDARuntimeError", (RuntimeError,), {})(
        "cudaErrorMemoryAllocation: out of memory"
    ),
}


@pytest.mark.parametrize("where", EXHAUSTED)
def test_limits_that_do_not_fit_are_solved_in_halves(
    where: str,
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    calls: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    points, error = sweep(tmp_path), EXHAUSTED[where]
    fail(monkeypatch, lambda starts: error if len(starts) > 2 else None)
    with caplog.at_level(logging.INFO):
        same(solved(points, "delta-0.2"), alone["delta-0.2"])
    assert calls == [1, 2]
    assert (
        "3 limits at once: more than the 1000 bytes that were free on the GPU are needed (arrays "
        f"took 700 when {type(error).__name__} said: {error}); solving them as 1 and 2"
    ) in caplog.messages
    for name in ("delta-0.5", "start"):
        same(solved(points, name), alone[name])
    assert calls == [1, 2]


def test_in_halves_it_is_still_the_first_that_others_have_to_fit(
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    calls: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And not a sphere that is the first of its half."""
    sphere = {"initial": {"kind": "sphere", "radius": 0.8}}
    points = sweep(tmp_path, start=sphere, narrow={"initial.scale": 0.4})
    fail(monkeypatch, lambda starts: EXHAUSTED["pool"] if len(starts) > 2 else None)
    same(solved(points, "delta-0.2"), alone["delta-0.2"])
    (left,) = [text for text in caplog.messages if "left to its own job" in text]
    assert left.startswith("start: ")
    same(solved(points, "narrow"), alone["start"])
    assert calls == [1, 2]


def test_a_limit_that_does_not_even_fit_alone_says_how_to_go_on(
    tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, lambda starts: EXHAUSTED["pool"])
    points = sweep(tmp_path)
    with pytest.raises(MemoryError) as caught:
        solved(points, "start")
    assert str(caught.value) == (
        "the limit of start: more than the 1000 bytes that were free on the GPU are needed (arrays "
        f"took 700 when OutOfMemoryError said: {EXHAUSTED['pool']}): set backend: cpu"
    )
    assert caught.value.__cause__ is EXHAUSTED["pool"]
    assert calls == []


@pytest.mark.parametrize("error", [EXHAUSTED["pool"], FlowError("too many steps", 0)])
def test_another_limit_that_fails_alone_is_left_to_its_own_job(
    error: Exception,
    alone: dict[str, xr.Dataset],
    tmp_path: Path,
    calls: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:

    def narrow_fails(starts: Any) -> Exception | None:
        if len(starts) > 1:
            return EXHAUSTED["pool"]
        return error if float(starts[0].omega[-1, 0]) < 1 else None

    fail(monkeypatch, narrow_fails)
    points = sweep(tmp_path)
    same(solved(points, "delta-0.2"), alone["delta-0.2"])
    assert calls == [1, 1]
    (left,) = [text for text in caplog.messages if "left to its own job" in text]
    assert left.startswith("start: ")
    assert str(error) in left
    same(solved(points, "delta-0.5"), alone["delta-0.5"])
    assert calls == [1, 1]


def test_what_no_point_is_known_to_have_caused_is_raised(
    tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, lambda starts: ValueError("a fault of the program"))
    with pytest.raises(ValueError, match=r"^a fault of the program$"):
        solved(sweep(tmp_path), "start")


def test_the_failure_of_a_point_is_its_job_s(
    tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, lambda starts: FlowError("flow 1: the velocity is not finite", 0))
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
