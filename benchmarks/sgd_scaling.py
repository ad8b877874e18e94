"""Cost of the engine against N, d and block size, and what zeros of sigma' are worth."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from benchmarks import sgd_report
from benchmarks.block_sizes import engine_of, library_with_block
from benchmarks.rounds import Work, interleave, sgemm, sgemm_gflops
from benchmarks.sgd_engine import engine_with_data, engine_without_data
from benchmarks.sgd_problem import Problem, make_problem
from meanfield.sgd.microkernels import BLOCK

NEURONS = (100, 320, 1000, 3200, 10_000, 32_000, 100_000)
NEURONS_AT = 40
DIMENSIONS = (10, 32, 100, 320, 1000)
DIMENSIONS_AT = 800
BLOCKS = (8, 16, 32, 64)
DELTAS = (0.2, 0.8)
SIZES = ((800, 40), (800, 320), (4000, 100))
ENGINE = sgd_report.ENGINE

FIT_FROM = {"neurons": 1000, "dimension": 100}
"""Slopes are fitted from here on, where the products with W outweigh what is done once a step."""


class Case(NamedTuple):
    """One measurement: of which study, and what was run."""

    study: str
    implementation: str
    neurons: int
    dimension: int
    delta: float
    block: int


def cases() -> list[Case]:
    """Return all measurements that are made in this process."""
    sizes = [
        *(("neurons", n, NEURONS_AT, 0.8) for n in NEURONS),
        *(("dimension", DIMENSIONS_AT, d, 0.8) for d in DIMENSIONS),
        *(("sparsity", n, d, delta) for n, d in SIZES for delta in DELTAS),
    ]
    return [
        Case(study, implementation, neurons, dimension, delta, BLOCK)
        for study, neurons, dimension, delta in sizes
        for implementation in ("engine", ENGINE)
    ]


def scaling(rounds: int, seconds: float, machine: Any) -> dict[str, Any]:
    """Measure everything in interleaved rounds and print it.

    Args:
        rounds: number of rounds.
        seconds: time of each case in a round.
        machine: description of the machine.

    Returns:
        The content of sgd_scaling.json: machine, rate of SGEMM, rows and slopes.
    """
    works: dict[Case | str, Work] = {"sgemm": sgemm()}
    problems: dict[Case, Problem] = {}
    with ExitStack() as stack:
        for case in cases():
            # Large networks get fewer samples a pass, so that a pass stays short.
            problem = make_problem(
                case.neurons, case.dimension, delta=case.delta,
                samples=1024 if case.neurons * case.dimension < 10**6 else 128,
            )  # fmt: skip
            maker = engine_with_data if case.implementation == ENGINE else engine_without_data
            run = maker(problem)
            if run is not None:
                works[case], problems[case] = run, problem
        for block in BLOCKS:
            place = stack.enter_context(library_with_block(block))
            for neurons, dimension in SIZES:
                case = Case("block", ENGINE, neurons, dimension, 0.8, block)
                works[case] = stack.enter_context(engine_of(place, neurons, dimension))
                problems[case] = make_problem(neurons, dimension)
        _say(f"{len(works)} cases; compiling")
        for work in works.values():
            work(1)
        timings = interleave(works, rounds, seconds, say=_say)
    gflops = sgemm_gflops(timings.pop("sgemm").median)
    rows = [
        {
            **case._asdict(),
            "active": round(problems[case].active, 4),
            "us_per_step": round(timing.median / problems[case].steps * 1e6, 4),
            "us_per_step_min": round(min(timing.seconds) / problems[case].steps * 1e6, 4),
            "us_per_step_max": round(max(timing.seconds) / problems[case].steps * 1e6, 4),
        }
        for case, timing in timings.items()
        if isinstance(case, Case)
    ]
    result = {
        "machine": machine,
        "sgemm_gflops": round(gflops, 2),
        "rows": rows,
        "slopes": slopes(rows),
        "slopes_from": FIT_FROM,
    }
    _print(rows, gflops, result["slopes"])
    return result


def slopes(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return study -> implementation -> exponent of the cost, fitted from FIT_FROM on."""
    found: dict[str, dict[str, float]] = {}
    for study, start in FIT_FROM.items():
        chosen = [row for row in rows if row["study"] == study and row[study] >= start]
        for implementation in dict.fromkeys(row["implementation"] for row in chosen):
            own = [row for row in chosen if row["implementation"] == implementation]
            value = sgd_report.slope(
                [row[study] for row in own], [row["us_per_step"] for row in own]
            )
            found.setdefault(study, {})[implementation] = round(value, 3)
    return found


def _print(rows: Sequence[dict[str, Any]], gflops: float, slopes: Any) -> None:
    print(f"SGEMM {gflops:.1f} GFLOP/s")
    print(f"{'study':10}{'implementation':18}{'N':>8}{'d':>6}{'Delta':>7}{'block':>7}"
          f"{'active':>8}{'us/step':>10}{'of SGEMM':>10}")  # fmt: skip
    for row in rows:
        rate = 4e-3 * row["neurons"] * row["dimension"] / row["us_per_step"] / gflops
        print(f"{row['study']:10}{row['implementation']:18}{row['neurons']:8}{row['dimension']:6}"
              f"{row['delta']:7}{row['block']:7}{row['active']:8.1%}{row['us_per_step']:10.2f}"
              f"{rate:10.0%}")  # fmt: skip
    for study, values in slopes.items():
        print(f"cost ~ {study}^p from {study} = {FIT_FROM[study]} on: {values}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
