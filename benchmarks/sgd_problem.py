"""What every implementation of the benchmark computes: one run of SGD, the data given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.activations import PiecewiseLinear
from meanfield.initial import Gaussian, Initial
from meanfield.laws import IsotropicGaussians
from meanfield.random import SAMPLE
from meanfield.sampling import sample

Run = Callable[[int], npt.NDArray[Any]]
"""run(passes) -> weights (N, d) after that many passes over the samples, from the initial ones."""

ACTIVATION = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
"""Figure 1's: -2.5 up to 0.5, 7.5 from 1.5, linear between."""

LOW, HIGH = ACTIVATION.knots
SLOPE = float(ACTIVATION.slopes[1])
OFFSET = float(ACTIVATION.intercepts[1])
"""sigma(z) = SLOPE clip(z, LOW, HIGH) + OFFSET; sigma'(z) = SLOPE if LOW < z <= HIGH, else 0."""

SEED = 1
POOL = 1024
"""Samples drawn ahead, over which the peers go in passes; the engine draws new ones."""
STEP_SIZE = 1e-6


@dataclass(frozen=True)
class Problem:
    """SGD on N ridge neurons: initial weights, law, step size, and samples for who needs them.

    Args:
        theta0: initial weights, float32 (N, d).
        law: of the samples.
        step_size: s.
        x: inputs of the samples of one pass, float32 (samples, d).
        y: their labels, float32 (samples,).
    """

    theta0: npt.NDArray[np.float32]
    law: IsotropicGaussians
    step_size: float
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]

    @property
    def neurons(self) -> int:
        """Number of neurons N."""
        return len(self.theta0)

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return self.theta0.shape[1]

    @property
    def steps(self) -> int:
        """Steps of one pass."""
        return len(self.y)

    @property
    def active(self) -> float:
        """Share of (neuron, sample) pairs with sigma' not 0, at the initial weights."""
        z = self.x @ self.theta0.T
        return float(np.mean((z > LOW) & (z <= HIGH)))


def make_problem(
    neurons: int,
    dimension: int,
    *,
    delta: float = 0.8,
    step_size: float = STEP_SIZE,
    samples: int = POOL,
) -> Problem:
    """Draw a problem: isotropic Gaussians, weights of root mean square norm 0.8.

    Args:
        neurons: N.
        dimension: d.
        delta: separation of the two classes.
        step_size: s.
        samples: samples of one pass: those that the engine draws at its first steps.

    Returns:
        The problem.
    """
    law = IsotropicGaussians(dimension, delta)
    x, y = sample(law, SEED, 0, samples, SAMPLE)
    theta0 = Initial(Gaussian(0.8)).draw(SEED, neurons, dimension).astype(np.float32)
    return Problem(theta0, law, step_size, x, y.astype(np.float32))
