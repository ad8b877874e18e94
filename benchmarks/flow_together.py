"""The limits of all Delta of Figure 2, one by one and together, on the CPU or a GPU."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.flow_cases import FIGURE_2
from benchmarks.rounds import Work, interleave
from meanfield.arrays import Backend, from_backend, to_backend
from meanfield.flow import Flow, solve, solve_together

ROOT = Path(__file__).resolve().parents[1]


def together(rounds: int, backend: Backend) -> dict[str, Any]:
    """Solve the flows of a sweep in both ways in turn, and print.

    Args:
        rounds: number of rounds.
        backend: what computes.

    Returns:
        Flows; for each way seconds and the number of right-hand sides that follow one another; and
        the largest difference of the risks.
    """
    cases = tuple((case.problem(), case.start()) for case in FIGURE_2)
    problems, starts = zip(*to_backend(cases, backend), strict=True)
    times = [case.times for case in FIGURE_2]
    tolerance = FIGURE_2[0].tolerance

    def alone() -> list[Flow]:
        flows = zip(problems, starts, times, strict=True)
        return [from_backend(solve(*each, tolerance=tolerance)) for each in flows]

    def at_once() -> list[Flow]:
        flows = solve_together(problems, starts, times, tolerance=tolerance)
        return [from_backend(flow) for flow in flows]

    singles, found = alone(), at_once()
    calls = [flow.rhs_calls for flow in singles]
    timings = interleave({"one by one": _repeat(alone), "together": _repeat(at_once)}, rounds, 0.0)
    rows = [
        {
            "way": way,
            "right_hand_sides": {"one by one": sum(calls), "together": max(calls)}[way],
            "seconds": timing.median,
            "seconds_min": min(timing.seconds),
            "seconds_max": max(timing.seconds),
        }
        for way, timing in timings.items()
    ]
    for row in rows:
        print(
            f"{len(calls)} limits of Figure 2 {row['way']}: {row['seconds']:.3g} s, "
            f"{row['right_hand_sides']} right-hand sides after one another",
            file=sys.stderr,
        )
    differences = [
        np.max(np.abs(mine.risk - other.risk)) for mine, other in zip(found, singles, strict=True)
    ]
    return {
        "device": backend.device,
        "flows": len(calls),
        "rows": rows,
        "largest_difference": float(max(differences)),
    }


def _repeat(solve_all: Callable[[], Any]) -> Work:
    def work(times: int) -> None:
        for _ in range(times):
            solve_all()

    return work
