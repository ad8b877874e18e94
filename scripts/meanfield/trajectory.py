"""What runs of SGD record and leave: in files, since it need not fit into memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.checkpoint import Checkpoint

_HELD_BYTES = 2**26
"""Records beyond this size do not wait for the next checkpoint, but go to disk at once."""


class Snapshot(NamedTuple):
    """What is recorded of one network at one time.

    Attributes:
        omega: invariants, shape (N, k).
        risks: estimates of the risk and its parts, shape (5,), in the order of `RiskEstimate`.
        mean_square_residual: mean of (y - yhat)^2 since the snapshot before, shape ().
        theta: parameters, shape (N, D), or (0, D) if they are not kept.
    """

    omega: NDArray[np.float64]
    risks: NDArray[np.float64]
    mean_square_residual: NDArray[np.float64]
    theta: NDArray[Any]


class Records:
    """The snapshots of the networks of one checkpoint, on their way to its files.

    Args:
        checkpoint: of a run of one network or several.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._waiting: list[Sequence[Snapshot]] = []

    def add(self, networks: Sequence[Snapshot]) -> None:
        """Take a snapshot of every network."""
        self._waiting.append(networks)
        each = (array for networks in self._waiting for snapshot in networks for array in snapshot)
        if sum(array.nbytes for array in each) > _HELD_BYTES:
            self._write()

    def flush(self) -> None:
        """Write the snapshots since the last checkpoint, which the next one's state then counts."""
        if self._waiting:
            self._write()

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint: the state, and the snapshots since the last one."""
        self.flush()
        self.checkpoint.save(state)

    def finish(self, theta: Iterable[NDArray[Any]], device: str = "") -> list["Trajectory"]:
        """Write the last checkpoint, with the parameters of every network at the end.

        Args:
            theta: the parameters.
            device: on which they were computed.
        """
        finals = {_name("final", network): final for network, final in enumerate(theta)}
        self.save({**finals, "device": device})
        return self.trajectories(len(finals))

    def trajectories(self, networks: int) -> list["Trajectory"]:
        """Return what a run that is finished left."""
        return [Trajectory(self.checkpoint, network) for network in range(networks)]

    def _write(self) -> None:
        """Write a part: every field of every network, with its snapshots along the first axis."""
        arrays = {
            _name(field, network): _stacked([networks[network][k] for networks in self._waiting])
            for network in range(len(self._waiting[0]))
            for k, field in enumerate(Snapshot._fields)
        }
        self.checkpoint.add(arrays)
        self._waiting = []


@dataclass(frozen=True)
class Trajectory:
    """What a run leaves of one network, read from the files of its checkpoint when asked for.

    Attributes:
        checkpoint: of the run, which is finished.
        network: number of the network among those of the checkpoint.
    """

    checkpoint: Checkpoint
    network: int = 0

    def pieces(self, field: str) -> Iterator[NDArray[Any]]:
        """Yield a field of `Snapshot` for one run of snapshots after another, shapes (n, ...)."""
        return self.checkpoint.records(_name(field, self.network))

    def theta(self) -> NDArray[Any]:
        """Return the parameters at the end, shape (N, D)."""
        return self.checkpoint.state(_name("final", self.network))


class Outcome(NamedTuple):
    """What became of the runs of a point.

    Attributes:
        trajectories: of every seed.
        backend: what computed them, "cpu" or "cupy".
        device: on which.
    """

    trajectories: list[Trajectory]
    backend: str
    device: str


def is_finished(state: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether a checkpoint's state is the end of its run."""
    return _name("final", 0) in state


def was_finished(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint's file is the end of its run, without reading all of it."""
    return checkpoint.holds(_name("final", 0))


def finished(checkpoints: Sequence[Checkpoint]) -> Outcome | None:
    """Return what became of networks that a GPU has all finished earlier.

    Args:
        checkpoints: of the networks, one each.

    Returns:
        None unless all of them were finished.
    """
    if not all(was_finished(checkpoint) for checkpoint in checkpoints):
        return None
    if any(checkpoint.load() is None for checkpoint in checkpoints):
        return None
    trajectories = [Trajectory(checkpoint) for checkpoint in checkpoints]
    return Outcome(trajectories, "cupy", devices_of(checkpoints))


def devices_of(checkpoints: Iterable[Checkpoint]) -> str:
    """Return in words on which devices networks, which are finished, were run."""
    return " and ".join(
        dict.fromkeys(str(checkpoint.state("device")) for checkpoint in checkpoints)
    )


def gpu_checkpoint(folder: Path, identity: str, seed: int) -> Checkpoint:
    """Return the checkpoint of a network on a GPU.

    A run is continued where it began: the CPU, whose checkpoints are others, rounds in another
    order. So may another GPU, by which a checkpoint is therefore discarded.

    Args:
        folder: of the point's checkpoints.
        identity: what the point's results are made from.
        seed: of the network.
    """
    return Checkpoint(folder / f"gpu-seed-{seed}.npz", f"{identity} cupy {seed}")


def _name(field: str, network: int) -> str:
    return f"{field}-{network}"


def _stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    # One alone may be as large as the network: a view, and no copy.
    return arrays[0][np.newaxis] if len(arrays) == 1 else np.stack(arrays)
