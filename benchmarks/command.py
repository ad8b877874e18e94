"""Commands that end in time, with all that they started, and leave what they said in a file."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_GRACE = 10.0
"""Seconds between asking a command to end and ending it."""


def call(command: list[str], seconds: float, log: Path) -> dict[str, Any]:
    """Run a command in this project's folder.

    Args:
        command: program and arguments.
        seconds: after which it is ended, with whatever it has started.
        log: file for all that it says, which is there however the command or the caller ends.

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
                _end(process)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return {"status": status, "seconds": perf_counter() - start, "last_lines": lines[-15:]}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
