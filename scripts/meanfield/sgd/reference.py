"""One-pass stochastic gradient descent, step by step, as the paper writes it."""

import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.activations import PiecewiseLinear
from meanfield.laws import Law
from meanfield.random import SAMPLE, split_seed
from meanfield.sampling import sample

Precision = Literal["float32", "float64"]
Recorder = Callable[[int, npt.NDArray[Any]], None]

_CHUNK = 256


class Divergence(ArithmeticError):  # noqa: N818 (an outcome of a run, not a mistake)
    """SGD left the range of its floating-point numbers.

    Attributes:
        step: index k of the first step whose prediction is not finite, or of the state that is not.
        seed: seed of the run.
    """

    def __init__(self, step: int, seed: int, step_size: float) -> None:
        self.step = step
        self.seed = seed
        self.step_size = step_size
        super().__init__(
            f"SGD diverged: not finite at step {step} (t = {step * step_size:g}), seed {seed}; "
            f"lower sgd.step_size, now {step_size:g}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the three arguments, so that the error crosses processes whole."""
        return type(self), (self.step, self.seed, self.step_size)


class Plan(NamedTuple):
    """Checked arguments of a run: initial weights in the run's precision, and snapshot steps."""

    theta: npt.NDArray[Any]
    snapshots: tuple[int, ...]


def check_run(
    theta0: npt.NDArray[Any],
    law: Law,
    step_size: float,
    snapshot_steps: Sequence[int],
    seed: int,
    precision: str,
) -> Plan:
    """Check the arguments of `run`, see there.

    Returns:
        The initial weights copied to the run's precision, and the snapshot steps as integers.

    Raises:
        ValueError: an argument has the wrong shape, range or order.
    """
    if precision not in ("float32", "float64"):
        raise ValueError(f"precision must be 'float32' or 'float64', got {precision!r}")
    theta = np.array(theta0, dtype=precision, order="C")
    if theta.ndim != 2 or len(theta) == 0 or theta.shape[1] != law.dimension:
        raise ValueError(
            f"theta0 must have shape (neurons, {law.dimension}) with at least one neuron, "
            f"got {np.shape(theta0)}"
        )
    if not np.isfinite(theta).all():
        raise ValueError(f"theta0 must be finite in {precision}, got values that are not")
    if not (np.isfinite(step_size) and step_size > 0):
        raise ValueError(f"step_size must be positive and finite, got {step_size!r}")
    snapshots = tuple(operator.index(step) for step in snapshot_steps)
    ordered = all(a < b for a, b in pairwise(snapshots))
    if not snapshots or snapshots[0] < 0 or not ordered:
        raise ValueError(
            f"snapshot_steps must be increasing integers >= 0, at least one, got {snapshot_steps!r}"
        )
    split_seed(seed)
    return Plan(theta, snapshots)


def run(
    theta0: npt.NDArray[Any],
    *,
    law: Law,
    activation: PiecewiseLinear,
    step_size: float,
    snapshot_steps: Sequence[int],
    seed: int,
    precision: Precision,
    record: Recorder,
) -> npt.NDArray[Any]:
    """One-pass SGD on ridge neurons sigma(<w, x>), a fresh sample each step.

        theta_i <- theta_i + 2 s (y_k - yhat_k) grad sigma_*(x_k; theta_i)

    with yhat = (1/N) sum_i sigma(<theta_i, x>) and grad sigma_* = sigma'(<theta_i, x>) x.

    Args:
        theta0: initial weights (N, d), finite.
        law: the data law.
        activation: sigma.
        step_size: s, positive; step k is at time t = k s.
        snapshot_steps: increasing numbers of steps, 0 allowed; the last is the length of the run.
        seed: integer in [0, 2^64), the key of the samples.
        precision: of the weights and the arithmetic.
        record: called as record(step, weights after `step` steps), with a copy.

    Returns:
        The weights (N, d) after the last step.

    Raises:
        ValueError: an argument has the wrong shape, range or order.
        Divergence: a prediction, or the weights at a snapshot, are not finite.

    Source: Mei, Montanari & Nguyen (2018), the SGD iteration, with xi = 1.
    """
    theta, snapshots = check_run(theta0, law, step_size, snapshot_steps, seed, precision)
    rate = theta.dtype.type(2 * step_size)
    step = 0
    for snapshot in snapshots:
        while step < snapshot:
            count = min(_CHUNK, snapshot - step)
            samples = sample(law, seed, step, count, SAMPLE, theta.dtype)
            with np.errstate(over="ignore", invalid="ignore"):
                for x, y in zip(samples.x, samples.y.astype(theta.dtype), strict=True):
                    z = theta @ x
                    error = y - activation(z).mean()
                    if not np.isfinite(error):
                        raise Divergence(step, seed, step_size)
                    theta += rate * error * np.outer(activation.derivative(z), x)
                    step += 1
        if not np.isfinite(theta).all():
            raise Divergence(step, seed, step_size)
        record(step, theta.copy())
    return theta
