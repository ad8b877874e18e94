"""One seed's run of SGD: what is recorded on its way, and how it goes on after it was killed."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.checkpoint import Checkpoint, Pace
from meanfield.evaluation import TestSet, estimate_risk
from meanfield.invariants import invariants
from meanfield.laws import Law
from meanfield.neurons import Neuron
from meanfield.problem import Problem
from meanfield.progress import Progress
from meanfield.schedules import Schedule
from meanfield.sgd.engine import State, run
from meanfield.sgd.prediction import network
from meanfield.sgd.reference import Precision
from meanfield.trajectory import Records, Snapshot, Trajectory, is_finished


@dataclass(frozen=True)
class Setup:
    """Everything about a run of SGD but its seed; see `meanfield.sgd.engine.run`.

    Attributes:
        problem: the reduced problem, for the split of the risk; None where there is none.
        test_set: sample on which the risk is estimated.
        snapshot_steps: steps at which the network is looked at.
        keep_theta: whether the parameters of every snapshot are kept, not only those of the last.
    """

    neuron: Neuron
    law: Law
    schedule: Schedule
    step_size: float
    decay: float
    inverse_temperature: float
    precision: Precision
    snapshot_steps: Sequence[int]
    problem: Problem | None
    test_set: TestSet
    keep_theta: bool = False


def look(
    setup: Setup,
    theta: NDArray[Any],
    mean_square_residual: float,
    output: NDArray[np.float64],
) -> Snapshot:
    """Return what is recorded of a network.

    Args:
        setup: of the run.
        theta: parameters, shape (N, D).
        mean_square_residual: mean of (y - yhat)^2 since the snapshot before.
        output: yhat on the test set, shape (n,).
    """
    omega = invariants(setup.law, setup.neuron, theta)
    return Snapshot(
        omega=omega,
        risks=np.array(estimate_risk(output, omega, setup.test_set, setup.problem)),
        mean_square_residual=np.array(mean_square_residual, np.float64),
        # No view where none is kept: it would hold the parameters.
        theta=theta if setup.keep_theta else np.empty((0, theta.shape[1]), theta.dtype),
    )


def train(
    theta0: Callable[[], NDArray[Any]],
    seed: int,
    setup: Setup,
    *,
    checkpoint: Checkpoint,
    progress: Progress,
    stop: Event,
    log: logging.Logger,
) -> Trajectory:
    """Run SGD for one seed, from its checkpoint where there is one.

    A run that is killed at any moment and started again ends with the same bits as one that is left
    alone. The checkpoint is left in place: its results are safe only once they are stored.

    Args:
        theta0: gives the initial parameters, shape (N, D); a function, so that they are forgotten
            once the run has begun.
        seed: key of the samples and the noise.
        setup: the rest of the run.
        checkpoint: where the state goes now and then, as `Pace` says, and the records.
        progress: is told of every step and every risk.
        stop: when set, the run ends with `Stopped`.
        log: gets a line when the run continues an earlier one, or cannot.

    Returns:
        The trajectory, which is in the files of the checkpoint.

    Raises:
        Divergence: the iterates are not finite.
        Stopped: `stop` was set.
    """
    records = Records(checkpoint)
    counted = 0
    arrays = checkpoint.load()
    if arrays is not None and is_finished(arrays):
        progress.resume(setup.snapshot_steps[-1])
        log.info("seed %d: was finished before", seed)
        return records.trajectories(1)[0]
    if arrays is not None:
        counted = int(arrays["step"])
        progress.resume(counted)
        log.info("seed %d: continued from step %d", seed, counted)
    elif checkpoint.discarded:
        log.info("seed %d: the checkpoint was discarded: %s", seed, checkpoint.discarded)
    pace = Pace()

    def pulse(step: int, state: Callable[[], State]) -> None:
        nonlocal counted
        if stop.is_set():
            raise Stopped("stopped, because another seed failed")
        progress.advance(step - counted)
        counted = step
        if pace.is_due:
            with pace.writing():
                records.save(state()._asdict())

    def record(step: int, theta: NDArray[Any], mean_square_residual: float) -> None:
        output = network(theta, setup.test_set.x, setup.neuron)
        snapshot = look(setup, theta, mean_square_residual, output)
        records.add([snapshot])
        progress.advance(0, float(snapshot.risks[0]))

    # Named one by one: a call with ** would hold theta0 until it returned.
    theta = run(
        theta0(),
        neuron=setup.neuron,
        law=setup.law,
        schedule=setup.schedule,
        step_size=setup.step_size,
        decay=setup.decay,
        inverse_temperature=setup.inverse_temperature,
        snapshot_steps=setup.snapshot_steps,
        seed=seed,
        precision=setup.precision,
        record=record,
        start=_take_state(arrays) if arrays else None,
        pulse=pulse,
    )
    progress.advance(setup.snapshot_steps[-1] - counted)
    # The other seeds may have long to go: a kill must not cost this one.
    return records.finish([theta])[0]


def _take_state(arrays: dict[str, NDArray[Any]]) -> State:
    """Return the state of a checkpoint, whose parameters nobody else holds then."""
    return State(
        int(arrays["step"]),
        arrays.pop("theta"),
        float(arrays["squares"]),
        int(arrays["recorded"]),
    )


class Stopped(RuntimeError):  # noqa: N818 (an outcome of a run, not a mistake)
    """A run ended before its time because it was told to."""
