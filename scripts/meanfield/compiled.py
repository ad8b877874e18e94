"""Machine code that is rebuilt when any module it depends on changes."""

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import types
from numba.extending import intrinsic

from meanfield.digests import DIGEST_LENGTH, code_digest

Function = TypeVar("Function", bound=Callable[..., Any])

LIBRARY = Path(__file__).resolve().parent

_KEPT_UNUSED = 30 * 24 * 3600.0
"""Seconds after which machine code that nobody asked for is deleted: code that was edited since."""


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
    # The time of a folder says when it was last asked for; it may not exist yet.
    with suppress(OSError):
        os.utime(folder)
    _prune(Path(folder).parent)
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


def _keep_apart(typing_context: Any) -> Any:
    """Keep the function that contains this from being copied into its callers.

    Large kernels then are optimized once, which halves the time that compilation takes.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), emit


def _use_widest_vectors(typing_context: Any) -> Any:
    """Let the compiler vectorize the loops of the function that contains this as wide as it can.

    By default it holds to half of what AVX-512 offers, as suits code that uses vectors now and
    then. The function is kept from being copied into its callers, which have a width of their own.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        attributes = builder.function.attributes
        attributes.add("noinline")
        # llvmlite lets only attributes without a value pass, but prints what is in the set.
        set.add(attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), emit


keep_apart: Any = intrinsic(_keep_apart)
use_widest_vectors: Any = intrinsic(_use_widest_vectors)


@cache  # once a process
def _prune(base: Path) -> None:
    """Delete the folders of machine code that were not asked for in a long time.

    Other processes may do the same, or read what is deleted: numba takes a file that is gone for
    one that never was, and compiles.
    """
    with suppress(OSError):
        for folder in list(base.iterdir()):
            with suppress(OSError):
                ours = re.fullmatch(rf"[0-9a-f]{{{DIGEST_LENGTH}}}", folder.name)
                if ours and time.time() - folder.stat().st_mtime > _KEPT_UNUSED:
                    shutil.rmtree(folder)
