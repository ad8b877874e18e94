"""Checks of the GPU's results: samples, iterates and flows against the CPU's."""

import sys
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.agreement import disagreement
from benchmarks.flow_cases import CASES
from benchmarks.flow_together import together
from benchmarks.gpu_cases import AGREEMENT_CASES, RIDGE, SEEDS, Case, job_of
from meanfield.arrays import choose_backend, from_backend, to_backend
from meanfield.flow import solve
from meanfield.laws import Law
from meanfield.random import SAMPLE
from meanfield.sampling import sample
from meanfield.sgd import cuda, engine
from meanfield.sgd.cuda_blocked import Blocked
from meanfield.sgd.cuda_device import CupyDevice

STEPS = 10_000
_ROUNDING = 3.0
"""The GPU may be so many times as far from float64 as the CPU's float32 is: sums have other orders,
and a z within rounding of a knot may fall on either side."""
_FLOW_ERROR = 1e-8

Check = Callable[[], dict[str, Any]]
"""Makes a row of results, with `ok`."""


def agreement(limit: float, save: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Compare the GPU with the CPU: bits of samples, iterates after STEPS steps, flows.

    Args:
        limit: seconds after which no check is begun.
        save: given what there is after each check.

    Returns:
        Rows; names of the checks that the limit left out; and `ok`, if all were made and hold.
    """
    return run_checks(_checks(), limit, save)


def run_checks(
    checks: Mapping[str, Check], limit: float, save: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Make one check after the other, also after one that fails; see `agreement`."""
    start = perf_counter()
    rows: list[dict[str, Any]] = []
    left = list(checks)
    found: dict[str, Any] = {"rows": rows, "left_out": left, "ok": False}
    for name, check in checks.items():
        begin = perf_counter()
        if begin - start > limit:
            print(f"left out for want of time: {', '.join(left)}", file=sys.stderr, flush=True)
            break
        try:
            row = check()
        except Exception as error:
            traceback.print_exc()
            row = {"error": f"{type(error).__name__}: {error}", "ok": False}
        rows.append({"check": name, **row, "seconds": perf_counter() - begin})
        left.remove(name)
        found["ok"] = not left and all(row["ok"] for row in rows)
        save(found)
        print(rows[-1], file=sys.stderr, flush=True)
    return found


def _checks() -> dict[str, Check]:
    """Return all checks by name, those that the others rest on first, and the longest last."""
    drawn = dict.fromkeys(case.law for case in AGREEMENT_CASES if job_of(case).kind.drawn)
    checks: dict[str, Check] = {f"samples of {law}": partial(_same_samples, law) for law in drawn}
    sgd = {f"SGD: {case.name}": partial(_compare, case) for case in AGREEMENT_CASES}
    last = {name: sgd.pop(name) for name in list(sgd) if name.startswith("SGD: blocks")}
    flows: dict[str, Check] = {
        f"flow: {case.name}": partial(_compare_flows, case)
        for case in CASES
        if "inf" not in case.name
    }
    return checks | sgd | flows | {"flows of a sweep": _compare_sweep} | last


def _compare(case: Case) -> dict[str, Any]:
    """Return how far both devices are from float64, in what SGD moved the neurons."""
    theta0, given = case.theta0(), case.arguments()
    more = {"snapshot_steps": (STEPS,), "record": _ignore, **given}
    start = perf_counter()
    gpu = cuda.run(theta0, seeds=SEEDS, **more)
    seconds = perf_counter() - start
    with ThreadPoolExecutor() as threads:
        futures = {
            (index, precision): threads.submit(
                engine.run, theta0[index], seed=seed, precision=precision, **more
            )
            for index, seed in enumerate(SEEDS)
            for precision in ("float32", "float64")
        }
        cpu = {key: future.result() for key, future in futures.items()}
    errors: dict[str, list[float]] = {"gpu": [], "cpu": []}
    for index in range(len(SEEDS)):
        exact, start_of = cpu[index, "float64"], theta0[index]
        errors["gpu"].append(disagreement(gpu[index], exact, start_of))
        errors["cpu"].append(disagreement(cpu[index, "float32"], exact, start_of))
    gpu_error, cpu_error = max(errors["gpu"]), max(errors["cpu"])
    return {
        "steps": STEPS, "gpu_error": gpu_error, "cpu_error": cpu_error,
        "gpu_seconds_with_compilation": seconds, "ok": bool(gpu_error <= _ROUNDING * cpu_error),
    }  # fmt: skip


def _same_samples(law: Law) -> dict[str, Any]:
    """Return how many numbers drawn by the GPU differ from the CPU's in any bit."""
    device = CupyDevice()
    blocked = Blocked(job_of(Case("samples", RIDGE, law, 32)), device)
    count = 4
    x, y = (device.to_host(each) for each in blocked._samples(0, count)[:2])
    different = 0
    for index, seed in enumerate(SEEDS):
        expected = sample(law, seed, 0, count * blocked.unit, SAMPLE)
        mine = x[:, index].reshape(-1, law.dimension)
        different += int(np.sum(mine.view(np.uint32) != expected.x.view(np.uint32)))
        different += int(np.sum(y[:, index].ravel() != expected.y))
    return {"numbers": int(x.size + y.size), "different": different, "ok": different == 0}


def _compare_flows(case: Any) -> dict[str, Any]:
    """Return how far the flow on the GPU is from that on the CPU, and the seconds of both."""
    gpu = choose_backend("cupy")
    problem, start = case.problem(), case.start()
    solve(problem, start, case.times[:2], tolerance=case.tolerance)  # compile
    begin = perf_counter()
    cpu_path = solve(problem, start, case.times, tolerance=case.tolerance)
    cpu_seconds = perf_counter() - begin
    moved, there = to_backend(problem, gpu), to_backend(start, gpu)
    solve(moved, there, case.times[:2], tolerance=case.tolerance)  # compile
    begin = perf_counter()
    path = from_backend(solve(moved, there, case.times, tolerance=case.tolerance))
    gpu_seconds = perf_counter() - begin
    difference = float(np.max(np.abs(path.risk - cpu_path.risk)))
    return {
        "largest_difference": difference, "cpu_seconds": cpu_seconds, "gpu_seconds": gpu_seconds,
        "ok": difference <= _FLOW_ERROR,
    }  # fmt: skip


def _compare_sweep() -> dict[str, Any]:
    """Return how far flows solved together on the GPU are from those solved one by one there."""
    found = together(0, choose_backend("cupy"))
    return {**found, "ok": found["largest_difference"] <= _FLOW_ERROR}


def _ignore(*recorded: Any) -> None:
    """Record nothing."""
