"""One seed's run of SGD: what is recorded on its way, and how it goes on after it was killed."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.checkpoint import Checkpoint
from meanfield.evaluation import RiskEstimate, TestSet, estimate_risk
from meanfield.invariants import invariants
from meanfield.laws import Law
from meanfield.neurons import Neuron
from meanfield.problem import Problem
from meanfield.progress import Progress
from meanfield.schedules import Schedule
from meanfield.sgd.engine import State, run
from meanfield.sgd.prediction import network
from meanfield.sgd.reference import Precision

CHECKPOINT_INTERVAL = 10.0
"""Seconds of work after which a checkpoint is written."""

Floats = NDArray[np.float64]


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


class Trajectory(NamedTuple):
    """What a run leaves, at its T snapshots.

    Attributes:
        omega: invariants, shape (T, N, k).
        risks: estimates of the risk and its parts, shape (T, 5), in the order of `RiskEstimate`.
        mean_square_residual: mean of (y - yhat)^2 since the snapshot before, shape (T,).
        theta_path: parameters at the snapshots, shape (T, N, D), or (0, N, D) if not kept.
        theta: parameters at the end, shape (N, D).
    """

    omega: Floats
    risks: Floats
    mean_square_residual: Floats
    theta_path: NDArray[Any]
    theta: NDArray[Any]


@dataclass
class Recorder:
    """Collects what a trajectory holds, snapshot by snapshot."""

    setup: Setup
    report: Callable[[RiskEstimate], None]
    omega: list[Floats] = field(default_factory=list)
    risks: list[Floats] = field(default_factory=list)
    residual: list[float] = field(default_factory=list)
    theta_path: list[NDArray[Any]] = field(default_factory=list)

    def __call__(self, step: int, theta: NDArray[Any], mean_square_residual: float) -> None:
        """Record one snapshot."""
        setup = self.setup
        omega = invariants(setup.law, setup.neuron, theta)
        output = network(theta, setup.test_set.x, setup.neuron)
        risk = estimate_risk(output, omega, setup.test_set, setup.problem)
        self.omega.append(omega)
        self.risks.append(np.array(risk))
        self.residual.append(mean_square_residual)
        if setup.keep_theta:
            self.theta_path.append(theta)
        self.report(risk)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was recorded, for a checkpoint."""
        names = ("omega", "risks", "residual", "theta_path")
        return {name: np.array(getattr(self, name)) for name in names}

    def trajectory(self, theta: NDArray[Any]) -> Trajectory:
        """Return all that was recorded, with the parameters at the end."""
        return Trajectory(
            np.array(self.omega),
            np.array(self.risks),
            np.array(self.residual),
            np.array(self.theta_path).reshape(-1, *theta.shape),
            theta,
        )

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what a checkpoint holds."""
        self.omega, self.risks = list(arrays["omega"]), list(arrays["risks"])
        self.residual = arrays["residual"].tolist()
        self.theta_path = list(arrays["theta_path"])


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
        checkpoint: where the state goes every `CHECKPOINT_INTERVAL` seconds.
        progress: is told of every step and every risk.
        stop: when set, the run ends with `Stopped`.
        log: gets a line when the run continues an earlier one, or cannot.

    Returns:
        The trajectory.

    Raises:
        Divergence: the iterates are not finite.
        Stopped: `stop` was set.
    """
    recorder = Recorder(setup, lambda risk: progress.advance(0, risk.risk))
    counted = 0
    arrays = checkpoint.load()
    if arrays is not None and "final" in arrays:
        recorder.restore(arrays)
        progress.resume(setup.snapshot_steps[-1])
        log.info("seed %d: was finished before", seed)
        return recorder.trajectory(arrays["final"])
    if arrays is not None:
        recorder.restore(arrays)
        counted = int(arrays["step"])
        progress.resume(counted)
        log.info("seed %d: continued from step %d", seed, counted)
    elif checkpoint.discarded:
        log.info("seed %d: the checkpoint was discarded: %s", seed, checkpoint.discarded)
    saved = monotonic()

    def pulse(step: int, state: Callable[[], State]) -> None:
        nonlocal counted, saved
        if stop.is_set():
            raise Stopped("stopped, because another seed failed")
        progress.advance(step - counted)
        counted = step
        if monotonic() - saved >= CHECKPOINT_INTERVAL:
            checkpoint.save(state()._asdict() | recorder.arrays())
            saved = monotonic()

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
        record=recorder,
        start=_take_state(arrays) if arrays else None,
        pulse=pulse,
    )
    progress.advance(setup.snapshot_steps[-1] - counted)
    # The other seeds may have long to go: a kill must not cost this one.
    checkpoint.save({"final": theta} | recorder.arrays())
    return recorder.trajectory(theta)


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
