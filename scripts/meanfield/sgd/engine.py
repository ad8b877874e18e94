"""One-pass stochastic gradient descent by exact compiled blocks: the iterates of the reference.

The bits of a result depend on the arguments alone: not on the CPU, the number of threads, or the
times of the snapshots.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.laws import Law
from meanfield.neurons import Neuron
from meanfield.random import split_seed
from meanfield.schedules import Schedule, step_sizes
from meanfield.sgd.activation_kernels import compiled_activation
from meanfield.sgd.blocks import advance
from meanfield.sgd.draws import compiled_draw
from meanfield.sgd.microkernels import BLOCK
from meanfield.sgd.noise import advance_noisy
from meanfield.sgd.panels import Panels, copy, pack, unpack
from meanfield.sgd.reference import Divergence, Precision, Recorder, all_finite, check_run

_CHUNK_BYTES = 2**19
"""Compiled code cannot be interrupted, so it comes up for air after as many bytes of inputs; they
stay in the cache between being drawn and being used."""
_CALL_WORK, _NOISY_CALL_WORK = 2**32, 2**26
"""Parameters times steps of a compiled call, at most, without and with noise: a second of work."""
_SPAN = 4096
"""Steps whose sizes are computed at once; a multiple of every chunk."""


class State(NamedTuple):
    """Where a run can be continued, with the same bits.

    Attributes:
        step: steps done; without noise, a multiple of BLOCK.
        theta: parameters (N, D) after them, in the precision of the run.
        squares: sum of (y - yhat)^2 since the last snapshot.
        recorded: snapshots that were recorded.
    """

    step: int
    theta: npt.NDArray[Any]
    squares: float
    recorded: int


Pulse = Callable[[int, Callable[[], State]], None]
"""Called now and then as pulse(step, state), where state() gives the state, at some cost."""


class _Runner:
    """The settings of a run in the form that compiled code takes, and the chunk at hand."""

    def __init__(
        self, neuron: Neuron, law: Law, schedule: Schedule, step_size: float, decay: float,
        inverse_temperature: float, seed: int, theta: npt.NDArray[Any],
    ) -> None:  # fmt: skip
        dtype = theta.dtype
        self.schedule, self.step_size, self.decay = schedule, step_size, decay
        self.inverse_temperature = inverse_temperature
        self.seed, self.key = seed, split_seed(seed)
        self.dtype = dtype
        self.draw = compiled_draw(law, dtype)
        self.activation = compiled_activation(neuron.activation, dtype)
        self.coordinates = -(-law.dimension // 4) * 4
        # A power of two, so that chunks divide the 2^32 steps of a word of the random numbers.
        samples = max(1, _CHUNK_BYTES // (self.coordinates * dtype.itemsize * BLOCK))
        self.chunk = BLOCK * 2 ** (min(samples, 64).bit_length() - 1)
        # Noisy steps are made one by one, so that a run can be cut anywhere.
        self.noisy = bool(np.isfinite(inverse_temperature))
        self.block, work = (1, _NOISY_CALL_WORK) if self.noisy else (BLOCK, _CALL_WORK)
        steps = 1 << (max(1, work // theta.size).bit_length() - 1)
        self.pace = max(self.block, min(self.chunk, steps))
        self.x = np.empty((self.coordinates, self.chunk), dtype)
        self.y = np.empty(self.chunk, dtype)
        self.first_step = -1
        self.span_start = -1
        self.rates = self.scales = np.empty(0, dtype)
        self.gammas = np.empty(0)

    def _draw_chunk_of(self, step: int) -> None:
        first = step // self.chunk * self.chunk
        if self.first_step != first:
            constants = self.draw.constants
            if self.draw.host is not None:
                constants = self.draw.host(self.seed, first, self.chunk)
            self.draw.fill(self.x, self.y, constants, *self.key, np.uint64(first))
            self.first_step = first

    def _compute_sizes_of(self, step: int) -> None:
        start = step // _SPAN * _SPAN
        if self.span_start != start:
            sizes = step_sizes(self.schedule, self.step_size, start, _SPAN)
            self.rates = (2 * sizes).astype(self.dtype)
            if self.noisy:
                self.scales = np.sqrt(4 * sizes / self.inverse_temperature).astype(self.dtype)
            if self.decay > 0:
                self.gammas = 1 - 2 * self.decay * sizes
            self.span_start = start

    def advance(self, panels: Panels, step: int, target: int, skip: int, squares: float) -> float:
        """Run from one step to another, changing the panels.

        Args:
            panels: the network after ``step`` steps.
            step: without noise, a multiple of BLOCK.
            target: the step to reach.
            skip: residuals count from this step on.
            squares: sum of (y - yhat)^2 so far.

        Returns:
            The sum of squares with those of the steps done.

        Raises:
            Divergence: a prediction is not finite.
        """
        while step < target:
            self._draw_chunk_of(step)
            self._compute_sizes_of(step)
            first = step - self.first_step
            count = min(self.chunk - first, target - step)
            steps = slice(step - self.span_start, step - self.span_start + count)
            arguments = (panels, self.x, self.y, first, count, self.rates[steps],
                         self.gammas[steps], skip - step, squares, self.activation)  # fmt: skip
            if self.noisy:
                done, squares = advance_noisy(
                    *arguments, self.scales[steps], *self.key, np.uint64(step)
                )
            else:
                done, squares = advance(*arguments)
            step += done
            if done < count:
                raise Divergence(step, self.seed, self.step_size)
        return float(squares)


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
    start: State | None = None,
    pulse: Pulse | None = None,
) -> npt.NDArray[Any]:
    """One-pass SGD: the arguments and results of `reference.run`.

        theta_i <- (1 - 2 lambda s_k) theta_i + 2 s_k (y_k - yhat_k) grad sigma_*(x_k; theta_i)
                   + sqrt(4 s_k / beta) g_ik,   g_ik ~ N(0, I_D)

    Equal to the reference up to rounding.  The interpreter lock is released, so runs with other
    seeds may share the process in threads.  Memory: three times the parameters at a snapshot, twice
    between them, if nobody else holds theta0 and the records.

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
        start: state of the same run to continue from, instead of theta0; its snapshots are not
            recorded again.
        pulse: called between compiled calls, every second or so or more often; it may raise to end
            the run.

    Returns:
        The parameters (N, D) after the last step.

    Raises:
        ValueError: an argument has the wrong shape, range or order.
        Divergence: a prediction, or the parameters at a snapshot, are not finite.

    Source: Mei, Montanari & Nguyen (2018), the SGD iteration and its noisy version.
    """
    theta, snapshots = check_run(
        theta0, neuron, law, step_size, decay, inverse_temperature, snapshot_steps, seed, precision
    )
    runner = _Runner(neuron, law, schedule, step_size, decay, inverse_temperature, seed, theta)
    state = start or State(0, theta, 0.0, 0)
    panels = pack(state.theta.astype(theta.dtype, copy=False), neuron)
    step, squares, recorded = state.step, state.squares, state.recorded
    reached, before = panels, snapshots[recorded - 1] if recorded else 0
    del theta0, theta, start, state  # the panels hold the network now
    for number in range(recorded, len(snapshots)):
        # Blocks start at multiples of BLOCK whatever the snapshots: one that falls inside a block
        # is finished on a copy, and the run goes on from the block's start; the last needs no copy.
        # With noise every step is a block.
        snapshot = snapshots[number]
        boundary = snapshot // runner.block * runner.block
        while step < boundary:
            target = min(boundary, (step // runner.pace + 1) * runner.pace)
            squares = runner.advance(panels, step, target, before, squares)
            step = target
            if pulse is not None:
                pulse(step, partial(_state, panels, step, squares, number))
        if snapshot > boundary:
            reached = panels if number == len(snapshots) - 1 else copy(panels)
            squares = runner.advance(reached, boundary, snapshot, before, squares)
        theta = unpack(reached)
        reached = panels
        if not all_finite(theta):
            raise Divergence(snapshot, seed, step_size)
        steps = snapshot - before
        record(snapshot, theta, squares / steps if steps else np.nan)
        before, squares = snapshot, 0.0
        del theta  # it is the recorder's
    return unpack(panels)


def _state(panels: Panels, step: int, squares: float, recorded: int) -> State:
    return State(step, unpack(panels), squares, recorded)
