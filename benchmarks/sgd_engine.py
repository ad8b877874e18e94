"""The project's own SGD as the benchmark runs it: the engine, and the reference it is held to."""

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.sgd_problem import ACTIVATION, SEED, Problem, Run
from meanfield.sgd import engine, reference


def _ignore(step: int, theta: npt.NDArray[Any]) -> None:
    """Record nothing."""


def engine_with_data(problem: Problem) -> Run:
    """Make the run of the engine as users have it: it draws every sample anew."""

    def run(passes: int) -> npt.NDArray[Any]:
        return engine.run(
            problem.theta0, law=problem.law, activation=ACTIVATION, step_size=problem.step_size,
            snapshot_steps=(passes * problem.steps,), seed=SEED, precision="float32",
            record=_ignore,
        )  # fmt: skip

    return run


def engine_without_data(problem: Problem) -> Run | None:
    """Make the run of the engine on given samples, or None while it has no entry for that."""
    return None


def reference_weights(problem: Problem) -> npt.NDArray[np.float64]:
    """Weights (N, d) after one pass, by the plain loop in float64."""
    return reference.run(
        problem.theta0, law=problem.law, activation=ACTIVATION, step_size=problem.step_size,
        snapshot_steps=(problem.steps,), seed=SEED, precision="float64", record=_ignore,
    )  # fmt: skip
