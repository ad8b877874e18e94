"""Time of a step of R networks on a GPU, for this project's kernels and the peers, in one run."""

import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.agreement import AGREEMENT
from benchmarks.gpu_peers import MAKERS, free_memory
from benchmarks.gpu_problem import Networks, Replicas, largest_disagreement, make_replicas
from benchmarks.rounds import interleave

SIZES = ((800, 40), (800, 320), (10_000, 100))
REPLICAS = (1, 16, 132, 1056)

_CHECK_STEPS = 200
_CHECK_STEP_SIZE = 4e-4  # times 1/d: as in the comparison on a CPU
_CORES = {(8, 0): 64}  # a multiprocessor's FP32 units, by compute capability; else 128


def speed(
    rounds: int,
    seconds: float,
    sizes: Sequence[tuple[int, int]] = SIZES,
    replicas: Sequence[int] = REPLICAS,
) -> dict[str, Any]:
    """Hold every implementation to the float64 reference, then time all of them in turn.

    Args:
        rounds: number of interleaved rounds.
        seconds: time of each implementation in a round.
        sizes: pairs (N, d).
        replicas: numbers of networks.

    Returns:
        FLOP/s of the device, rows of times, and what could not be run with the reason.
    """
    peak = peak_flops()
    rows: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for neurons, dimension in sizes:
        agreement = _check(neurons, dimension, missing)
        for count in replicas:
            problem = make_replicas(count, neurons, dimension)
            networks = _make(problem, list(agreement), missing)
            for each in networks.values():
                each.advance(1)  # compile
            timings = interleave(
                {name: each.advance for name, each in networks.items()}, rounds, seconds, say=_say
            )
            del networks
            free_memory()
            for name, timing in timings.items():
                rows.append(
                    {
                        "implementation": name, "neurons": neurons, "dimension": dimension,
                        "replicas": count,
                        "us_per_step": 1e6 * timing.median / len(problem.y),
                        "ns_per_replica_step": 1e9 * timing.median / len(problem.y) / count,
                        "us_per_step_of_rounds": [
                            1e6 * each / len(problem.y) for each in timing.seconds
                        ],
                        "bound_ns": 1e9 * problem.flops / peak,
                        "times_bound": timing.median / len(problem.y) / count
                        * peak / problem.flops,
                        "disagreement": agreement[name],
                    }
                )  # fmt: skip
                _say(
                    f"N = {neurons}, d = {dimension}, R = {count}: {name} "
                    f"{rows[-1]['us_per_step']:.4g} us a step, "
                    f"{rows[-1]['ns_per_replica_step']:.4g} ns a replica-step"
                )
    return {"fp32_flops": peak, "rows": rows, "missing": missing}


def peak_flops() -> float:
    """Return the float32 operations a second of the current device, a fused one counted twice."""
    import cupy

    device = cupy.cuda.Device()
    attributes = device.attributes
    capability = attributes["ComputeCapabilityMajor"], attributes["ComputeCapabilityMinor"]
    cores = attributes["MultiProcessorCount"] * _CORES.get(capability, 128)
    return 2.0 * cores * attributes["ClockRate"] * 1e3  # the clock is in kHz


def _check(neurons: int, dimension: int, missing: dict[str, str]) -> dict[str, float]:
    """Return the disagreement of every implementation with the reference, after one short pass.

    Raises:
        ArithmeticError: an implementation computes something else.
    """
    problem = make_replicas(
        2, neurons, dimension, step_size=_CHECK_STEP_SIZE / dimension, steps=_CHECK_STEPS
    )
    found = {}
    for name, networks in _make(problem, list(MAKERS), missing).items():
        networks.advance(1)
        found[name] = largest_disagreement(problem, networks.weights())
        if not found[name] <= AGREEMENT:
            raise ArithmeticError(
                f"{name} is off the float64 reference by {found[name]:.2g} of what SGD moved in "
                f"{_CHECK_STEPS} steps at N = {neurons}, d = {dimension}; allowed: {AGREEMENT:g}"
            )
        _say(f"N = {neurons}, d = {dimension}: {name} is off by {found[name]:.2g}")
    return found


def _make(problem: Replicas, names: Sequence[str], missing: dict[str, str]) -> dict[str, Networks]:
    """Return the networks of the implementations; a peer that cannot be made is noted."""
    made = {}
    for name in names:
        try:
            made[name] = MAKERS[name](problem)
        except Exception as error:
            if name == "kernels":
                raise
            replicas, neurons, dimension = problem.theta0.shape
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            missing[f"{name} ({neurons}, {dimension}) x {replicas}"] = reason
            _say(f"{name} cannot be run: {reason}")
    return made


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
