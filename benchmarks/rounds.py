"""Times of competing functions, taken in turn, so that a change of the machine meets all alike."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

Name = TypeVar("Name")
Work = Callable[[int], Any]
"""work(n) does n units of work; what work(0) takes is set-up."""

_SIDE = 1024


class Timing(NamedTuple):
    """Seconds of one unit of work in each round, and the share of them that the CPU was ours."""

    seconds: tuple[float, ...]
    share: float

    @property
    def median(self) -> float:
        """Median over the rounds."""
        return float(np.median(self.seconds))


def interleave(
    works: Mapping[Name, Work],
    rounds: int,
    seconds: float,
    *,
    say: Callable[[str], None] = lambda text: None,
) -> dict[Name, Timing]:
    """Time every function once in each round, for about the same time.

    A round goes through the functions in turn, every other one backwards.  Set-up is timed in the
    same place and subtracted.

    Args:
        works: the functions, which have run once before, so that compilation is over.
        rounds: number of rounds.
        seconds: time that each function gets in a round, at least.
        say: told of every round.

    Returns:
        The timing of each function.
    """
    units = {name: _units(work, seconds) for name, work in works.items()}
    taken: dict[Name, list[float]] = {name: [] for name in works}
    wall = dict.fromkeys(works, 0.0)
    processor = dict.fromkeys(works, 0.0)
    for index in range(rounds):
        say(f"round {index + 1} of {rounds}")
        for name in list(works)[:: 1 if index % 2 == 0 else -1]:
            setup = _time(works[name], 0)
            before = time.process_time()
            total = _time(works[name], units[name])
            processor[name] += time.process_time() - before
            wall[name] += total
            taken[name].append((total - setup) / units[name])
    return {name: Timing(tuple(taken[name]), processor[name] / wall[name]) for name in works}


def _time(work: Work, units: int) -> float:
    start = time.perf_counter()
    work(units)
    return time.perf_counter() - start


def _units(work: Work, seconds: float) -> int:
    """Return the units that take about `seconds`."""
    units = 1
    while (taken := _time(work, units)) < seconds / 4:
        units = max(2 * units, int(units * seconds / 2 / max(taken, 1e-6)))
    return max(1, round(units * seconds / taken))


def sgemm() -> Work:
    """Return the product of two float32 matrices of side 1024, by the BLAS of NumPy."""
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal((_SIDE, _SIDE), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)

    def multiply(times: int) -> None:
        for _ in range(times):
            np.matmul(a, b, out=out)

    return multiply


def sgemm_gflops(seconds: float) -> float:
    """Return the rate of a product that takes so many seconds."""
    return 2 * _SIDE**3 / seconds / 1e9
