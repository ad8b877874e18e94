"""The flow timed beside its peers, and its cost against the number of atoms."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import sgd_report
from benchmarks.flow_cases import CASES, RAMP, Case, gaussian
from benchmarks.flow_peers import Solution, coarsest, scipy_flow, torch_flow
from benchmarks.rounds import interleave
from meanfield.flow import Flow
from meanfield.functionals import field
from meanfield.initial_measure import initial_measure
from meanfield.laws import IsotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Ridge
from meanfield.problem import make_problem

ATOMS = (100, 316, 1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000)
NODES = 10
FIT_FROM = 1000
MOST_CALLS = 5000
"""Evaluations after which a peer is given up: at a sticky origin they chatter."""

LEAST_ERROR = 1e-7
"""Error of the risk that a peer is allowed even where this flow has less."""

TOLERANCES = [10.0**-power for power in range(4, 10)]
STEPS = [400 * 2**power for power in range(5)]

Work = Callable[[int], Any]


def compare(rounds: int, machine: Any) -> dict[str, Any]:
    """Solve every case by every implementation, time them in turn, and print.

    Args:
        rounds: number of rounds.
        machine: description of the machine.

    Returns:
        The content of flow.json but for the scaling: machine and rows.
    """
    rows: list[dict[str, Any]] = []
    works: dict[tuple[str, str], Work] = {}
    for case in CASES:
        ours = case.solve()
        exact = case.solve(1e-11).risk
        error = float(np.max(np.abs(ours.risk - exact)))
        rows.append(_our_row(case, ours, error))
        works[case.name, "this flow"] = _repeat(case.solve)
        for name, solve, settings in peers(case):
            _say(f"{case.name}: {name}")
            found = coarsest(solve, settings, exact, max(error, LEAST_ERROR))
            row: dict[str, Any] = {"case": case.name, "implementation": name, "setting": None}
            if found is not None:
                setting, solution = found
                row |= {
                    "setting": setting,
                    "right_hand_sides": solution.calls,
                    "risk_error": _short(np.max(np.abs(solution.risk - exact))),
                }
                works[case.name, name] = _repeat(partial(solve, setting))
            rows.append(row)
    timings = interleave(works, rounds, 0.0, say=_say)
    for row in rows:
        if (timing := timings.get((row["case"], row["implementation"]))) is not None:
            row["seconds"] = _short(timing.median)
            row["seconds_min"] = _short(min(timing.seconds))
            row["seconds_max"] = _short(max(timing.seconds))
            row["share_of_core"] = _short(timing.share)
    _print(rows)
    return {"machine": machine, "rows": rows}


def peers(case: Case) -> list[tuple[str, Callable[[Any], Solution], list[Any]]]:
    """Return name, solver and settings from coarse to fine of the peers of a case."""
    methods = {1: ["RK45", "DOP853"], 4: ["RK45"]}[case.start().omega.shape[1]]
    found: list[tuple[str, Callable[[Any], Solution], list[Any]]] = [
        (f"NumPy, solve_ivp {method}", partial(_scipy, case, method), TOLERANCES)
        for method in methods
    ]
    if case.name == "figure 1":  # the longest; the others tell no more
        found.append(("PyTorch autograd, RK4", partial(torch_flow, case), STEPS))
    return found


def _scipy(case: Case, method: str, tolerance: float) -> Solution:
    return scipy_flow(case, method, tolerance, most_calls=MOST_CALLS)


def _our_row(case: Case, flow: Flow, error: float) -> dict[str, Any]:
    reference = case.reference()
    mass, end = case.start().mass, flow.omega[-1]
    names = case.problem().invariant_names
    means = {name: float(mass @ end[:, i]) for i, name in enumerate(names)}
    if "b" in means:
        means["|b|"] = float(mass @ np.abs(end[:, 1]))
    return {
        "case": case.name,
        "implementation": "this flow",
        "setting": case.tolerance,
        "right_hand_sides": flow.rhs_calls,
        "risk_error": _short(error),
        "steps": flow.steps,
        "rejected_steps": flow.rejected,
        "dissipation_error": _short(np.max(np.abs(flow.dissipation_error))),
        "discretization_error": _short(np.max(np.abs(flow.risk - reference.risk))),
        "final_risk": round(float(flow.risk[-1]), 6),
        "final_means": {name: round(value, 5) for name, value in means.items()},
    }


def scaling(rounds: int) -> dict[str, Any]:
    """Time one evaluation of the velocity against the number of atoms J, and print.

    Returns:
        Rows of atoms and microseconds, and the exponent fitted from FIT_FROM on.
    """
    law = IsotropicGaussians(40, 0.8)
    problem = make_problem(law, Ridge(RAMP), NODES)
    few = initial_measure(gaussian(0.8), law, 1000).measure.omega[:, 0]
    works = {}
    for atoms in ATOMS:
        radii = np.interp(np.linspace(0, 999, atoms), np.arange(1000.0), few)
        measure = Measure(radii[:, np.newaxis], np.full(atoms, 1 / atoms))
        works[atoms] = _repeat(partial(field, problem, measure.omega, measure.mass))
    timings = interleave(works, rounds, 0.2, say=_say)
    rows = [
        {
            "atoms": atoms,
            "nodes": 2 * NODES,
            "us": _short(timing.median * 1e6),
            "us_min": _short(min(timing.seconds) * 1e6),
            "us_max": _short(max(timing.seconds) * 1e6),
        }
        for atoms, timing in timings.items()
    ]
    fitted = [row for row in rows if row["atoms"] >= FIT_FROM]
    slope = sgd_report.slope([row["atoms"] for row in fitted], [row["us"] for row in fitted])
    for row in rows:
        print(f"J = {row['atoms']:8}: {row['us']:10.1f} us a right-hand side")
    print(f"cost ~ J^p from J = {FIT_FROM} on: p = {slope:.3f}")
    return {"scaling": rows, "slope": round(float(slope), 3), "slope_from": FIT_FROM}


def _repeat(solve: Callable[[], Any]) -> Work:
    def work(times: int) -> None:
        for _ in range(times):
            solve()

    return work


def _short(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _print(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if "seconds" not in row:
            print(f"{row['case']:24}{row['implementation']:36} not reached")
            continue
        print(
            f"{row['case']:24}{row['implementation']:30}{row['seconds']:9.3f} s with "
            f"{row['share_of_core']:.0%} of a core, {row['right_hand_sides']:7} right-hand sides, "
            f"risk to {row['risk_error']:.1e}"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
