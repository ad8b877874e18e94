"""One-pass stochastic gradient descent, step by step, as the paper writes it."""

import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.laws import Law
from meanfield.neurons import Neuron
from meanfield.random import NOISE, SAMPLE, normals, split_seed
from meanfield.sampling import sample
from meanfield.schedules import Schedule, step_sizes

Precision = Literal["float32", "float64"]
Recorder = Callable[[int, npt.NDArray[Any], float], None]

_CHUNK = 256


class Divergence(ArithmeticError):  # noqa: N818 (an outcome of a run, not a mistake)
    """SGD left the range of its floating-point numbers.

    Attributes:
        step: index k of the first step whose prediction is not finite, or of the state that is not.
        seed: seed of the run.
        replica: which one it is of the runs that were made in step.
    """

    def __init__(self, step: int, seed: int, step_size: float, replica: int = 0) -> None:
        self.step = step
        self.seed = seed
        self.step_size = step_size
        self.replica = replica
        super().__init__(
            f"SGD diverged: not finite at step {step} (t = {step * step_size:g}), seed {seed}; "
            f"lower sgd.step_size, now {step_size:g}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the arguments, so that the error crosses processes whole."""
        return type(self), (self.step, self.seed, self.step_size, self.replica)


class Plan(NamedTuple):
    """Checked arguments of a run: initial parameters in its precision, and snapshot steps.

    The parameters are not to be changed: where they had the precision, they are the caller's.
    """

    theta: npt.NDArray[Any]
    snapshots: tuple[int, ...]


def check_run(
    theta0: npt.NDArray[Any],
    neuron: Neuron,
    law: Law,
    step_size: float,
    decay: float,
    inverse_temperature: float,
    snapshot_steps: Sequence[int],
    seed: int,
    precision: str,
) -> Plan:
    """Check the arguments of `run`, see there.

    Returns:
        The initial parameters in the run's precision, and the snapshot steps as integers.

    Raises:
        ValueError: an argument has the wrong shape, range or order.
    """
    if precision not in ("float32", "float64"):
        raise ValueError(f"precision must be 'float32' or 'float64', got {precision!r}")
    theta = np.asarray(theta0, dtype=precision, order="C")
    parameters = neuron.parameters(law.dimension)
    if theta.ndim != 2 or len(theta) == 0 or theta.shape[1] != parameters:
        raise ValueError(
            f"theta0 must have shape (neurons, {parameters}) with at least one neuron, "
            f"got {np.shape(theta0)}"
        )
    if not all_finite(theta):
        raise ValueError(f"theta0 must be finite in {precision}, got values that are not")
    if not (np.isfinite(step_size) and step_size > 0):
        raise ValueError(f"step_size must be positive and finite, got {step_size!r}")
    if not (np.isfinite(decay) and decay >= 0):
        raise ValueError(f"decay must be finite and at least 0, got {decay!r}")
    if not inverse_temperature > 0:
        raise ValueError(
            f"inverse_temperature must be positive, or infinite, got {inverse_temperature!r}"
        )
    snapshots = tuple(operator.index(step) for step in snapshot_steps)
    ordered = all(a < b for a, b in pairwise(snapshots))
    if not snapshots or snapshots[0] < 0 or not ordered:
        raise ValueError(
            f"snapshot_steps must be increasing integers >= 0, at least one, got {snapshot_steps!r}"
        )
    split_seed(seed)
    return Plan(theta, snapshots)


def all_finite(values: npt.NDArray[Any]) -> bool:
    """Say whether all of some numbers, at least one, are finite, without an array of answers."""
    return bool(np.isfinite(values.min()) and np.isfinite(values.max()))


def run(
    theta0: npt.NDArray[Any],
    *,
    neuron: Neuron,
    law: Law,
    schedule: Schedule,
    step_size: float,
    decay: float = 0.0,
    inverse_temperature: float = np.inf,
    snapshot_steps: Sequence[int],
    seed: int,
    precision: Precision,
    record: Recorder,
) -> npt.NDArray[Any]:
    """One-pass SGD with a fresh sample each step.

        theta_i <- (1 - 2 lambda s_k) theta_i + 2 s_k (y_k - yhat_k) grad sigma_*(x_k; theta_i)
                   + sqrt(4 s_k / beta) g_ik,   g_ik ~ N(0, I_D),

    with yhat = (1/N) sum_i sigma_*(x; theta_i) and s_k = epsilon xi(k epsilon).

    Args:
        theta0: initial parameters (N, D), finite.
        neuron: sigma_*.
        law: the data law.
        schedule: xi.
        step_size: epsilon, positive; step k is at time t = k epsilon.
        decay: lambda, at least 0.
        inverse_temperature: beta, positive; infinite without noise.
        snapshot_steps: increasing numbers of steps, 0 allowed; the last is the length of the run.
        seed: integer in [0, 2^64), the key of samples and noise.
        precision: of the parameters and the arithmetic.
        record: called as record(step, parameters after `step` steps, mean of (y - yhat)^2 over the
            steps since the last call, nan if there are none), with a copy.

    Returns:
        The parameters (N, D) after the last step.

    Raises:
        ValueError: an argument has the wrong shape, range or order.
        Divergence: a prediction, or the parameters at a snapshot, are not finite.

    Source: Mei, Montanari & Nguyen (2018), the SGD iteration and its noisy version; the noise has
    the variance whose limit is the article's diffusion.
    """
    theta, snapshots = check_run(
        theta0, neuron, law, step_size, decay, inverse_temperature, snapshot_steps, seed, precision
    )
    theta = theta.copy()
    number = theta.dtype.type
    step = 0
    for snapshot in snapshots:
        residuals = []
        while step < snapshot:
            count = min(_CHUNK, snapshot - step)
            samples = sample(law, seed, step, count, SAMPLE, theta.dtype)
            sizes = step_sizes(schedule, step_size, step, count)
            with np.errstate(over="ignore", invalid="ignore"):
                for x, y, size in zip(samples.x, samples.y.astype(theta.dtype), sizes, strict=True):
                    values, gradients = neuron.respond(theta, x)
                    residual = y - values.mean()
                    error = number(2 * size) * residual
                    if not np.isfinite(error):
                        raise Divergence(step, seed, step_size)
                    residuals.append(float(residual))
                    if decay > 0:
                        theta *= number(1 - 2 * decay * size)
                    theta += error * gradients
                    if np.isfinite(inverse_temperature):
                        scale = number(np.sqrt(4 * size / inverse_temperature))
                        noise = normals(seed, NOISE, step, 1, theta.size).reshape(theta.shape)
                        theta += scale * noise.astype(theta.dtype)
                    step += 1
        if not all_finite(theta):
            raise Divergence(step, seed, step_size)
        with np.errstate(over="ignore"):
            mean = float(np.mean(np.square(residuals))) if residuals else np.nan
        record(step, theta.copy(), mean)
    return theta
