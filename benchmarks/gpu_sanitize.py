"""Small networks in all forms of the kernels, under compute-sanitizer."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.command import call
from benchmarks.gpu_cases import FORMS, SEEDS, SMALL_CASES, form_of
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import sample
from meanfield.sgd import cuda, cuda_kernels

_SOURCES = Path(cuda_kernels.__file__).with_name("kernels")
_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\s*\(")
KERNELS = [
    name
    for text in sorted(_SOURCES.glob("*.cu"))
    for name in _KERNEL.findall(text.read_text(encoding="utf-8"))
]
"""Names of this project's kernels."""
CHECKS = {
    # A library may try calls that fail; of those that matter, CuPy raises it.
    "memcheck": ["--report-api-errors=no"],
    # In kernels of cuBLAS it may take for a race what is none.
    "racecheck": [f"--kernel-name=kne={name}" for name in KERNELS],
}
"""Options of each check."""
_COMMON = ["--error-exitcode=9", "--launch-timeout=0", "--destroy-on-device-error=kernel"]


def sanitize(seconds: float, logs: Path, save: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run the small networks under compute-sanitizer's memcheck and racecheck.

    Args:
        seconds: that both may take.
        logs: where what they say goes, without the name of the check.
        save: given what there is after each.

    Returns:
        For each check its status, the networks that it went through, and its last lines; and `ok`.
        Without compute-sanitizer, that it was left out.
    """
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        reason = "compute-sanitizer is not on the PATH; it comes with the CUDA toolkit"
        return {"left_out": reason, "ok": False}
    program = [sys.executable, "-c", "from benchmarks.gpu_sanitize import small; small()"]
    found: dict[str, Any] = {"ok": False}
    end = perf_counter() + seconds
    for left, (check, options) in zip(range(len(CHECKS), 0, -1), CHECKS.items(), strict=True):
        log = logs.with_name(f"{logs.name}-{check}.log")
        command = [tool, "--tool", check, *_COMMON, *options, *program]
        found[check] = call(command, max((end - perf_counter()) / left, 1.0), log)
        said = log.read_text(encoding="utf-8", errors="replace")
        found[check]["done"] = [
            case.name for case in SMALL_CASES if _done(case.name) in said.splitlines()
        ]
        save(found)
    found["ok"] = all(found[check]["status"] == 0 for check in CHECKS)
    return found


def small() -> None:
    """Run small networks in all forms of the kernels, also after one that fails.

    Raises:
        RuntimeError: one failed, or they do not meet all forms.
    """
    import cupy

    cupy.cuda.set_allocator(None)  # a pool would hide what is read beyond an array
    failed = []
    for case in SMALL_CASES:
        try:
            inputs = sample(case.law, 0, 0, 70, TEST_SAMPLE).x
            cuda.run(case.theta0(), seeds=SEEDS, snapshot_steps=(0, 20, 41), record=_ignore,
                     inputs=inputs, **case.arguments())  # fmt: skip
        except Exception as error:
            failed.append(f"{case.name}: {type(error).__name__}: {error}")
            print(failed[-1], flush=True)
        else:
            print(_done(case.name), flush=True)
    if failed:
        raise RuntimeError("; ".join(failed))
    forms = {form_of(case) for case in SMALL_CASES}
    if forms != FORMS:
        raise RuntimeError(f"the small networks are to meet {FORMS}, and meet {forms}")


def _done(name: str) -> str:
    return f"done: {name}"


def _ignore(*recorded: Any) -> None:
    """Record nothing."""
