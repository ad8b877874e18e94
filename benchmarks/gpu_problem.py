"""What every implementation of the GPU benchmark computes: SGD of R networks at once, data given.

The networks differ in their samples and, eight by eight, in their initial weights.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.agreement import disagreement
from benchmarks.sgd_engine import NEURON
from benchmarks.sgd_problem import SEED, STEP_SIZE
from meanfield.initial import Gaussian, Initial
from meanfield.laws import IsotropicGaussians
from meanfield.random import SAMPLE
from meanfield.sampling import sample
from meanfield.schedules import Constant
from meanfield.sgd import reference

STEPS = 256
"""Steps of a pass: a peer goes over the same samples in every pass, the kernels draw new ones."""

_STARTS = 8


class Replicas(NamedTuple):
    """SGD of R networks of N ridge neurons.

    Attributes:
        theta0: initial weights, float32 (R, N, d).
        law: of the samples.
        step_size: s.
        seeds: keys of the samples, R of them.
        x: inputs of one pass, float32 (steps, R, d).
        y: their labels, float32 (steps, R).
    """

    theta0: npt.NDArray[np.float32]
    law: IsotropicGaussians
    step_size: float
    seeds: tuple[int, ...]
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]

    @property
    def flops(self) -> float:
        """Operations of a step of one network, 4 N d."""
        return 4.0 * self.theta0.shape[1] * self.theta0.shape[2]


class Networks(NamedTuple):
    """R networks on a device.

    Attributes:
        advance: advance(passes) goes on by so many passes, and returns when they are done.
        weights: gives the weights (R, N, d).
    """

    advance: Callable[[int], None]
    weights: Callable[[], npt.NDArray[Any]]


def make_replicas(
    replicas: int, neurons: int, dimension: int, *, step_size: float = STEP_SIZE, steps: int = STEPS
) -> Replicas:
    """Draw R networks and the samples of a pass: those that the kernels draw at their first steps.

    Args:
        replicas: R.
        neurons: N.
        dimension: d.
        step_size: s.
        steps: of a pass.
    """
    law = IsotropicGaussians(dimension, 0.8)
    seeds = tuple(range(SEED, SEED + replicas))
    x = np.empty((steps, replicas, dimension), np.float32)
    y = np.empty((steps, replicas), np.float32)
    for index, seed in enumerate(seeds):
        x[:, index], y[:, index] = sample(law, seed, 0, steps, SAMPLE)
    start = Initial(Gaussian(0.8))
    some = np.stack([start.draw(r, neurons, dimension) for r in range(min(replicas, _STARTS))])
    theta0 = np.resize(some.astype(np.float32), (replicas, neurons, dimension))
    return Replicas(theta0, law, step_size, seeds, x, y)


def largest_disagreement(problem: Replicas, weights: npt.NDArray[Any]) -> float:
    """Return how far weights after one pass are from the plain loop in float64, as in AGREEMENT."""
    errors = []
    for index, seed in enumerate(problem.seeds):
        start = problem.theta0[index]
        expected = reference.run(
            start, law=problem.law, neuron=NEURON, schedule=Constant(),
            step_size=problem.step_size, snapshot_steps=(len(problem.y),), seed=seed,
            precision="float64", record=_ignore,
        )  # fmt: skip
        errors.append(disagreement(weights[index], expected, start))
    return max(errors)


def _ignore(step: int, theta: npt.NDArray[Any], mean_square_residual: float) -> None:
    """Record nothing."""
