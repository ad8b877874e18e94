"""The comparison: all implementations held to the reference, then timed side by side."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import sgd_report
from benchmarks.agreement import AGREEMENT, MOST, disagreement
from benchmarks.rounds import Work, interleave, sgemm, sgemm_gflops
from benchmarks.sgd_engine import engine_with_data, engine_without_data, reference_weights
from benchmarks.sgd_peers import PEERS
from benchmarks.sgd_problem import Problem, Run, make_problem

CHECK_STEPS = 200
CHECK_STEP_SIZE = 4e-4
"""Times 1/d: each step then moves an active neuron's z by some tenths, and mistakes show."""

SGEMM = "sgemm"
Maker = Callable[[Problem], Run | None]


def makers() -> dict[tuple[str, str], Maker]:
    """Return what makes each (implementation, variant), peers first."""
    found: dict[tuple[str, str], Maker] = {
        (implementation, variant): maker
        for implementation, variants in PEERS.items()
        for variant, maker in variants.items()
    }
    found["engine", ""] = engine_without_data
    found["engine", "dense"] = partial(engine_without_data, dense=True)
    found["engine_with_data", ""] = engine_with_data
    return found


def check(neurons: int, dimension: int) -> dict[tuple[str, str], float]:
    """Compare every implementation with the float64 reference after CHECK_STEPS steps.

    Args:
        neurons: N.
        dimension: d.

    Returns:
        The error of each, as in AGREEMENT.

    Raises:
        ArithmeticError: an implementation computes something else.
    """
    problem = make_problem(
        neurons, dimension, step_size=CHECK_STEP_SIZE / dimension, samples=CHECK_STEPS
    )
    reference = reference_weights(problem)
    errors: dict[tuple[str, str], float] = {}
    for name, maker in makers().items():
        run = maker(problem)
        if run is None:
            continue
        errors[name] = disagreement(run(1), reference, problem.theta0)
        if not errors[name] <= AGREEMENT:
            raise ArithmeticError(
                f"{name} is off the float64 reference by {errors[name]:.2g} of what SGD moved in "
                f"{CHECK_STEPS} steps at N = {neurons}, d = {dimension}; allowed: {AGREEMENT:g}"
            )
    return errors


def compare(
    sizes: Sequence[tuple[int, int]], rounds: int, seconds: float, machine: Any
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Check and time every implementation at every size, and print the tables.

    Args:
        sizes: pairs (N, d).
        rounds: number of interleaved rounds.
        seconds: time of each implementation in a round.
        machine: description of the machine.

    Returns:
        The content of sgd.json, and the table of all rounds.
    """
    tables, rates, shares = [], [], []
    for neurons, dimension in sizes:
        errors = check(neurons, dimension)
        _say(f"N = {neurons}, d = {dimension}: {len(errors)} variants agree with the reference")
        problem = make_problem(neurons, dimension)
        works: dict[tuple[str, str], Work] = {(SGEMM, ""): sgemm()}
        works.update({name: run for name in errors if (run := makers()[name](problem))})
        for work in works.values():
            work(1)
        timings = interleave(works, rounds, seconds, say=_say)
        shares += [timing.share for timing in timings.values()]
        products = timings.pop((SGEMM, ""))
        rates += [sgemm_gflops(value) for value in products.seconds]
        tables.append(sgd_report.rounds_table(neurons, dimension, timings, problem.steps))
        print(sgd_report.format_size(sgd_report.medians(tables[-1]), sgemm_gflops(products.median)))
        print(
            f"after {CHECK_STEPS} steps {MOST:.0%} of the neurons are within "
            f"{max(errors.values()):.0e} of the distance moved from where float64 is; "
            f"sigma' not 0 on {problem.active:.1%}\n"
        )
    table = pd.concat(tables, ignore_index=True)
    medians = sgd_report.medians(table)
    best = sgd_report.fastest(medians)
    for title, chosen in (("fastest variant", best), ("plain variant", sgd_report.plain(medians))):
        print(sgd_report.format_ratios(sgd_report.ratios(chosen), title))
    print(sgd_report.busy(shares))
    return sgd_report.document(machine, float(np.median(rates)), best), table


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
