"""What the replicas of a run on a GPU have in common, and what tells them apart."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.laws import AnisotropicGaussians, IsotropicGaussians, Law
from meanfield.neurons import Neuron, Perceptron
from meanfield.random import SAMPLE
from meanfield.sampling import sample
from meanfield.schedules import Schedule, step_sizes
from meanfield.sgd.cuda_kernels import Kind, activation_macros
from meanfield.sgd.reference import check_run


class Job(NamedTuple):
    """R replicas of SGD.

    Attributes:
        kind: what their kernels are compiled for.
        neurons: N.
        laws: data law of each replica, all of one kind and dimension.
        schedule: xi.
        step_sizes: epsilon of each replica, (R,).
        decay: lambda.
        inverse_temperature: beta.
        seeds: (R,) uint64.
        groups: number of different step sizes.
        inputs: for each replica the inputs (n, d), float32, on which its network is evaluated at
            snapshots; those that share inputs have one array. None if no network is.
    """

    kind: Kind
    neurons: int
    laws: tuple[Law, ...]
    schedule: Schedule
    step_sizes: npt.NDArray[np.float64]
    decay: float
    inverse_temperature: float
    seeds: npt.NDArray[np.uint64]
    groups: int
    inputs: tuple[npt.NDArray[Any], ...] | None = None

    def part(self, replicas: slice) -> "Job":
        """Return the job of some of the replicas."""
        return self._replace(
            laws=self.laws[replicas],
            step_sizes=self.step_sizes[replicas],
            seeds=self.seeds[replicas],
            groups=len(np.unique(self.step_sizes[replicas])),
            inputs=None if self.inputs is None else self.inputs[replicas],
        )


class Steps(NamedTuple):
    """Sizes of consecutive steps, a row for each different step size.

    Attributes:
        rates: 2 s_k, float32.
        gammas: 1 - 2 lambda s_k, float64.
        scales: sqrt(4 s_k / beta), float32.
    """

    rates: Any
    gammas: Any
    scales: Any


def make_job(
    neuron: Neuron, neurons: int, laws: Sequence[Law], schedule: Schedule, step_sizes: Any,
    decay: float, inverse_temperature: float, seeds: Sequence[int],
) -> Job:  # fmt: skip
    """Return a job, see there for the arguments.

    Raises:
        ValueError: the laws differ in more than Delta.
    """
    first = laws[0]
    drawn = isinstance(first, IsotropicGaussians | AnisotropicGaussians)
    for law in laws:
        if not alike(law, first):
            raise ValueError(
                f"the laws of replicas may differ in their values, not in kind or dimensions; "
                f"got {first} and {law}"
            )
    kind = Kind(
        activation=neuron.activation,
        weighted=isinstance(neuron, Perceptron),
        dimension=first.dimension,
        decaying=decay > 0,
        noisy=bool(np.isfinite(inverse_temperature)),
        drawn=drawn,
    )
    return Job(
        kind, neurons, tuple(laws), schedule, np.asarray(step_sizes, dtype=np.float64), decay,
        inverse_temperature, np.array([int(seed) for seed in seeds], dtype=np.uint64),
        len(np.unique(step_sizes)),
    )  # fmt: skip


def checked_job(
    theta0: Any, neuron: Neuron, law: Law | Sequence[Law], schedule: Schedule, step_size: Any,
    decay: float, inverse_temperature: float, snapshot_steps: Sequence[int], seeds: Sequence[int],
    precision: str,
) -> tuple[npt.NDArray[Any], tuple[int, ...], Job]:  # fmt: skip
    """Check the arguments of `meanfield.sgd.cuda.run`, see there.

    Returns:
        The initial parameters in float32, not to be changed: where they were that, they are the
        caller's; the snapshot steps as integers; and the job.

    Raises:
        ValueError: an argument has the wrong shape, range or order, or is not for a GPU.
    """
    if precision != "float32":
        raise ValueError(
            f"on a GPU precision must be 'float32', got {precision!r}: set backend: cpu"
        )
    replicas = len(seeds)
    if np.ndim(theta0) != 3 or len(theta0) != replicas or replicas == 0:
        raise ValueError(
            f"theta0 must have shape (replicas, neurons, parameters) with a replica for each of "
            f"{replicas} seeds, at least one, got {np.shape(theta0)}"
        )
    laws = list(law) if isinstance(law, Sequence) else [law] * replicas
    sizes = [step_size] * replicas if np.ndim(step_size) == 0 else list(step_size)
    if len(laws) != replicas or len(sizes) != replicas:
        raise ValueError(
            f"expected one law and one step_size, or {replicas} of each, one a replica; "
            f"got {len(laws)} and {len(sizes)}"
        )
    activation_macros(neuron.activation)
    theta = np.asarray(theta0, dtype=precision, order="C")
    for r in range(replicas):
        snapshots = check_run(
            theta[r], neuron, laws[r], sizes[r], decay, inverse_temperature, snapshot_steps,
            seeds[r], precision,
        ).snapshots  # fmt: skip
    job = make_job(neuron, theta.shape[1], laws, schedule, sizes, decay, inverse_temperature, seeds)
    return theta, snapshots, job


def alike(law: Law, other: Law) -> bool:
    """Say whether replicas of two laws can be run together: kind and dimensions agree."""
    same = type(law) is type(other) and law.dimension == other.dimension
    return same and _informative(law) == _informative(other)


def _informative(law: Law) -> int:
    return law.informative if isinstance(law, AnisotropicGaussians) else law.dimension


class Constants:
    """What the kernels read all the time, on the device.

    Attributes:
        seeds: (R,) uint64.
        wide: scale of x where y = 1, (R,) float32; 1 where samples are not drawn by kernels.
        narrow: the same where y = -1.
        informative: number of coordinates that are scaled.
        group: row of `Steps` of each replica, (R,) int32.
    """

    def __init__(self, job: Job, to_device: Callable[[Any], Any]) -> None:
        self._job, self._to_device = job, to_device
        scales = np.ones((2, len(job.laws)), dtype=np.float32)
        for index, law in enumerate(job.laws):
            if isinstance(law, IsotropicGaussians | AnisotropicGaussians):
                scales[:, index] = law.scale([1.0, -1.0])
        self._sizes, group = np.unique(job.step_sizes, return_inverse=True)
        self.seeds = to_device(job.seeds)
        self.wide, self.narrow = to_device(scales[0]), to_device(scales[1])
        self.informative = np.int32(_informative(job.laws[0]))
        self.group = to_device(group.astype(np.int32))

    def steps(self, first: int, count: int) -> Steps:
        """Return the sizes of consecutive steps, on the device."""
        job = self._job
        sizes = np.array([step_sizes(job.schedule, size, first, count) for size in self._sizes])
        return Steps(
            self._to_device((2 * sizes).astype(np.float32)),
            self._to_device(1 - 2 * job.decay * sizes),
            self._to_device(np.sqrt(4 * sizes / job.inverse_temperature).astype(np.float32)),
        )


def replica_bytes(job: Job, replicas: int, count: int) -> int:
    """Return what replicas take on the device beside networks and samples.

    Args:
        job: whose replicas they are.
        replicas: how many.
        count: steps whose sizes are there at once.
    """
    # `Constants`, squares and failed; a row of `Steps` for each different step size.
    rows = min(replicas, job.groups)
    return replicas * (8 + 3 * 4 + 8 + 8) + rows * count * (4 + 8 + 4)


def host_samples(job: Job, first: int, count: int) -> tuple[Any, Any]:
    """Draw the samples of consecutive steps on the CPU.

    Returns:
        x (R, count, d) and y (R, count), float32.
    """
    x = np.empty((len(job.laws), count, job.kind.dimension), dtype=np.float32)
    y = np.empty((len(job.laws), count), dtype=np.float32)
    for index, (law, seed) in enumerate(zip(job.laws, job.seeds, strict=True)):
        x[index], y[index] = sample(law, int(seed), first, count, SAMPLE)
    return x, y
