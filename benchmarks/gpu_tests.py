"""The tests that run on a GPU: which files hold them, and what becomes of them."""

import os
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.command import ROOT, call

_ON_A_GPU = re.compile(r"mark\.gpu|\b(?:device|xp)[,:)]")
"""The mark, or an argument by which a test is run on a GPU, too: see tests/conftest.py."""


def files(folder: Path = ROOT / "tests") -> list[Path]:
    """Return the files that may hold tests marked `gpu`, by the mark or by a fixture that has it.

    Every process of pytest reads all files that it is given, which for all of this project's takes
    20 seconds.
    """
    paths = sorted(folder.rglob("test_*.py"))
    return [path for path in paths if _ON_A_GPU.search(path.read_text(encoding="utf-8"))]


def run(seconds: float, log: Path) -> dict[str, Any]:
    """Run the tests that touch the GPU; one that was skipped has shown nothing.

    Args:
        seconds: after which they are ended.
        log: for what pytest says.

    Returns:
        Status, seconds, last lines, and `ok`.
    """
    # Many processes: each test compiles kernels, which takes a processor and no GPU.
    workers = str(min(8, os.cpu_count() or 1))
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-n", workers, "--dist", "load"]
    found = call([*command, *map(str, files())], seconds, log)
    summary = found["last_lines"][-1] if found["last_lines"] else ""
    return found | {"ok": found["status"] == 0 and "skipped" not in summary}
