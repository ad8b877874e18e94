"""What a result was made with: libraries, commit and processor."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "xarray", "netcdf4", "pandas")
"""Libraries whose versions are recorded with every result."""


def library_versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Return the installed version of each library."""
    return {name: importlib.metadata.version(name) for name in names}


def git_commit(folder: Path = Path(__file__).parent) -> str:
    """Return the commit checked out, with ``-dirty`` after local edits; ``unknown`` without git."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def processor() -> tuple[str, str]:
    """Return the name of the CPU as the compiler knows it, and its features, comma-separated."""
    # Imported here: of the many who import this module, only the writer of a file needs it.
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    enabled = sorted(name for name, present in features.items() if present)
    return binding.get_host_cpu_name(), ",".join(enabled)


def cpu_device() -> str:
    """Return the CPU in words, as results name the device that made them."""
    return f"CPU {platform.machine()} {processor()[0]}"
