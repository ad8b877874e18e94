"""What a GPU does, by the CPU: networks run in step, and killed on the way; limits."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

from meanfield import limit_sweep
from meanfield.arrays import Backend
from meanfield.sgd import cuda, engine

PULSE = 640


class KilledError(BaseException):
    """The process ends here: nothing is to catch it."""


def in_step(
    theta0: Any,
    *,
    law: Sequence[Any],
    step_size: Sequence[float],
    seeds: Sequence[int],
    snapshot_steps: Sequence[int],
    record: Callable[..., None],
    start: Any,
    pulse: Callable[..., None],
    kill_at: int = -1,
    **settings: Any,
) -> Any:
    """Stand in for `cuda.run`; all numbers of steps are multiples of a block."""
    theta = np.array(theta0, np.float32)
    step, squares, recorded = 0, np.zeros(len(seeds)), 0
    if start is not None:
        step, recorded = start.step, start.recorded
        theta, squares = start.theta, np.array(start.squares)
    for number in range(recorded, len(snapshot_steps)):
        before = snapshot_steps[number - 1] if number else 0
        while step < snapshot_steps[number]:
            target = min(snapshot_steps[number], (step // PULSE + 1) * PULSE)
            for index, seed in enumerate(seeds):
                seen: list[float] = []
                theta[index] = engine.run(
                    theta[index], seed=seed, snapshot_steps=(step, target),
                    law=law[index], step_size=step_size[index],
                    start=engine.State(step, theta[index], 0.0, 1),
                    record=partial(_note, seen), **settings,
                )  # fmt: skip
                squares[index] += seen[0] * (target - step)
            step = target
            pulse(step, partial(cuda.State, step, theta, squares, number))
            if step == kill_at:
                raise KilledError
        steps = step - before
        record(step, theta.copy(), squares / steps if steps else squares * np.nan)
        squares = np.zeros(len(seeds))
    return theta


def solve_limits_elsewhere(patch: pytest.MonkeyPatch) -> None:
    """Let limits be solved in a strict array namespace in place of CuPy, with 1000 bytes free."""
    toy = Backend("cupy", strict, "GPU Toy")
    patch.setattr(limit_sweep, "use_backend", lambda *asked, **reasons: nullcontext(toy))
    patch.setattr(limit_sweep, "free_bytes", lambda xp: 1000)
    patch.setattr(limit_sweep, "held_bytes", lambda xp: 700)


def _note(seen: list[float], step: int, theta: Any, mean_square_residual: float) -> None:
    seen.append(mean_square_residual)
