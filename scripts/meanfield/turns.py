"""What computes a job: the CPU, or a GPU, on which the jobs of a user take turns.

With `backend: cupy` Snakemake lets one job at a time have the GPU. With `auto` it cannot, since it
does not know of one: without a GPU all cores are to work. Nor does it know of another workflow.
"""

import logging
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from meanfield.arrays import Backend, choose_backend
from meanfield.gpu_memory import free_bytes
from meanfield.locks import held


@contextmanager
def use_backend(setting: str, log: logging.Logger, *, against: str = "") -> Iterator[Backend]:
    """Choose what is to compute, and hold it: a GPU is this job's alone until the end.

    Args:
        setting: see `meanfield.arrays.choose_backend`, as for ``against`` and what is raised.
        log: told which device was chosen, and of a GPU that is waited for.
        against: why "auto" is not to look for a GPU.

    Yields:
        The backend.
    """
    with ExitStack() as turn:
        # Waited for before its test kernels run: they take memory on it, which its job may need.
        backend = choose_backend(
            setting, log.info, against=against, claim=lambda address: _wait(address, turn, log)
        )
        if backend.name == "cpu":
            turn.close()  # a GPU that failed the test is not held while the CPU works
        yield backend
        # Not after an error, which ends the process, and may have been the GPU's.
        if backend.name == "cupy":
            free_bytes(backend.xp)  # what the pool keeps is the next job's


def lock_folder(address: str) -> Path:
    """Return the folder whose lock is a user's turn on a GPU of this computer.

    It lies in the folder for temporary files (TMPDIR), for all workflows: jobs that have different
    ones do not see each other. Those of several computers may share one, with GPUs at equal
    addresses.
    """
    name = f"meanfield-{os.getuid()}-{platform.node()}-gpu-{address}"
    return Path(tempfile.gettempdir()) / name


def _wait(address: str, turn: ExitStack, log: logging.Logger) -> None:
    """Wait until no other job of this user has a GPU; if that cannot be known, say so and go on."""
    try:
        folder = lock_folder(address)
        with suppress(FileNotFoundError):  # then it is made now, or was removed just now
            if folder.lstat().st_uid != os.getuid():  # who might hold its lock for ever
                raise PermissionError(f"{folder} belongs to another user")
        waiting = f"another job is on the GPU at {address}; waiting for it, by {folder}"
        turn.enter_context(held(folder, log, wait=True, waiting=waiting))
    except OSError as error:
        log.warning("other jobs may be on the GPU at the same time: no turns (%s)", error)
