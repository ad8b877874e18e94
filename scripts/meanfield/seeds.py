"""All seeds of a point: in threads of the CPU, or together on a GPU."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import Any

from numpy.typing import NDArray

from meanfield.checkpoint import Checkpoint
from meanfield.progress import Progress
from meanfield.sgd import cuda
from meanfield.sgd.cuda_kernels import activation_macros
from meanfield.together import train_in_batches
from meanfield.training import Setup, Stopped, train
from meanfield.trajectory import Trajectory

InitialParameters = Callable[[int], NDArray[Any]]
"""Gives a seed's initial parameters (N, D)."""


def against_gpu(setup: Setup) -> str:
    """Return why a run is not for a GPU; empty if it is."""
    if setup.precision != "float32":
        return f"a GPU runs SGD in float32, not in {setup.precision}"
    try:
        activation_macros(setup.neuron.activation)
    except ValueError as error:
        return str(error)
    return ""


def run_on_cpu(
    theta0: InitialParameters,
    seeds: Sequence[int],
    setup: Setup,
    *,
    folder: Path,
    identity: str,
    progress: Progress,
    threads: int,
    log: logging.Logger,
) -> list[Trajectory]:
    """Return the trajectories of all seeds, one thread a seed, each with its checkpoint.

    Args:
        theta0: gives a seed's initial parameters.
        seeds: keys of the samples and the noise.
        setup: the rest of the run.
        folder: of the checkpoints; those of other runs in it are removed.
        identity: what the results are made from.
        progress: is told of every step and every risk.
        threads: of the CPU.
        log: gets a line for every run that continues an earlier one, or cannot.
    """
    checkpoints = {
        seed: Checkpoint(folder / f"seed-{seed}.npz", f"{identity} {seed}") for seed in seeds
    }
    known = {f"seed-{seed}" for seed in seeds}
    _remove_others(folder, lambda name: name.partition(".")[0] in known, log)
    stop = Event()

    def trajectory(seed: int) -> Trajectory:
        try:
            return train(
                lambda: theta0(seed),
                seed,
                setup,
                checkpoint=checkpoints[seed],
                progress=progress,
                stop=stop,
                log=log,
            )
        except BaseException:
            stop.set()  # the other seeds need not go on
            raise

    return run_all(trajectory, seeds, threads, stop)


def run_on_gpu(
    theta0: InitialParameters,
    seeds: Sequence[int],
    setup: Setup,
    *,
    folder: Path,
    identity: str,
    progress: Progress,
    threads: int,
    log: logging.Logger,
) -> list[Trajectory]:
    """Return the trajectories of all seeds, run together, or in batches where memory is short.

    Args:
        theta0: gives a seed's initial parameters.
        seeds: keys of the samples and the noise.
        setup: the rest of the run.
        folder: of the checkpoints; those of other runs in it are removed.
        identity: what the results are made from.
        progress: is told of every step and every risk.
        threads: of the CPU, in which the networks are looked at.
        log: gets a line for every batch that continues an earlier run, cannot, or is halved.
    """

    def checkpoint(batch: Sequence[int]) -> Checkpoint:
        # A run is continued where it began: the CPU rounds in another order.
        return Checkpoint(
            folder / f"gpu-{batch[0]}-{batch[-1]}.npz", f"{identity} cupy {list(batch)}"
        )

    _remove_others(folder, lambda name: name.startswith("gpu-"), log)
    return train_in_batches(
        theta0,
        seeds,
        setup,
        cuda.run,
        checkpoint=checkpoint,
        progress=progress,
        threads=threads,
        log=log,
    )


def _remove_others(folder: Path, ours: Callable[[str], bool], log: logging.Logger) -> None:
    """Remove the checkpoints that this run cannot use: of other seeds, or of another backend."""
    for path in sorted(folder.glob("*")):
        if not ours(path.name):
            log.info("removed %s: it belongs to no seed of this run", path)
            path.unlink()


def run_all(
    trajectory: Callable[[int], Trajectory], seeds: Sequence[int], threads: int, stop: Event
) -> list[Trajectory]:
    """Return the trajectories of all seeds, run in threads; raise the error that came first.

    A seed's failure, or an interrupt, stops the others.
    """
    with ThreadPoolExecutor(max_workers=min(threads, len(seeds))) as pool:
        futures = [pool.submit(trajectory, seed) for seed in seeds]
        try:
            wait(futures)
        except BaseException:
            stop.set()
            raise
    errors = [error for future in futures if (error := future.exception()) is not None]
    # Those that were merely stopped are not to hide why.
    errors.sort(key=lambda error: isinstance(error, Stopped))
    if errors:
        raise errors[0]
    return [future.result() for future in futures]
