"""One-pass stochastic gradient descent by exact compiled blocks: the iterates of the reference.

The bits of a result depend on the arguments alone: not on the CPU, the number of threads, or the
times of the snapshots.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.activations import PiecewiseLinear
from meanfield.laws import IsotropicGaussians, Law
from meanfield.random import split_seed
from meanfield.sgd.blocks import BLOCK, advance
from meanfield.sgd.panels import pack, pieces_of, unpack
from meanfield.sgd.reference import Divergence, Precision, Recorder, check_run

_STEPS_PER_CALL = 1024 * BLOCK
"""Compiled code cannot be interrupted, so it comes up for air."""


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
    """One-pass SGD on ridge neurons sigma(<w, x>): the arguments and results of `reference.run`.

        theta_i <- theta_i + 2 s (y_k - yhat_k) grad sigma_*(x_k; theta_i)

    Equal to the reference up to rounding.  The interpreter lock is released, so runs with other
    seeds may share the process in threads.

    Args:
        theta0: initial weights (N, d), finite.
        law: the data law, with `dimension` d and `delta`.
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
    if not isinstance(law, IsotropicGaussians):
        raise ValueError(f"the engine draws from isotropic Gaussians, got {type(law).__name__}")
    theta, snapshots = check_run(theta0, law, step_size, snapshot_steps, seed, precision)
    neurons, dimension = theta.shape
    number = theta.dtype.type
    k0, k1 = split_seed(seed)
    rate = number(2 * step_size)
    scales = (number(1 + law.delta), number(1 - law.delta))
    pieces = pieces_of(activation, theta.dtype)
    panels = pack(theta)

    def advance_to(panels: npt.NDArray[Any], step: int, target: int) -> None:
        while step < target:
            steps = min(_STEPS_PER_CALL, target - step)
            done = advance(
                panels, neurons, dimension, step, steps, k0, k1, rate, scales, pieces
            )  # fmt: skip
            step += done
            if done < steps:
                raise Divergence(step, seed, step_size)

    step = 0
    for snapshot in snapshots:
        # Blocks start at multiples of BLOCK whatever the snapshots: one that falls inside a block
        # is finished on a copy, and the run goes on from the block's start.
        boundary = snapshot // BLOCK * BLOCK
        advance_to(panels, step, boundary)
        step = boundary
        state = panels
        if snapshot > boundary:
            state = panels.copy()
            advance_to(state, boundary, snapshot)
        theta = unpack(state, neurons, dimension)
        if not np.isfinite(theta).all():
            raise Divergence(snapshot, seed, step_size)
        record(snapshot, theta.copy())
    return theta
