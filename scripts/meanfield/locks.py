"""One process at a time: a lock of the operating system, which ends with the process at the latest.

Two processes may come to the same work: another job that trains a whole sweep, or one that went on
when Snakemake was killed. And two jobs may come to the same GPU.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = "lock"
"""Name of the file in a folder whose lock counts for the folder."""

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def held(folder: Path, log: logging.Logger, *, wait: bool, waiting: str = "") -> Iterator[bool]:
    """Hold the lock of a folder, which is made if need be, and removed at the end if it is empty.

    Args:
        folder: where the work is kept that only one process is to do.
        log: gets a line if another process holds the lock and is waited for.
        wait: whether to wait for it.
        waiting: that line; without it, that another process is at the work of this folder.

    Yields:
        Whether the lock is held; always with ``wait``. On a file system that knows no locks it
        counts as held, and the log says so.
    """
    path = folder / LOCK
    waiting = waiting or f"{folder}: another process is at this work; waiting for it"
    descriptor = _acquire(path, log, waiting if wait else None)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        # Removed while it is held: who waits for it finds that it is no more, and makes another.
        # If it is gone already, the file that is there now is another process's lock.
        if _is_at(descriptor, path):
            path.unlink(missing_ok=True)
        os.close(descriptor)
        # It may have checkpoints, be gone, or another process may have made its lock there.
        with suppress(OSError):
            folder.rmdir()


def clear(folder: Path) -> None:
    """Remove the files of a folder but its lock, which `held` removes, as far as that is allowed.

    A lock that is removed earlier is free before the work is over.
    """
    for path in folder.glob("*"):
        if path.name != LOCK:
            with suppress(OSError):
                path.unlink()


def _acquire(path: Path, log: logging.Logger, waiting: str | None) -> int | None:
    """Return the locked file, or None if another process has it and no line is given to wait."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the folder was removed just now
            continue
        try:
            if not _lock(descriptor, path, log, waiting):
                os.close(descriptor)
                return None
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path, log: logging.Logger, waiting: str | None) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting is None:
            return False
        log.info("%s", waiting)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        log.warning("%s cannot be locked (%s): let no other process do this work", path, error)
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
