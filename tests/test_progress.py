"""Progress counts the steps of all threads, and says how many, how fast and how long."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from meanfield import progress
from meanfield.progress import Progress


def test_line() -> None:
    tracker = Progress(1000, logging.getLogger("test"))
    tracker.resume(200)
    tracker.advance(300, risk=0.25)
    assert tracker.line(6.0) == "500 of 1000 steps (50.0 %), 50 a second, 10 s left, risk 0.2500"


def test_threads_are_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def count(_: int) -> None:
        for _ in range(1000):
            tracker.advance(1)

    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    tracker = Progress(4000, logging.getLogger("test"))
    with caplog.at_level(logging.INFO), ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    tracker.close()
    assert len(caplog.records) == 4000
    assert "4000 of 4000 steps (100.0 %)" in caplog.messages[-1]
