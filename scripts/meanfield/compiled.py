"""Machine code that is rebuilt when any module it depends on changes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from meanfield.digests import code_digest

Function = TypeVar("Function", bound=Callable[..., Any])

LIBRARY = Path(__file__).resolve().parent


def cache_folder(path: str | Path) -> Path:
    """Return the cache folder of one file's compiled functions, <base>/<code digest>.

    numba's own cache looks only at the file that holds a function, not at what it imports, and
    would serve stale code; the digest covers the file and its local imports.  The base is
    $MEANFIELD_NUMBA_CACHE if set, else .snakemake/numba beside scripts/.

    Args:
        path: a Python file of the library.

    Returns:
        The folder (not created here).
    """
    base = os.environ.get("MEANFIELD_NUMBA_CACHE")
    root = Path(base) if base else LIBRARY.parents[1] / ".snakemake" / "numba"
    return root / code_digest(Path(path).resolve(), root=LIBRARY.parent)


def compiler(path: str | Path) -> Callable[[Function], Function]:
    """Return the decorator that compiles the functions of one file.

    A module starts with

        njit = compiler(__file__)

    No fastmath: every operation is rounded as written, so results do not depend on the CPU.
    The interpreter lock is released while compiled code runs.

    Args:
        path: the calling module's `__file__`.

    Returns:
        A decorator that compiles on first call and caches on disk.
    """
    folder = str(cache_folder(path))
    config: Any = numba.config

    def decorate(function: Function) -> Function:
        # numba reads its cache folder when it decorates, and has no argument for it.
        before = config.CACHE_DIR
        config.CACHE_DIR = folder
        try:
            compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=False)(
                function
            )
        finally:
            config.CACHE_DIR = before
        return cast(Function, compiled)

    return decorate
