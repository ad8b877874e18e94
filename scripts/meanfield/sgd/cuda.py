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
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.laws import Law
from meanfield.neurons import Neuron
from meanfield.schedules import Schedule
from meanfield.sgd import cuda_network
from meanfield.sgd.cuda_device import CupyDevice, Device
from meanfield.sgd.cuda_job import Job, checked_job
from meanfield.sgd.cuda_network import checked_inputs
from meanfield.sgd.cuda_replicas import Found, Replicas, form
from meanfield.sgd.reference import Divergence, all_finite

LOG = logging.getLogger("meanfield")

_SHARE = 0.9
"""Of the free memory that a run may take."""

Floats = npt.NDArray[np.float64]
Recorder = Callable[[int, npt.NDArray[Any], Floats, list[Floats] | None], None]
"""Called at every snapshot as record(step, parameters, means, outputs), see `run`."""


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
"""Called between launches as pulse(step, state), where state() gives the state, at some cost."""


def run(
    theta0: npt.NDArray[Any] | None,
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
    inputs: npt.NDArray[Any] | Sequence[npt.NDArray[Any]] | None = None,
    start: State | None = None,
    pulse: Pulse | None = None,
    device: Device | None = None,
) -> npt.NDArray[Any]:
    """Run R replicas of one-pass SGD: `engine.run` for each, up to rounding.

        theta_i <- (1 - 2 lambda s_k) theta_i + 2 s_k (y_k - yhat_k) grad sigma_*(x_k; theta_i)
                   + sqrt(4 s_k / beta) g_ik,   g_ik ~ N(0, I_D)

    Args:
        theta0: initial parameters (R, N, D), finite; None with a start. Forgotten once they are on
            the device, as the start is.
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
            (y - yhat)^2 over the steps since the last call, nan if there are none, outputs), with
            copies; the outputs yhat of every replica on its inputs are a list of arrays (n,), with
            the bits of `prediction.network`, or None without inputs.
        inputs: on which the networks are evaluated, (n, d); or an array for each replica, the same
            object where they share it.
        start: state of the same run to continue from, instead of theta0; its snapshots are not
            recorded again.
        pulse: called after every window of samples, thousands of steps or, where they take much
            memory, as few as a block; it may raise to end the run.
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
        start.theta if start else theta0, neuron, law, schedule, step_size, decay,
        inverse_temperature, snapshot_steps, seeds, precision,
    )  # fmt: skip
    if inputs is not None:
        job = job._replace(inputs=checked_inputs(inputs, job))
    device = device or CupyDevice()
    step, recorded = (start.step, start.recorded) if start else (0, 0)
    squares = start.squares if start else np.zeros(len(theta))
    try:
        batches = _batches(job, theta, squares, device)
        del theta0, theta, start  # as large as all networks, and of no more use
        return _run(job, batches, step, recorded, snapshots, record, pulse)
    except Exception as error:
        if not device.is_exhausted(error):
            raise
        raise MemoryError(
            f"the GPU's memory is exhausted: {_needed(job, 1)} bytes for a replica were expected, "
            f"{device.free_bytes()} are free now ({error})"
        ) from error


def _batches(
    job: Job, theta: npt.NDArray[Any], squares: npt.ArrayLike, device: Device
) -> list[Replicas]:
    """Return the replicas in as few parts as the device has room for, one at a time."""
    replicas, size = len(job.laws), _batch_size(job, device.free_bytes())
    sums = np.array(squares, dtype=np.float64)
    return [
        Replicas(job.part(part), theta[part], sums[part], device, stay=size >= replicas)
        for part in (slice(first, first + size) for first in range(0, replicas, size))
    ]


def _run(
    job: Job, batches: list[Replicas], step: int, recorded: int, snapshots: tuple[int, ...],
    record: Recorder, pulse: Pulse | None,
) -> npt.NDArray[Any]:  # fmt: skip
    before = snapshots[recorded - 1] if recorded else 0
    unit, window = batches[0].unit, min(batch.window for batch in batches)
    for number in range(recorded, len(snapshots)):
        # Blocks start at multiples of the unit whatever the snapshots: what is left of one is run
        # on a copy.
        snapshot = snapshots[number]
        boundary = snapshot // unit * unit
        while step < boundary:
            target = min(boundary, (step // window + 1) * window)
            _check(job, [batch.advance(step, target, before) for batch in batches])
            step = target
            if pulse is not None:
                pulse(step, partial(_state, batches, step, number))
        found = _look(job, batches, step, snapshot, before)
        steps = snapshot - before
        means = found.squares / steps if steps else np.full(len(job.laws), np.nan)
        before = snapshot
        if number == len(snapshots) - 1:
            record(snapshot, found.theta.copy(), means, found.outputs)
            return found.theta
        record(snapshot, found.theta, means, found.outputs)
        del found  # before there are those of the next
    return _state(batches, step, recorded).theta


def _look(job: Job, batches: list[Replicas], step: int, snapshot: int, before: int) -> Found:
    """Return what all replicas are at a snapshot, which must be finite."""
    results = [batch.look(step, snapshot, before) for batch in batches]
    _check(job, [failed for _, failed in results])
    parts = [found for found, _ in results]
    theta = _joined([part.theta for part in parts])
    for replica, units in enumerate(theta):
        if not all_finite(units):
            raise _divergence(job, replica, snapshot)
    outputs = [output for part in parts for output in part.outputs or ()]
    return Found(theta, _joined([part.squares for part in parts]), outputs if job.inputs else None)


def _joined(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the arrays of all batches as one: no copy if there is one."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _check(job: Job, failed_of_batches: list[npt.NDArray[np.int64]]) -> None:
    """Raise if a replica diverged: the one that did first."""
    failed = np.concatenate(failed_of_batches)
    if np.any(failed >= 0):
        replica = int(np.argmin(np.where(failed >= 0, failed, np.iinfo(np.int64).max)))
        raise _divergence(job, replica, int(failed[replica]))


def _divergence(job: Job, replica: int, step: int) -> Divergence:
    return Divergence(step, int(job.seeds[replica]), float(job.step_sizes[replica]), replica)


def _state(batches: list[Replicas], step: int, recorded: int) -> State:
    theta, squares = zip(*(batch.state() for batch in batches), strict=True)
    return State(step, _joined(theta), _joined(squares), recorded)


def _needed(job: Job, replicas: int) -> int:
    """Return the memory that so many replicas of a job take together, in bytes."""
    return _needs(job)(replicas)


def _needs(job: Job) -> Callable[[int], int]:
    """Return `_needed` of a job as a function of the number, to be asked for many."""
    runner, of_outputs = form(job), cuda_network.needed_bytes(job)
    return lambda replicas: runner.needed_bytes(job, replicas) + of_outputs(replicas)


def _batch_size(job: Job, free: int) -> int:
    """Return how many replicas can be on the device together.

    Raises:
        MemoryError: not one can.
    """
    replicas, most = len(job.laws), form(job).MOST_TOGETHER
    # Not all sizes below one that fits need fit: fewer replicas have more samples at once.
    sizes = range(min(replicas, most), 0, -1)
    needs = _needs(job)
    size = next((size for size in sizes if needs(size) <= _SHARE * free), 0)
    if size == 0:
        raise MemoryError(
            f"a replica needs {needs(1)} bytes on the GPU, {free} are free: set backend: cpu"
        )
    if size < replicas:
        LOG.info(
            "%d replicas need %d bytes on the GPU, %d are free, and %d can share a launch: they "
            "run in batches of %d", replicas, needs(replicas), free, most, size,
        )  # fmt: skip
    return size
