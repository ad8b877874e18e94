"""Runs of SGD for several seeds together, one network each, on a device that takes them all."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield import training
from meanfield.checkpoint import Checkpoint
from meanfield.progress import Progress
from meanfield.sgd.engine import State
from meanfield.training import Setup, look
from meanfield.trajectory import Records, Trajectory, is_finished

Run = Callable[..., NDArray[Any]]
"""One-pass SGD of R networks in step, `meanfield.sgd.cuda.run`: the arguments of `engine.run`, with
a leading axis R of parameters (R, N, D), residuals (R,) and states, and `seeds` (R,)."""


def train_in_batches(
    theta0: Callable[[int], NDArray[Any]],
    seeds: Sequence[int],
    setup: Setup,
    run: Run,
    *,
    checkpoint: Callable[[Sequence[int]], Checkpoint],
    progress: Progress,
    threads: int,
    log: logging.Logger,
) -> list[Trajectory]:
    """Run SGD for all seeds together, or in halves of them as long as memory does not suffice.

    A device splits what it can tell is too much by itself; this is for when it runs out all the
    same, since others use it.

    Args:
        theta0: gives a seed's initial parameters, shape (N, D).
        seeds: keys of the samples and the noise.
        setup: the rest of the run.
        run: runs several networks in step.
        checkpoint: gives the checkpoint of a batch of seeds.
        progress: is told of every step and every risk.
        threads: in which the networks are looked at.
        log: gets a line when a batch continues an earlier run, cannot, or is halved.

    Returns:
        The trajectory of every seed.

    Raises:
        Divergence: the iterates are not finite.
        MemoryError: not even one seed fits.
    """

    def batch(seeds: Sequence[int]) -> list[Trajectory]:
        try:
            return train_together(
                theta0, seeds, setup, run, checkpoint=checkpoint(seeds), progress=progress,
                threads=threads, log=log,
            )  # fmt: skip
        except MemoryError as error:
            if len(seeds) == 1:
                raise
            half = len(seeds) // 2
            parts = half, len(seeds) - half
            log.info(
                "%d networks at once: %s; running them as %d and %d", len(seeds), error, *parts
            )
        return batch(seeds[:half]) + batch(seeds[half:])

    return batch(seeds)


def train_together(
    theta0: Callable[[int], NDArray[Any]],
    seeds: Sequence[int],
    setup: Setup,
    run: Run,
    *,
    checkpoint: Checkpoint,
    progress: Progress,
    threads: int,
    log: logging.Logger,
) -> list[Trajectory]:
    """Run SGD for all seeds in one call, from their checkpoint where there is one.

    The twin of `meanfield.training.train`: the same records, and one checkpoint for all. A run
    that is killed at any moment and started again ends with the same bits as one left alone.

    Args:
        theta0: gives a seed's initial parameters, shape (N, D).
        seeds: keys of the samples and the noise.
        setup: the rest of the run.
        run: runs all networks in step.
        checkpoint: where the state goes every `training.CHECKPOINT_INTERVAL` seconds of work, and
            the records.
        progress: is told of every step and every risk.
        threads: in which the networks are looked at.
        log: gets a line when the run continues an earlier one, or cannot.

    Returns:
        The trajectory of every seed.

    Raises:
        Divergence: the iterates are not finite.
    """
    count, last = len(seeds), setup.snapshot_steps[-1]
    records = Records(checkpoint)
    counted, start = 0, None
    arrays = checkpoint.load()
    if arrays is not None and is_finished(arrays):
        progress.resume(count * last)
        log.info("all %d seeds: were finished before", count)
        return records.trajectories(count)
    if arrays is not None:
        counted = int(arrays["step"])
        progress.resume(count * counted)
        squares: Any = arrays["squares"]
        start = State(counted, arrays["theta"], squares, int(arrays["recorded"]))
        log.info("all %d seeds: continued from step %d", count, counted)
    elif checkpoint.discarded:
        log.info("all %d seeds: the checkpoint was discarded: %s", count, checkpoint.discarded)
    saved = monotonic()

    def pulse(step: int, state: Callable[[], Any]) -> None:
        nonlocal counted, saved
        progress.advance(count * (step - counted))
        counted = step
        if monotonic() - saved >= training.CHECKPOINT_INTERVAL:
            records.save(state()._asdict())
            saved = monotonic()

    with ThreadPoolExecutor(max_workers=max(1, min(threads, count))) as pool:

        def record(step: int, theta: NDArray[Any], residuals: NDArray[Any]) -> None:
            means = [float(mean) for mean in residuals]
            # What a thread raised is raised here.
            networks = list(pool.map(partial(look, setup), theta, means))
            records.add(networks)
            for snapshot in networks:
                progress.advance(0, float(snapshot.risks[0]))

        theta = run(
            np.stack([theta0(seed) for seed in seeds]),
            neuron=setup.neuron,
            law=setup.law,
            schedule=setup.schedule,
            step_size=setup.step_size,
            decay=setup.decay,
            inverse_temperature=setup.inverse_temperature,
            snapshot_steps=setup.snapshot_steps,
            seeds=seeds,
            precision=setup.precision,
            record=record,
            start=start,
            pulse=pulse,
        )
    progress.advance(count * (last - counted))
    return records.finish(theta)
