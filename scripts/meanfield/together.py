"""Runs of SGD that a device makes in step: seeds of a point, or of several points of a sweep."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.checkpoint import Checkpoint, Pace, Values, save_together
from meanfield.progress import Progress
from meanfield.sgd.cuda import State
from meanfield.sgd.reference import Divergence
from meanfield.training import Setup, look
from meanfield.trajectory import Records, Snapshot, Trajectory, is_finished

Run = Callable[..., NDArray[Any]]
"""One-pass SGD of R networks in step: `meanfield.sgd.cuda.run`."""


class Replica(NamedTuple):
    """One network among those that are run together.

    Attributes:
        theta0: gives the initial parameters, shape (N, D).
        seed: key of the samples and the noise.
        setup: the rest of the run. All replicas agree in what `Run` has once for all: they may
            differ in step size, in values of the law, and in what their risk is measured by.
        checkpoint: where the state goes, and the end.
    """

    theta0: Callable[[], NDArray[Any]]
    seed: int
    setup: Setup
    checkpoint: Checkpoint


class NoRoomError(MemoryError):
    """A network does not fit by itself; `replica` counts the ones given."""

    def __init__(self, reason: str, replica: int) -> None:
        super().__init__(reason)
        self.replica = replica


class _Member:
    """A replica on its way: what was recorded, and where it goes on."""

    def __init__(self, replica: Replica, device: str, log: logging.Logger) -> None:
        self.replica, self.records = replica, Records(replica.checkpoint)
        self.start: State | None = None
        checkpoint = replica.checkpoint
        arrays = checkpoint.load()
        self.is_finished = arrays is not None and is_finished(arrays)
        if arrays is not None and not self.is_finished and str(arrays["device"]) != device:
            # Another model may round in another order, and so may another version of cuBLAS.
            checkpoint.discard(f"it was begun on {arrays['device']}, and this is {device}")
            arrays = None
        if arrays is not None and not self.is_finished:
            step, recorded = int(arrays["step"]), int(arrays["recorded"])
            self.start = State(step, arrays["theta"], arrays["squares"], recorded)
        elif checkpoint.discarded:
            log.info("%s was discarded: %s", checkpoint.path, checkpoint.discarded)

    @property
    def step(self) -> int:
        """Steps done."""
        if self.is_finished:
            return self.replica.setup.snapshot_steps[-1]
        return self.start.step if self.start else 0

    @property
    def place(self) -> tuple[bool, int, int]:
        """What must agree for two replicas to go on together."""
        return self.is_finished, self.step, self.start.recorded if self.start else 0

    def look(self, theta: NDArray[Any], residual: float, output: NDArray[Any]) -> Snapshot:
        """Return what is recorded of the network."""
        return look(self.replica.setup, theta, residual, output)


class _Looks:
    """What is recorded of networks at a snapshot, found in threads while the device goes on.

    Args:
        members: the networks.
        pool: the threads.
        progress: is told of every risk.
    """

    def __init__(
        self, members: Sequence[_Member], pool: ThreadPoolExecutor, progress: Progress
    ) -> None:
        self._members, self._pool, self._progress = members, pool, progress
        self._pending: list[Future[Snapshot]] = []

    def begin(
        self, step: int, theta: NDArray[Any], residuals: NDArray[Any], outputs: list[NDArray[Any]]
    ) -> None:
        """Look at all networks, once those of the snapshot before are recorded: see `cuda.run`."""
        self.finish()
        seen = zip(self._members, theta, residuals, outputs, strict=True)
        self._pending = [self._pool.submit(_Member.look, *each) for each in seen]

    def finish(self) -> None:
        """Record the snapshot that was begun last; what a thread raised is raised here."""
        for member, future in zip(self._members, self._pending, strict=False):
            snapshot = future.result()
            member.records.add([snapshot])
            self._progress.advance(0, float(snapshot.risks[0]))
        self._pending = []


def train_in_batches(
    replicas: Sequence[Replica],
    run: Run,
    *,
    device: str,
    progress: Progress,
    threads: int,
    log: logging.Logger,
) -> list[Trajectory]:
    """Run SGD of all replicas in one call, or in halves of them as long as memory does not suffice.

    The twin of `meanfield.training.train`: the same records, and a checkpoint for each replica, so
    that whoever is run together with it next can go on from there. A run that is killed at any
    moment and started again ends with the same bits as one left alone, if a replica's bits do not
    depend on how many run together. On a GPU they may by blocks, not from registers: there a batch
    that is resumed in other company, or split, may differ by rounding. Replicas whose checkpoints
    are at different steps are run in a call for each step. One that was begun on another device
    starts anew: no network is of two.

    A device splits what it can tell is too much by itself; halves are for when it runs out all the
    same, since others use it.

    Args:
        replicas: what is run, at least one.
        run: runs several networks in step.
        device: on which; it is left with the results.
        progress: is told of every step and every risk.
        threads: in which the networks are looked at.
        log: gets a line when a run continues an earlier one, cannot, or is halved.

    Returns:
        The trajectory of every replica, which is in the files of its checkpoint.

    Raises:
        Divergence: the iterates are not finite; its `replica` counts the ones given here.
        NoRoomError: a replica does not even fit alone.
    """
    members = [_Member(replica, device, log) for replica in replicas]
    batches: dict[tuple[bool, int, int], list[int]] = {}
    for number, member in enumerate(members):
        batches.setdefault(member.place, []).append(number)
    for (ended, step, _), numbers in batches.items():
        if step:
            progress.resume(len(numbers) * step)
            done = "were finished before" if ended else f"continued from step {step}"
            log.info("%d of %d networks: %s", len(numbers), len(replicas), done)
    waiting = [numbers for (ended, _, _), numbers in batches.items() if not ended]
    while waiting:
        numbers = waiting.pop()
        try:
            _advance([members[i] for i in numbers], run, device, progress, threads)
        except Divergence as error:
            number = numbers[error.replica]
            raise Divergence(error.step, error.seed, error.step_size, number) from error
        except MemoryError as error:
            if len(numbers) == 1:
                raise NoRoomError(str(error), numbers[0]) from error
            half = len(numbers) // 2
            parts = half, len(numbers) - half
            log.info(
                "%d networks at once: %s; running them as %d and %d", len(numbers), error, *parts
            )
        else:
            continue
        for i in numbers:
            members[i] = _Member(replicas[i], device, log)
        waiting += [numbers[half:], numbers[:half]]
    return [member.records.trajectories(1)[0] for member in members]


def _advance(
    members: Sequence[_Member], run: Run, device: str, progress: Progress, threads: int
) -> None:
    """Run members that are at one place to the end, with checkpoints."""
    replicas, count = [member.replica for member in members], len(members)
    setup = replicas[0].setup
    counted, pace = members[0].step, Pace()
    begun = members[0].start is not None

    def pulse(step: int, state: Callable[[], State]) -> None:
        nonlocal counted
        progress.advance(count * (step - counted))
        counted = step
        if not pace.is_due:
            return
        with pace.writing():
            looks.finish()
            for member in members:
                member.records.flush()
            states = ({**part, "device": device} for part in _parts(state()))
            save_together(zip((each.checkpoint for each in replicas), states, strict=True))

    with ThreadPoolExecutor(max_workers=max(1, min(threads, count))) as pool:
        looks = _Looks(members, pool, progress)
        # Nothing here holds the initial parameters, or the state, until the run returns.
        theta = run(
            None if begun else np.stack([replica.theta0() for replica in replicas]),
            neuron=setup.neuron,
            law=[replica.setup.law for replica in replicas],
            schedule=setup.schedule,
            step_size=[replica.setup.step_size for replica in replicas],
            decay=setup.decay,
            inverse_temperature=setup.inverse_temperature,
            snapshot_steps=setup.snapshot_steps,
            seeds=[replica.seed for replica in replicas],
            precision=setup.precision,
            record=looks.begin,
            inputs=[replica.setup.test_set.x for replica in replicas],
            start=_taken(members) if begun else None,
            pulse=pulse,
        )
        looks.finish()
    progress.advance(count * (setup.snapshot_steps[-1] - counted))
    for member, final in zip(members, theta, strict=True):
        member.records.finish([final], device=device)


def _taken(members: Sequence[_Member]) -> State:
    """Return the state of several replicas that are at one step; they forget theirs."""
    states = [member.start for member in members if member.start]
    for member in members:
        member.start = None
    step, _, _, recorded = states[0]
    squares = np.array([state.squares for state in states], dtype=np.float64)
    return State(step, np.stack([state.theta for state in states]), squares, recorded)


def _parts(state: State) -> Iterator[Values]:
    """Yield the state of each replica."""
    for theta, squares in zip(state.theta, state.squares, strict=True):
        yield state._replace(theta=theta, squares=squares)._asdict()
