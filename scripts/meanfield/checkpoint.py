"""Checkpoints: the state of a run on disk, whole or not at all, and only for the same run."""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from meanfield.store import whole_file

Arrays = Mapping[str, NDArray[Any] | int | float | str]

# RuntimeError: damage that looks like a feature of archives that Python lacks.
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, RuntimeError, BadZipFile)


class Checkpoint:
    """One run's file, that a killed run is continued from.

    Args:
        path: the file.
        identity: what the run is made from (settings, code, inputs, seed); a file of another
            identity belongs to another run.

    Attributes:
        path: the file.
        discarded: why a file that was there could not be used; empty if it could, or there is none.
    """

    def __init__(self, path: str | Path, identity: str) -> None:
        self.path = Path(path)
        self.identity = identity
        self.discarded = ""

    def save(self, arrays: Arrays) -> None:
        """Replace the file; a kill at any moment leaves the old one or the new one whole."""
        save_together([(self, arrays)])

    def load(self) -> dict[str, NDArray[Any]] | None:
        """Return what was saved, or None if there is nothing that this run can continue from."""
        self.discarded = ""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:
            self._discard(f"it cannot be read ({error})")
            return None
        found = str(arrays.pop("identity", ""))
        if found != self.identity:
            self._discard("it was made by other settings or other code")
            return None
        return arrays

    def holds(self, name: str) -> bool:
        """Say whether the file is this run's and has an array of a name, without reading that."""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                return name in stored.files and str(stored["identity"]) == self.identity
        except _UNREADABLE:
            return False

    def _discard(self, reason: str) -> None:
        self.discarded = reason
        self.path.unlink(missing_ok=True)


def save_together(files: Iterable[tuple[Checkpoint, Arrays]]) -> None:
    """Replace the files of several checkpoints.

    Each is whole at any moment. All are written before the first is replaced, so that a kill hardly
    ever comes between them, and leaves runs of one batch at one step.
    """
    with ExitStack() as replaced:
        for checkpoint, arrays in files:
            partial = replaced.enter_context(whole_file(checkpoint.path))
            with partial.open("wb") as file:
                identity: Any = checkpoint.identity
                np.savez(file, allow_pickle=False, identity=identity, **arrays)
                file.flush()
                os.fsync(file.fileno())
