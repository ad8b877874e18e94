"""One-pass stochastic gradient descent on an NVIDIA GPU: many replicas of a run at once.

A replica is a seed, or a point of a sweep.  Small networks stay in registers (`cuda_resident`),
others go by exact blocks (`cuda_blocked`).  Samples and noise have the bits of the CPU; the
iterates differ from the CPU's by the rounding of float32.  They do not depend on the times of
snapshots.  From registers they do not depend on interruptions or on what else is run either; by
blocks they may depend, by rounding, on how many replicas are on the device together, since cuBLAS
may choose the order of its sums by that.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.laws import Law
from meanfield.neurons import Neuron
from meanfield.schedules import Schedule
from meanfield.sgd import cuda_blocked, cuda_resident
from meanfield.sgd.cuda_blocked import Blocked
from meanfield.sgd.cuda_device import CupyDevice, Device
from meanfield.sgd.cuda_job import Job, checked_job
from meanfield.sgd.cuda_kernels import resident_shape
from meanfield.sgd.cuda_resident import Resident
from meanfield.sgd.reference import Divergence, all_finite

LOG = logging.getLogger("meanfield")

_SHARE = 0.9
"""Of the free memory that a run may take."""

Floats = npt.NDArray[np.float64]
Recorder = Callable[[int, npt.NDArray[Any], Floats], None]


class State(NamedTuple):
    """Where a run of R replicas can be continued, with the same bits if as many run together.

    Attributes:
        step: steps done.
        theta: parameters (R, N, D) after them, float32.
        squares: sums of (y - yhat)^2 since the last snapshot, (R,).
        recorded: snapshots that were recorded.
    """

    step: int
    theta: npt.NDArray[Any]
    squares: Floats
    recorded: int


Pulse = Callable[[int, Callable[[], State]], None]
"""Called now and then as pulse(step, state), where state() gives the state, at some cost."""


class _Replicas:
    """Some of the replicas, which are on the device together.

    Attributes:
        unit: steps that must be done together.
        window: steps that can be done in one go.
    """

    def __init__(self, job: Job, theta: Any, squares: Any, device: Device, stay: bool) -> None:
        shape = resident_shape(job.neurons, job.kind)
        self._job, self._device, self._stay = job, device, stay
        self._make = (
            partial(Resident, job, shape, device) if shape else partial(Blocked, job, device)
        )
        self._runner: Resident | Blocked | None = None
        self._theta: Any = None
        self._squares: Any = None
        self._failed: Any = None
        self._host = theta, squares
        self.unit = 1 if shape else cuda_blocked.block_of(job)
        self.window = _form(job).window(job, len(job.laws))

    def advance(self, step: int, target: int, counted: int, last: int | None = None) -> Any:
        """Run to a step at which the run can be cut; or to ``last``, and back to ``target``.

        Args:
            step: steps done.
            target: steps to be done, a multiple of ``unit``.
            counted: first step whose residual counts.
            last: None, or a step from ``target`` on, less than ``unit`` later.

        Returns:
            With ``last``, the parameters and sums of squares after it, else None; and for each
            replica the first step whose prediction was not finite, or -1.
        """
        self._load()
        assert self._runner is not None
        if step < target:
            self._runner.advance(self._theta, step, target, counted, self._squares, self._failed)
        found = None
        if last is not None:
            theta = self._theta
            if last > target:
                theta = theta.copy()
                self._runner.advance(theta, target, last, counted, self._squares, self._failed)
            found = self._device.to_host(theta), self._device.to_host(self._squares)
            self._squares[:] = 0.0
        failed = self._device.to_host(self._failed)
        if not self._stay:
            self._unload()
        return found, failed

    def state(self) -> tuple[npt.NDArray[Any], Floats]:
        """Return the parameters and the sums of squares, as new arrays."""
        if self._runner is None:
            theta, squares = self._host
            return theta.copy(), squares.copy()
        return self._device.to_host(self._theta), self._device.to_host(self._squares)

    def _load(self) -> None:
        if self._runner is None:
            xp = self._device.xp
            self._runner = self._make()
            self._theta, self._squares = (xp.array(part) for part in self._host)
            self._failed = xp.full(len(self._job.laws), -1, dtype=np.int64)

    def _unload(self) -> None:
        self._host = self.state()
        self._runner = self._theta = self._squares = self._failed = None


def run(
    theta0: npt.NDArray[Any],
    *,
    neuron: Neuron,
    law: Law | Sequence[Law],
    schedule: Schedule,
    step_size: float | Sequence[float],
    decay: float = 0.0,
    inverse_temperature: float = np.inf,
    snapshot_steps: Sequence[int],
    seeds: Sequence[int],
    precision: str = "float32",
    record: Recorder,
    start: State | None = None,
    pulse: Pulse | None = None,
    device: Device | None = None,
) -> npt.NDArray[Any]:
    """Run R replicas of one-pass SGD: `engine.run` for each, up to rounding.

        theta_i <- (1 - 2 lambda s_k) theta_i + 2 s_k (y_k - yhat_k) grad sigma_*(x_k; theta_i)
                   + sqrt(4 s_k / beta) g_ik,   g_ik ~ N(0, I_D)

    Args:
        theta0: initial parameters (R, N, D), finite.
        neuron: sigma_*; its activation piecewise linear, tanh or erf.
        law: the data law, or one for each replica, of one kind and one dimension.
        schedule: xi.
        step_size: epsilon, positive, or one for each replica.
        decay: lambda, at least 0.
        inverse_temperature: beta, positive; infinite without noise.
        snapshot_steps: increasing numbers of steps, 0 allowed; the last is the length of the run.
        seeds: R integers in [0, 2^64), the keys of samples and noise.
        precision: "float32".
        record: called as record(step, parameters (R, N, D) after `step` steps, means (R,) of
            (y - yhat)^2 over the steps since the last call, nan if there are none), with copies.
        start: state of the same run to continue from, instead of theta0; its snapshots are not
            recorded again.
        pulse: called between launches, thousands of steps apart; it may raise to end the run.
        device: what computes; CuPy's current device if None.

    Returns:
        The parameters (R, N, D) after the last step, float32.

    Raises:
        ValueError: an argument has the wrong shape, range or order, or is not for a GPU.
        Divergence: a prediction, or the parameters at a snapshot, are not finite, in any replica.
        MemoryError: the device has no room for one replica.

    Source: Mei, Montanari & Nguyen (2018), the SGD iteration and its noisy version.
    """
    theta, snapshots, job = checked_job(
        theta0, neuron, law, schedule, step_size, decay, inverse_temperature, snapshot_steps, seeds,
        precision,
    )  # fmt: skip
    device = device or CupyDevice()
    state = start or State(0, theta, np.zeros(len(theta)), 0)
    try:
        return _run(job, state, snapshots, record, pulse, device)
    except Exception as error:
        if not device.is_exhausted(error):
            raise
        raise MemoryError(
            f"the GPU's memory is exhausted: {_needed(job, 1)} bytes for a replica were expected, "
            f"{device.free_bytes()} are free now ({error})"
        ) from error


def _run(
    job: Job, state: State, snapshots: tuple[int, ...], record: Recorder, pulse: Pulse | None,
    device: Device,
) -> npt.NDArray[Any]:  # fmt: skip
    replicas = len(job.laws)
    size = _batch_size(job, device.free_bytes())
    slices = [slice(first, first + size) for first in range(0, replicas, size)]
    batches = [
        _Replicas(
            job.part(part), state.theta[part], np.array(state.squares[part], dtype=np.float64),
            device, len(slices) == 1,
        )
        for part in slices
    ]  # fmt: skip
    step, recorded = state.step, state.recorded
    before = snapshots[recorded - 1] if recorded else 0
    unit, window = batches[0].unit, min(batch.window for batch in batches)
    theta = state.theta
    for number in range(recorded, len(snapshots)):
        # Blocks start at multiples of the unit whatever the snapshots: what is left of one is run
        # on a copy.
        snapshot = snapshots[number]
        boundary = snapshot // unit * unit
        while step < boundary:
            target = min(boundary, (step // window + 1) * window)
            _join(job, [batch.advance(step, target, before) for batch in batches])
            step = target
            if pulse is not None:
                pulse(step, partial(_state, batches, step, number))
        found = _join(job, [batch.advance(step, step, before, snapshot) for batch in batches])
        theta, squares = (np.concatenate(parts) for parts in zip(*found, strict=True))
        for replica in range(replicas):
            if not all_finite(theta[replica]):
                raise _divergence(job, replica, snapshot)
        steps = snapshot - before
        given = theta.copy() if number == len(snapshots) - 1 else theta
        record(snapshot, given, squares / steps if steps else np.full(replicas, np.nan))
        before = snapshot
    return theta


def _join(job: Job, results: list[Any]) -> list[Any]:
    """Return what the batches found, unless a replica diverged: the one that did first."""
    failed = np.concatenate([each[1] for each in results])
    if np.any(failed >= 0):
        replica = int(np.argmin(np.where(failed >= 0, failed, np.iinfo(np.int64).max)))
        raise _divergence(job, replica, int(failed[replica]))
    return [each[0] for each in results]


def _divergence(job: Job, replica: int, step: int) -> Divergence:
    return Divergence(step, int(job.seeds[replica]), float(job.step_sizes[replica]), replica)


def _state(batches: list[_Replicas], step: int, recorded: int) -> State:
    states = [batch.state() for batch in batches]
    theta, squares = (np.concatenate(parts) for parts in zip(*states, strict=True))
    return State(step, theta, squares, recorded)


def _form(job: Job) -> ModuleType:
    """Return the module that runs a job."""
    return cuda_resident if resident_shape(job.neurons, job.kind) else cuda_blocked


def _needed(job: Job, replicas: int) -> int:
    """Return the memory that so many replicas of a job take together, in bytes."""
    needed: int = _form(job).needed_bytes(job, replicas)
    return needed


def _batch_size(job: Job, free: int) -> int:
    """Return how many replicas can be on the device together.

    Raises:
        MemoryError: not one can.
    """
    replicas, most = len(job.laws), _form(job).MOST_TOGETHER
    # Not all sizes below one that fits need fit: fewer replicas have more samples at once.
    sizes = range(min(replicas, most), 0, -1)
    size = next((size for size in sizes if _needed(job, size) <= _SHARE * free), 0)
    if size == 0:
        raise MemoryError(
            f"a replica needs {_needed(job, 1)} bytes on the GPU, {free} are free: set backend: cpu"
        )
    if size < replicas:
        LOG.info(
            "%d replicas need %d bytes on the GPU, %d are free, and %d can share a launch: they "
            "run in batches of %d", replicas, _needed(job, replicas), free, most, size,
        )  # fmt: skip
    return size
