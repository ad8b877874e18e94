"""Runs of SGD that a device makes in step: seeds of a point, or of several points of a sweep."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield import training
from meanfield.checkpoint import Arrays, Checkpoint, save_together
from meanfield.progress import Progress
from meanfield.sgd.cuda import State
from meanfield.sgd.reference import Divergence
from meanfield.training import Recorder, Setup, Trajectory

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


class _Member:
    """A replica on its way: what was recorded, and where it goes on."""

    def __init__(self, replica: Replica, progress: Progress, log: logging.Logger) -> None:
        self.replica = replica
        self.recorder = Recorder(replica.setup, lambda risk: progress.advance(0, risk.risk))
        self.final: NDArray[Any] | None = None
        self.start: State | None = None
        checkpoint = replica.checkpoint
        arrays = checkpoint.load()
        if arrays is not None:
            self.recorder.restore(arrays)
            self.final = arrays.get("final")
            if self.final is None:
                step, recorded = int(arrays["step"]), int(arrays["recorded"])
                self.start = State(step, arrays["theta"], arrays["squares"], recorded)
        elif checkpoint.discarded:
            log.info("%s was discarded: %s", checkpoint.path, checkpoint.discarded)

    @property
    def step(self) -> int:
        """Steps done."""
        if self.final is not None:
            return self.replica.setup.snapshot_steps[-1]
        return self.start.step if self.start else 0

    @property
    def place(self) -> tuple[bool, int, int]:
        """What must agree for two replicas to go on together."""
        return self.final is None, self.step, self.start.recorded if self.start else 0


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
    moment and started again ends with the same bits as one left alone. Replicas whose checkpoints
    are at different steps are run in a call for each step.

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
        The trajectory of every replica.

    Raises:
        Divergence: the iterates are not finite; its `replica` counts the ones given here.
        MemoryError: not even one replica fits.
    """
    members = [_Member(replica, progress, log) for replica in replicas]
    batches: dict[tuple[bool, int, int], list[int]] = {}
    for number, member in enumerate(members):
        batches.setdefault(member.place, []).append(number)
    for (running, step, _), numbers in batches.items():
        if step:
            progress.resume(len(numbers) * step)
            done = f"continued from step {step}" if running else "were finished before"
            log.info("%d of %d networks: %s", len(numbers), len(replicas), done)
    waiting = list(batches.values())
    found: dict[int, Trajectory] = {}
    while waiting:
        numbers = waiting.pop()
        try:
            finals = _advance([members[i] for i in numbers], run, device, progress, threads)
        except Divergence as error:
            number = numbers[error.replica]
            raise Divergence(error.step, error.seed, error.step_size, number) from error
        except MemoryError as error:
            if len(numbers) == 1:
                raise
            half = len(numbers) // 2
            parts = half, len(numbers) - half
            log.info(
                "%d networks at once: %s; running them as %d and %d", len(numbers), error, *parts
            )
        else:
            found |= {
                i: members[i].recorder.trajectory(final)
                for i, final in zip(numbers, finals, strict=True)
            }
            continue
        for i in numbers:
            members[i] = _Member(replicas[i], progress, log)
        waiting += [numbers[half:], numbers[:half]]
    return [found[number] for number in range(len(replicas))]


def _advance(
    members: Sequence[_Member], run: Run, device: str, progress: Progress, threads: int
) -> Sequence[NDArray[Any]]:
    """Run members that are at one place to the end, with checkpoints; return their parameters."""
    finals = [member.final for member in members if member.final is not None]
    if finals:
        return finals
    replicas = [member.replica for member in members]
    recorders = [member.recorder for member in members]
    setup, count = replicas[0].setup, len(replicas)
    start = _joined([member.start for member in members if member.start])
    for member in members:
        member.start = None
    counted, saved = start.step if start else 0, monotonic()

    def save(arrays: Iterator[Arrays]) -> None:
        pairs = zip(replicas, recorders, arrays, strict=True)
        save_together((each.checkpoint, {**one, **seen.arrays()}) for each, seen, one in pairs)

    def pulse(step: int, state: Callable[[], State]) -> None:
        nonlocal counted, saved
        progress.advance(count * (step - counted))
        counted = step
        if monotonic() - saved >= training.CHECKPOINT_INTERVAL:
            save(_parts(state()))
            saved = monotonic()

    with ThreadPoolExecutor(max_workers=max(1, min(threads, count))) as pool:

        def record(step: int, theta: NDArray[Any], residuals: NDArray[Any]) -> None:
            means = [float(mean) for mean in residuals]
            steps = [step] * count
            for _ in pool.map(lambda look, *seen: look(*seen), recorders, steps, theta, means):
                pass  # what a thread raised is raised here

        theta = run(
            start.theta if start else np.stack([replica.theta0() for replica in replicas]),
            neuron=setup.neuron,
            law=[replica.setup.law for replica in replicas],
            schedule=setup.schedule,
            step_size=[replica.setup.step_size for replica in replicas],
            decay=setup.decay,
            inverse_temperature=setup.inverse_temperature,
            snapshot_steps=setup.snapshot_steps,
            seeds=[replica.seed for replica in replicas],
            precision=setup.precision,
            record=record,
            start=start,
            pulse=pulse,
        )
    progress.advance(count * (setup.snapshot_steps[-1] - counted))
    save({"final": final, "device": device} for final in theta)
    return list(theta)


def _joined(states: Sequence[State]) -> State | None:
    """Return the state of several replicas that are at one step; None if they have none."""
    if not states:
        return None
    step, _, _, recorded = states[0]
    squares = np.array([state.squares for state in states], dtype=np.float64)
    return State(step, np.stack([state.theta for state in states]), squares, recorded)


def _parts(state: State) -> Iterator[Arrays]:
    """Yield the state of each replica."""
    for theta, squares in zip(state.theta, state.squares, strict=True):
        yield state._replace(theta=theta, squares=squares)._asdict()


def finished(replicas: Sequence[Replica]) -> tuple[list[Trajectory], str] | None:
    """Return the trajectories of replicas that were finished earlier, with the device.

    None unless all of them were.
    """
    if not all(replica.checkpoint.holds("final") for replica in replicas):
        return None
    trajectories, devices = [], []
    for replica in replicas:
        arrays = replica.checkpoint.load()
        if arrays is None:
            return None
        recorder = Recorder(replica.setup, lambda risk: None)
        recorder.restore(arrays)
        trajectories.append(recorder.trajectory(arrays["final"]))
        devices.append(str(arrays["device"]))
    return trajectories, " and ".join(dict.fromkeys(devices))
