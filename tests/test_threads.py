"""Threads of the runs of a sweep: enough for the cores, and none that a round leaves idle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meanfield.threads import threads_of_run

NUMBERS = st.integers(1, 40)


@pytest.mark.parametrize(
    ("seeds", "points", "cores", "threads"),
    [
        (8, 1, 16, 8),  # one for each seed
        (8, 1, 2, 2),
        (8, 1, 5, 4),  # two rounds of 4, not of 5 and 3
        (2, 4, 2, 1),  # two a core, over all points
        (8, 4, 10, 4),  # 5 would need two rounds, too
        (4, 22, 8, 1),
    ],
)
def test_threads_of_a_run(seeds: int, points: int, cores: int, threads: int) -> None:
    assert threads_of_run(seeds, points, cores) == threads


@given(NUMBERS, NUMBERS, NUMBERS)
def test_no_fewer_threads_would_do_in_as_many_rounds(seeds: int, points: int, cores: int) -> None:
    """The least number with the rounds of the most that are allowed, by trying all."""
    allowed = [k for k in range(1, seeds + 1) if k <= cores and (k - 1) * points < 2 * cores]
    rounds = {k: len(range(0, seeds, k)) for k in allowed}
    least = min(rounds.values())
    expected = min(k for k in allowed if rounds[k] == least)
    assert threads_of_run(seeds, points, cores) == expected
