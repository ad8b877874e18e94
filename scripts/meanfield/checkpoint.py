"""Checkpoints: the state of a run on disk, whole or not at all, and only for the same run.

What a run records on its way is no part of the state: it goes, once, into files of its own, so that
a checkpoint late in a run costs what one early in it does.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from meanfield.whole_file import whole_file

Values = Mapping[str, NDArray[Any] | int | float | str]

INTERVAL = 10.0
"""Least work before a checkpoint, in seconds."""

WORK_RATIO = 20.0
"""Least work after a checkpoint, in times of what that took: the files of thousands of networks
take many seconds, in which a GPU waits."""

# RuntimeError: damage that looks like a feature of archives that Python lacks.
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, RuntimeError, BadZipFile)


class Checkpoint:
    """One run's files, that a killed run is continued from: its state, and its records in parts.

    The state says how many parts belong to it. Parts that were written later are written again.

    Args:
        path: the file of the state; `seed-1.npz` has the parts `seed-1.0.npz`, `seed-1.1.npz`, ...
        identity: what the run is made from (settings, code, inputs, seed); a file of another
            identity belongs to another run.

    Attributes:
        path: the file of the state.
        discarded: why files that were there could not be used; empty if they could, or there are
            none.
    """

    def __init__(self, path: str | Path, identity: str) -> None:
        self.path = Path(path)
        self.identity = identity
        self.discarded = ""
        self._parts = 0

    def add(self, arrays: Values) -> None:
        """Write the next part of the records; it counts from the next `save` on."""
        with whole_file(self._part(self._parts)) as partial:
            self._write(partial, arrays)
        self._parts += 1

    def save(self, arrays: Values) -> None:
        """Replace the state; a kill at any moment leaves the old one or the new one whole."""
        save_together([(self, arrays)])

    def load(self) -> dict[str, NDArray[Any]] | None:
        """Return what was saved, or None if there is nothing that this run can continue from."""
        self.discarded, self._parts = "", 0
        if not self.path.exists():
            return None
        try:
            arrays = self._read(self.path)
            parts = int(arrays.pop("parts"))
            for number in range(parts):
                self._read(self._part(number))  # a damaged one is to be found now, not at the end
        except OtherRunError:
            self.discard("it was made by other settings or other code")
            return None
        except _UNREADABLE as error:
            self.discard(f"it cannot be read ({error})")
            return None
        self._parts = parts
        return arrays

    def state(self, name: str) -> NDArray[Any]:
        """Return one array of the state."""
        return _array(self.path, name)

    def records(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield one array of every part, in the order in which they were added."""
        for number in range(self._parts):
            yield _array(self._part(number), name)

    def _part(self, number: int) -> Path:
        return self.path.with_suffix(f".{number}{self.path.suffix}")

    def _write(self, path: Path, arrays: Values) -> None:
        content: Any = {**arrays, "identity": self.identity}
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **content)
            file.flush()
            os.fsync(file.fileno())

    def _read(self, path: Path) -> dict[str, NDArray[Any]]:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if str(arrays.pop("identity", "")) != self.identity:
            raise OtherRunError(path)
        return arrays

    def holds(self, name: str) -> bool:
        """Say whether the file is this run's and has an array of a name, without reading that."""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                return name in stored.files and str(stored["identity"]) == self.identity
        except _UNREADABLE:
            return False

    def discard(self, reason: str) -> None:
        """Remove all files, and keep in mind why."""
        self.discarded, self._parts = reason, 0
        self.path.unlink(missing_ok=True)
        for part in self.path.parent.glob(f"{self.path.stem}.*{self.path.suffix}"):
            part.unlink()


class Pace:
    """When checkpoints of work that begins now are due, by `INTERVAL` and `WORK_RATIO`."""

    def __init__(self) -> None:
        self._due = monotonic() + INTERVAL

    @property
    def is_due(self) -> bool:
        """Whether one is to be written."""
        return monotonic() >= self._due

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Take the time of what is done inside, which is to write one."""
        begun = monotonic()
        yield
        ended = monotonic()
        self._due = ended + max(INTERVAL, WORK_RATIO * (ended - begun))


def save_together(files: Iterable[tuple[Checkpoint, Values]]) -> None:
    """Replace the states of several checkpoints.

    Each is whole at any moment. All are written before the first is replaced, so that a kill hardly
    ever comes between them, and leaves runs of one batch at one step.
    """
    with ExitStack() as replaced:
        for checkpoint, arrays in files:
            partial = replaced.enter_context(whole_file(checkpoint.path))
            checkpoint._write(partial, {**arrays, "parts": checkpoint._parts})


def _array(path: Path, name: str) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as stored:
        return np.asarray(stored[name])


class OtherRunError(Exception):
    """A file belongs to another run."""
