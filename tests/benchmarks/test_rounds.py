import pytest

from benchmarks import rounds
from benchmarks.rounds import Timing, interleave, sgemm_gflops


class Clock:
    """A clock that only work moves."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def work(self, name, seconds, setup=0.0):
        def run(units):
            self.calls.append((name, units))
            self.now += setup + units * seconds

        return run


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(rounds.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(rounds.time, "process_time", lambda: clock.now / 2)
    return clock


def test_every_function_gets_its_time_in_every_round(clock):
    works = {"fast": clock.work("fast", 1e-3), "slow": clock.work("slow", 0.7, setup=0.2)}
    timings = interleave(works, 5, 0.5)
    assert timings["fast"].seconds == pytest.approx([1e-3] * 5)
    assert timings["slow"].seconds == pytest.approx([0.7] * 5)
    assert timings["fast"].share == pytest.approx(0.5)
    measured = clock.calls[-20:]
    assert [name for name, units in measured if units] == [
        "fast", "slow", "slow", "fast", "fast", "slow", "slow", "fast", "fast", "slow",
    ]  # fmt: skip
    assert {units for name, units in measured if name == "fast"} == {0, 500}
    assert {units for name, units in measured if name == "slow"} == {0, 1}


def test_the_median_is_over_the_rounds():
    assert Timing((3.0, 1.0, 10.0), 1.0).median == 3.0


def test_rate_of_a_matrix_product():
    assert sgemm_gflops(2 * 1024**3 / 1e11) == pytest.approx(100)
