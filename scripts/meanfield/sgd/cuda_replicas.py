"""Replicas of SGD that are on a GPU together: loaded, run, looked at, and unloaded for others."""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.sgd import cuda_blocked, cuda_resident
from meanfield.sgd.cuda_blocked import Blocked
from meanfield.sgd.cuda_device import Device
from meanfield.sgd.cuda_job import Job
from meanfield.sgd.cuda_kernels import resident_shape
from meanfield.sgd.cuda_network import Outputs
from meanfield.sgd.cuda_resident import Resident

Floats = npt.NDArray[np.float64]


class Found(NamedTuple):
    """Replicas at a snapshot, on the host.

    Attributes:
        theta: parameters (R, N, D), float32.
        squares: sums of (y - yhat)^2 since the last snapshot, (R,).
        outputs: of every network on its inputs, a list of arrays (n,); None without inputs.
    """

    theta: npt.NDArray[Any]
    squares: Floats
    outputs: list[Floats] | None


class Replicas:
    """Some of the replicas of a run, which are on the device together.

    Args:
        job: theirs alone.
        theta: initial parameters (R, N, D), float32; not changed, and forgotten once they are on
            the device.
        squares: sums of (y - yhat)^2 so far, (R,).
        device: what computes.
        stay: whether they stay on the device; else they leave it to others after each call.

    Attributes:
        unit: steps that must be done together.
        window: steps that can be done in one go.
    """

    def __init__(self, job: Job, theta: Any, squares: Any, device: Device, stay: bool) -> None:
        self._job, self._device, self._stay = job, device, stay
        self._shape = resident_shape(job.neurons, job.kind)
        self._runner: Resident | Blocked | None = None
        self._outputs: Outputs | None = None
        self._theta: Any = None
        self._squares: Any = None
        self._failed: Any = None
        self._host: tuple[npt.NDArray[Any], Floats] | None = theta, squares
        self.unit = 1 if self._shape else cuda_blocked.block_of(job)
        self.window = form(job).window(job, len(job.laws))

    def advance(self, step: int, target: int, counted: int) -> npt.NDArray[np.int64]:
        """Run to a step at which the run can be cut.

        Args:
            step: steps done.
            target: steps to be done, a multiple of ``unit``, at most a window later.
            counted: first step whose residual counts.

        Returns:
            For each replica the first step whose prediction was not finite, or -1.
        """
        runner = self._load()
        runner.advance(self._theta, step, target, counted, self._squares, self._failed)
        failed = self._device.to_host(self._failed)
        self._leave()
        return failed

    def look(self, step: int, snapshot: int, counted: int) -> tuple[Found, npt.NDArray[np.int64]]:
        """Return what there is at a snapshot, and stay at the step before; squares begin anew.

        Args:
            step: steps done, a multiple of ``unit``.
            snapshot: a step from there on, less than ``unit`` later.
            counted: first step whose residual counts.

        Returns:
            What was found, and what `advance` returns.
        """
        runner, theta = self._load(), self._theta
        if snapshot > step:
            theta = theta.copy()
            runner.advance(theta, step, snapshot, counted, self._squares, self._failed)
        if self._job.inputs and self._outputs is None:
            self._outputs = Outputs(self._job, self._device)
        outputs = self._outputs(theta) if self._outputs else None
        found = Found(self._device.to_host(theta), self._device.to_host(self._squares), outputs)
        self._squares[:] = 0.0
        failed = self._device.to_host(self._failed)
        self._leave()
        return found, failed

    def state(self) -> tuple[npt.NDArray[Any], Floats]:
        """Return the parameters and the sums of squares, not to be changed."""
        if self._host is not None:
            return self._host
        return self._device.to_host(self._theta), self._device.to_host(self._squares)

    def _load(self) -> Resident | Blocked:
        if self._runner is None:
            assert self._host is not None
            job, device, shape = self._job, self._device, self._shape
            self._runner = Resident(job, shape, device) if shape else Blocked(job, device)
            self._theta, self._squares = (device.xp.array(part) for part in self._host)
            self._failed = device.xp.full(len(job.laws), -1, dtype=np.int64)
            self._host = None
        return self._runner

    def _leave(self) -> None:
        if not self._stay:
            self._host = self.state()
            self._runner = self._outputs = self._theta = self._squares = self._failed = None


def form(job: Job) -> ModuleType:
    """Return the module that runs a job."""
    return cuda_resident if resident_shape(job.neurons, job.kind) else cuda_blocked
