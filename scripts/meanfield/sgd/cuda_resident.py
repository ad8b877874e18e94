"""SGD on a GPU with the weights in registers: thousands of steps a launch."""

from typing import Any

import numpy as np

from meanfield.sgd.cuda_device import Device
from meanfield.sgd.cuda_job import Constants, Job, host_samples, replica_bytes
from meanfield.sgd.cuda_kernels import Shape, resident

MOST_TOGETHER = 2**31 - 1
"""Replicas of a launch: CUDA has no more blocks of threads in a row of a grid."""

_LAUNCH = 8192
_SAMPLE_BYTES = 2**28


class Resident:
    """Runs the replicas of a job by one launch a window of steps.

    Attributes:
        unit: steps that must be done together: 1.
        window: steps of a launch.
    """

    unit = 1

    def __init__(self, job: Job, shape: Shape, device: Device) -> None:
        self._job, self._device = job, device
        self._kernel = device.compile(resident(job.kind, shape))
        self._constants = Constants(job, device.xp.asarray)
        self.window = window(job, len(job.laws))

    def advance(
        self, theta: Any, step: int, target: int, counted: int, squares: Any, failed: Any
    ) -> None:
        """Run from a step to another, at most a window later.

        Args:
            theta: parameters (R, N, D) on the device, changed.
            step: steps done.
            target: steps to be done.
            counted: first step whose residual counts, at most ``step``.
            squares: sums of (y - yhat)^2, (R,), changed.
            failed: (R,), at first -1; the first step whose prediction is not finite.
        """
        job, constants, count = self._job, self._constants, target - step
        steps = constants.steps(step, count)
        x, y = self._samples(step, count)
        arguments = (
            theta, np.int32(job.neurons), constants.seeds, constants.wide, constants.narrow,
            constants.informative, x, y, constants.group, steps.rates, steps.gammas, steps.scales,
            np.uint64(step), np.int32(count), squares, failed,
        )  # fmt: skip
        self._kernel((len(job.laws), 1), arguments)

    def _samples(self, step: int, count: int) -> tuple[Any, Any]:
        job, xp = self._job, self._device.xp
        if job.kind.drawn:
            void = xp.zeros(1, dtype=np.float32)
            return void, void
        x, y = host_samples(job, step, count)
        padding = job.kind.inputs - job.kind.dimension
        return xp.asarray(np.pad(x, ((0, 0), (0, 0), (0, padding)))), xp.asarray(y)


def window(job: Job, replicas: int) -> int:
    """Return the steps of a launch of so many replicas: fewer if samples come from the host."""
    if job.kind.drawn:
        return _LAUNCH
    room = _SAMPLE_BYTES // (4 * (job.kind.inputs + 1) * replicas)
    return min(_LAUNCH, 2 ** (max(room, 64).bit_length() - 1))


def needed_bytes(job: Job, replicas: int) -> int:
    """Return the memory that so many replicas of a job take on the device."""
    steps = window(job, replicas)
    samples = 1 if job.kind.drawn else replicas * steps * (job.kind.inputs + 1)
    networks = replicas * job.neurons * job.kind.parameters
    return 4 * (networks + samples) + replica_bytes(job, replicas, steps)
