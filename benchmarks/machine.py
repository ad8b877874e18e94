"""What ran a benchmark: processor, instruction sets, versions.  No names, no paths."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

_ISA = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "asimd")


def describe(libraries: Iterable[str], cpuinfo: str | None = None) -> dict[str, Any]:
    """Describe the machine.

    Args:
        libraries: names of installed distributions.
        cpuinfo: text of /proc/cpuinfo; read if None.

    Returns:
        Model, cores, instruction sets that matter, the compiler's target, system and versions.
    """
    if cpuinfo is None:
        path = Path("/proc/cpuinfo")
        cpuinfo = path.read_text(encoding="utf-8") if path.exists() else ""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return {
        "cpu": fields.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "instruction_sets": [name for name in _ISA if name in flags],
        "numba_target": os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in libraries},
    }
