"""The outputs of networks that are on a GPU, on inputs that stay there.

They have the bits of `prediction.network` for the same parameters, whatever else is evaluated: the
kernel forms every sum in the same order.  (Numbers below 1.2e-38 become 0 on a GPU.)  No library
multiplies matrices here: it would choose the order by the shapes, might round to TF32, and its
products, N for each input, would need memory.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.sgd import prediction
from meanfield.sgd.cuda_device import Device
from meanfield.sgd.cuda_job import Job
from meanfield.sgd.cuda_kernels import NETWORK_THREADS, network_kernel
from meanfield.sgd.microkernels import TILE

Floats = npt.NDArray[np.float64]


class Outputs:
    """Evaluates the networks of a job, each on its inputs.

    Args:
        job: with inputs, which are moved to the device: once where replicas share them.
        device: what computes.
    """

    def __init__(self, job: Job, device: Device) -> None:
        self._job, self._device, xp = job, device, device.xp
        self._kernel = device.compile(network_kernel(job.kind, TILE, prediction.PART))
        members: dict[int, list[int]] = {}
        inputs = job.inputs or ()
        for replica, x in enumerate(inputs):
            members.setdefault(id(x), []).append(replica)
        self._groups = [
            (group, xp.asarray(np.array(group, dtype=np.int32)), xp.asarray(inputs[group[0]]))
            for group in members.values()
        ]

    def __call__(self, theta: Any) -> list[Floats]:
        """Return yhat(x; theta) = (1/N) sum_i sigma_*(x; theta_i) of every replica.

        Args:
            theta: parameters (R, N, D) on the device, float32, in C order.

        Returns:
            For each replica the outputs on its inputs, (n,).
        """
        neurons, parts = self._job.neurons, _parts(self._job)
        totals = []
        for group, replicas, x in self._groups:
            shape = len(group), parts, len(x)
            totals.append(self._device.xp.empty(shape, dtype=np.float32))
            self._kernel(
                (len(group) * parts * -(-len(x) // NETWORK_THREADS), 1),
                (totals[-1], theta, replicas, x, np.int32(neurons), np.int32(len(x)),
                 np.int32(parts)),
            )  # fmt: skip
        found: dict[int, Floats] = {}
        for (group, _, _), on_device in zip(self._groups, totals, strict=True):
            for replica, of_parts in zip(group, self._device.to_host(on_device), strict=True):
                output = np.zeros(of_parts.shape[1])
                for total in of_parts:
                    output += total
                found[replica] = output / neurons
        return [found[replica] for replica in range(len(found))]


def _parts(job: Job) -> int:
    return -(-job.neurons // prediction.PART)


def checked_inputs(
    inputs: npt.NDArray[Any] | Sequence[npt.NDArray[Any]], job: Job
) -> tuple[npt.NDArray[Any], ...]:
    """Return the inputs of every replica as `Job` has them.

    Args:
        inputs: one array (n, d) for all replicas, or one for each; the same object where they share
            it.
        job: whose networks are evaluated.

    Raises:
        ValueError: there are not as many arrays as replicas, or one has the wrong shape.
    """
    replicas, dimension = len(job.laws), job.kind.dimension
    given = [inputs] * replicas if isinstance(inputs, np.ndarray) else list(inputs)
    if len(given) != replicas:
        raise ValueError(
            f"expected one array of inputs, or {replicas}, one a replica; got {len(given)}"
        )
    kept: dict[int, npt.NDArray[Any]] = {}
    for x in given:
        if id(x) not in kept:
            if np.ndim(x) != 2 or x.shape[1] != dimension or len(x) == 0:
                raise ValueError(
                    f"inputs must have shape (n, {dimension}), n at least 1, got {np.shape(x)}"
                )
            kept[id(x)] = np.ascontiguousarray(x, dtype=np.float32)
    return tuple(kept[id(x)] for x in given)


def needed_bytes(job: Job) -> Callable[[int], int]:
    """Return a function that gives the memory that outputs take, with their inputs.

    It is called with a number of replicas: if the job is cut into parts of so many, no part needs
    more. Which inputs are shared is found here, once.
    """
    if job.inputs is None:
        return lambda replicas: 0
    numbers, sizes = np.arange(len(job.inputs)), np.array([x.nbytes for x in job.inputs])
    before, last = np.empty_like(numbers), dict[int, int]()
    for replica, x in enumerate(job.inputs):
        before[replica] = last.get(id(x), -1)
        last[id(x)] = replica
    outputs = 4 * (_parts(job) * max(len(x) for x in job.inputs) + 1)

    def needed(replicas: int) -> int:
        first_of_part = numbers // replicas * replicas
        new = np.where(before < first_of_part, sizes, 0)
        return int(np.add.reduceat(new, numbers[::replicas]).max()) + replicas * outputs

    return needed
