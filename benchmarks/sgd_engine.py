"""The project's own SGD as the benchmark runs it: the engine, and the reference it is held to."""

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.sgd_problem import ACTIVATION, SEED, Problem, Run
from meanfield.neurons import Ridge
from meanfield.schedules import Constant
from meanfield.sgd import engine, reference
from meanfield.sgd.activation_kernels import compiled_activation
from meanfield.sgd.blocks import advance
from meanfield.sgd.panels import pack, unpack

NEURON = Ridge(ACTIVATION)


def _ignore(step: int, theta: npt.NDArray[Any], mean_square_residual: float) -> None:
    """Record nothing."""


def engine_with_data(problem: Problem) -> Run:
    """Make the run of the engine as users have it: it draws every sample anew."""

    def run(passes: int) -> npt.NDArray[Any]:
        return engine.run(
            problem.theta0, law=problem.law, neuron=NEURON, schedule=Constant(),
            step_size=problem.step_size,
            snapshot_steps=(passes * problem.steps,), seed=SEED, precision="float32",
            record=_ignore,
        )  # fmt: skip

    return run


def engine_without_data(problem: Problem, *, dense: bool = False) -> Run:
    """Make the run of the engine's kernels on the given samples, as the peers have it.

    Args:
        problem: what to run.
        dense: do all 4 N d operations of a step, those on zeros of sigma' too: to be held against
            the rate of SGEMM.
    """
    dtype = np.dtype(np.float32)
    activation = compiled_activation(ACTIVATION, dtype)
    x = np.zeros((-(-problem.dimension // 4) * 4, problem.steps), dtype)
    x[: problem.dimension] = problem.x.T
    y = problem.y.astype(dtype)
    rates = np.full(problem.steps, 2 * problem.step_size, dtype)
    gammas = np.empty(0)

    def run(passes: int) -> npt.NDArray[Any]:
        panels = pack(problem.theta0.astype(dtype), NEURON)
        if dense:
            panels = panels._replace(active=None)
        for _ in range(passes):
            advance(panels, x, y, 0, problem.steps, rates, gammas, 0, 0.0, activation)
        return unpack(panels)

    return run


def reference_weights(problem: Problem) -> npt.NDArray[np.float64]:
    """Weights (N, d) after one pass, by the plain loop in float64."""
    return reference.run(
        problem.theta0, law=problem.law, neuron=NEURON, schedule=Constant(),
            step_size=problem.step_size,
        snapshot_steps=(problem.steps,), seed=SEED, precision="float64", record=_ignore,
    )  # fmt: skip
