"""Time of a step of R networks on a GPU, for this project's kernels and the peers, in one run."""

import sys
import traceback
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from benchmarks.agreement import AGREEMENT
from benchmarks.gpu_peers import MAKERS, free_memory
from benchmarks.gpu_problem import Networks, Replicas, largest_disagreement, make_replicas
from benchmarks.rounds import Timing, interleave

SIZES = ((800, 40), (800, 320), (10_000, 100))
REPLICAS = (1, 16, 132, 1056)

OURS = "kernels"
_CHECK_STEPS = 200
_CHECK_STEP_SIZE = 4e-4  # times 1/d: as in the comparison on a CPU
_CORES = {(8, 0): 64}  # a multiprocessor's FP32 units, by compute capability; else 128


class FailedError(Exception):
    """An implementation cannot go on.

    Attributes:
        name: of the implementation.
        reason: what it raised.
    """

    def __init__(self, name: str, reason: Exception) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name}: {reason}")


def speed(
    rounds: int,
    seconds: float,
    limit: float,
    save: Callable[[dict[str, Any]], None],
    sizes: Sequence[tuple[int, int]] = SIZES,
    replicas: Sequence[int] = REPLICAS,
) -> dict[str, Any]:
    """Hold every implementation to the float64 reference, then time all of them in turn.

    Args:
        rounds: number of interleaved rounds.
        seconds: time of each implementation in a round.
        limit: seconds after which nothing is begun; nor is what the longest so far would exceed.
        save: given what there is after each number of networks of each size.
        sizes: pairs (N, d).
        replicas: numbers of networks; all sizes are timed with one before the next, so that what
            takes longest comes last.

    Returns:
        FLOP/s of the device, rows of times, what could not be run with the reason, ``left_out``,
        the pairs ((N, d), R) that the limit forbade, and ``ok``, whether this project's kernels
        ran everywhere else.
    """
    start, longest = perf_counter(), 0.0
    rows: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    left = [(size, count) for count in replicas for size in sizes]
    found: dict[str, Any] = {
        "fp32_flops": peak_flops(), "rows": rows, "missing": missing, "left_out": left, "ok": True
    }  # fmt: skip
    agreements: dict[tuple[int, int], dict[str, float]] = {}
    for size, count in list(left):
        begin = perf_counter()
        if begin - start + longest > limit:
            _say(f"left out for want of time: {left}")
            break
        left.remove((size, count))
        neurons, dimension = size
        if size not in agreements:
            agreements[size] = _check(neurons, dimension, missing)
        agreement = agreements[size]
        problem = make_replicas(count, neurons, dimension)
        timings = _time_all(problem, list(agreement), rounds, seconds, missing)
        free_memory()
        for name, timing in timings.items():
            rows.append(_row(name, problem, timing, found["fp32_flops"], agreement[name]))
            _say(
                f"N = {neurons}, d = {dimension}, R = {count}: {name} "
                f"{rows[-1]['us_per_step']:.4g} us a step, "
                f"{rows[-1]['ns_per_replica_step']:.4g} ns a replica-step"
            )
        found["ok"] = found["ok"] and OURS in timings
        save(found)
        longest = max(longest, perf_counter() - begin)
    return found


def _row(
    name: str, problem: Replicas, timing: Timing, peak: float, disagreement: float
) -> dict[str, Any]:
    """Return what a timing says, a step and a replica."""
    count, neurons, dimension = problem.theta0.shape
    step = timing.median / len(problem.y)
    return {
        "implementation": name, "neurons": neurons, "dimension": dimension, "replicas": count,
        "us_per_step": 1e6 * step,
        "ns_per_replica_step": 1e9 * step / count,
        "us_per_step_of_rounds": [1e6 * each / len(problem.y) for each in timing.seconds],
        "bound_ns": 1e9 * problem.flops / peak,
        "times_bound": step / count * peak / problem.flops,
        "disagreement": disagreement,
    }  # fmt: skip


def _time_all(
    problem: Replicas, names: Sequence[str], rounds: int, seconds: float, missing: dict[str, str]
) -> dict[str, Timing]:
    """Time the implementations in turn; without one that fails on the way, which is noted."""
    works = {name: _named(name, each) for name, each in _make(problem, names, missing).items()}
    for name in list(works):
        try:
            works[name](1)  # compile
        except FailedError as error:
            _note(name, error.reason, problem, missing)
            del works[name]
    while works:
        free_memory()  # of who was left out
        try:
            return interleave(works, rounds, seconds, say=_say)
        except FailedError as error:
            _note(error.name, error.reason, problem, missing)
            del works[error.name]
    return {}


def _named(name: str, networks: Networks) -> Callable[[int], None]:
    """Return what advances networks, and says whose they are when that fails."""

    def advance(passes: int) -> None:
        try:
            networks.advance(passes)
        except Exception as error:
            raise FailedError(name, error) from error

    return advance


def peak_flops() -> float:
    """Return the float32 operations a second of the current device, a fused one counted twice."""
    import cupy

    runtime = cupy.cuda.runtime
    # Not the attributes of a device: CuPy's name no compute capability.
    properties = runtime.getDeviceProperties(runtime.getDevice())
    capability = properties["major"], properties["minor"]
    cores = properties["multiProcessorCount"] * _CORES.get(capability, 128)
    return 2.0 * cores * properties["clockRate"] * 1e3  # the clock is in kHz


def _check(neurons: int, dimension: int, missing: dict[str, str]) -> dict[str, float]:
    """Return the disagreement with the reference, after one short pass, of those that agree."""
    problem = make_replicas(
        2, neurons, dimension, step_size=_CHECK_STEP_SIZE / dimension, steps=_CHECK_STEPS
    )
    found = {}
    for name, networks in _make(problem, list(MAKERS), missing).items():
        try:
            networks.advance(1)
            error = largest_disagreement(problem, networks.weights())
            if not error <= AGREEMENT:
                raise ArithmeticError(
                    f"{name} is off the float64 reference by {error:.2g} of what SGD moved in "
                    f"{_CHECK_STEPS} steps at N = {neurons}, d = {dimension}; "
                    f"allowed: {AGREEMENT:g}"
                )
        except Exception as reason:
            _note(name, reason, problem, missing)
            continue
        found[name] = error
        _say(f"N = {neurons}, d = {dimension}: {name} is off by {error:.2g}")
    return found


def _make(problem: Replicas, names: Sequence[str], missing: dict[str, str]) -> dict[str, Networks]:
    """Return the networks of the implementations; what cannot be made is noted."""
    made = {}
    for name in names:
        try:
            made[name] = MAKERS[name](problem)
        except Exception as error:
            _note(name, error, problem, missing)
    return made


def _note(name: str, error: Exception, problem: Replicas, missing: dict[str, str]) -> None:
    """Note why an implementation cannot be run; whoever comes after it is timed all the same."""
    replicas, neurons, dimension = problem.theta0.shape
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    if name == OURS:
        traceback.print_exception(error)
    missing[f"{name} ({neurons}, {dimension}) x {replicas}"] = reason
    _say(f"{name} cannot be run: {reason}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
