"""How far a run of several seeds is: lines in the log, and a bar on a terminal."""

import logging
import sys
import threading
from time import monotonic

from tqdm import tqdm

INTERVAL = 10.0
"""Seconds between two lines in the log."""


class Progress:
    """The steps done by all seeds together, their rate, and the time left at that rate.

    Safe to use from several threads.

    Args:
        total: steps of all seeds together.
        log: where the lines go.
    """

    def __init__(self, total: int, log: logging.Logger) -> None:
        self._total, self._done, self._before = total, 0, 0
        self._log = log
        self._risk = float("nan")
        self._started = self._last = monotonic()
        self._lock = threading.Lock()
        self._bar = tqdm(
            total=total,
            desc="SGD",
            unit=" steps",
            unit_scale=True,
            # A bar is of use to who watches; in a file it is only noise.
            disable=not sys.stderr.isatty(),
            leave=False,
        )

    def resume(self, steps: int) -> None:
        """Count steps that were done earlier, by a run that this one continues."""
        with self._lock:
            self._done += steps
            self._before += steps
            self._bar.update(steps)

    def advance(self, steps: int, risk: float | None = None) -> None:
        """Count steps of one seed, and note its newest risk."""
        with self._lock:
            self._done += steps
            self._bar.update(steps)
            if risk is not None:
                self._risk = risk
                self._bar.set_postfix(risk=f"{risk:.4f}", refresh=False)
            now = monotonic()
            if now - self._last >= INTERVAL:
                self._last = now
                self._log.info(self.line(now - self._started))

    def line(self, elapsed: float) -> str:
        """Return the state in words after ``elapsed`` seconds."""
        rate = (self._done - self._before) / elapsed if elapsed > 0 else 0.0
        left = (self._total - self._done) / rate if rate > 0 else float("inf")
        return (
            f"{self._done} of {self._total} steps ({100 * self._done / self._total:.1f} %), "
            f"{rate:.3g} a second, {left:.0f} s left, risk {self._risk:.4f}"
        )

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
