"""Commands that end in time, with all that they started, and leave what they said in a file."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GRACE = 10.0
"""Seconds between asking a command to end and ending it."""


def end_what_was_started() -> None:
    """See to it that whoever ends this process with SIGTERM ends the commands of `call`, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def call(command: list[str], seconds: float, log: Path, grace: float = GRACE) -> dict[str, Any]:
    """Run a command in this project's folder.

    Args:
        command: program and arguments.
        seconds: after which it is ended, with whatever it has started.
        log: file for all that it says, which is there however the command or the caller ends.
        grace: seconds between asking it to end and ending it; more than the command itself gives
            to what it has started in this way, as else that goes on.

    Returns:
        Its status (None if it ran out of time), seconds and last lines.
    """
    start = perf_counter()
    log.parent.mkdir(parents=True, exist_ok=True)
    status = None
    with log.open("w", encoding="utf-8") as output:
        # A session of its own: what a command starts would else go on when it is ended.
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            output.write(f"\nended after {seconds:.0f} s\n")
        finally:
            if status is None:
                _end(process, grace)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return {"status": status, "seconds": perf_counter() - start, "last_lines": lines[-15:]}


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """End a command and all of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        finally:  # also if this process is asked to end again
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
