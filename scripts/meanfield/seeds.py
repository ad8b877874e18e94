"""All seeds of a point: in threads of the CPU; or together on a GPU, with other points if asked."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from numpy.typing import NDArray

from meanfield.checkpoint import Checkpoint
from meanfield.locks import LOCK
from meanfield.progress import Progress
from meanfield.sgd import cuda
from meanfield.sgd.cuda_kernels import activation_macros
from meanfield.sgd.reference import Divergence
from meanfield.together import NoRoomError, Replica, train_in_batches
from meanfield.training import Setup, Stopped, train
from meanfield.trajectory import Outcome, Trajectory, devices_of, gpu_checkpoint
from meanfield.turns import use_backend


class PointRun(NamedTuple):
    """SGD of one point.

    Attributes:
        name: of the point.
        theta0: gives a seed's initial parameters (N, D).
        seeds: keys of the samples and the noise.
        setup: the rest of the run.
        folder: of the checkpoints.
        identity: what the results are made from.
    """

    name: str
    theta0: Callable[[int], NDArray[Any]]
    seeds: Sequence[int]
    setup: Setup
    folder: Path
    identity: str


def run_point(
    point: PointRun,
    backend: str,
    *,
    others: Callable[[ExitStack], list[PointRun]] | None,
    threads: int,
    log: logging.Logger,
) -> Outcome:
    """Run SGD for all seeds of a point.

    Args:
        point: what is run; no other process is at it, and a GPU has not finished it before.
        backend: "cpu", "cupy" or "auto", see `meanfield.arrays.choose_backend`.
        others: gives further points that are to be run in the same call, with locks to be held
            until that has ended; None if the point is to be run by itself.
        threads: of the CPU.
        log: told what is done where.

    Raises:
        GpuError: the setting is "cupy" and no GPU can be used.
        Divergence: the iterates of a seed of this point are not finite.
        MemoryError: the device has no room for one network.
    """
    with use_backend(backend, log, against=against_gpu(point.setup)) as chosen:
        if chosen.name == "cpu":
            if others is not None:
                log.info("batch: sweep does not count on the CPU: the point is run by itself")
            return Outcome(run_on_cpu(point, threads=threads, log=log), "cpu", chosen.device)
        with ExitStack() as held:
            points = [point, *(others(held) if others else [])]
            trajectories = run_on_gpu(points, device=chosen.device, threads=threads, log=log)
        # Some seeds may have been finished before, on another.
        return Outcome(
            trajectories, "cupy", devices_of(replica.checkpoint for replica in _replicas(point))
        )


def against_gpu(setup: Setup) -> str:
    """Return why a run is not for a GPU; empty if it is."""
    if setup.precision != "float32":
        return f"a GPU runs SGD in float32, not in {setup.precision}"
    try:
        activation_macros(setup.neuron.activation)
    except ValueError as error:
        return str(error)
    return ""


def run_on_cpu(point: PointRun, *, threads: int, log: logging.Logger) -> list[Trajectory]:
    """Return the trajectories of all seeds, one thread a seed, each with its checkpoint.

    Args:
        point: what is run; checkpoints of other seeds in its folder are removed.
        threads: of the CPU.
        log: gets a line for every run that continues an earlier one, or cannot.
    """
    checkpoints = {
        seed: _cpu_checkpoint(point.folder, point.identity, seed) for seed in point.seeds
    }
    _sort_out(point, _cpu_checkpoint, gpu_checkpoint, log)
    stop = Event()
    progress = _progress([point], log)

    def trajectory(seed: int) -> Trajectory:
        try:
            return train(
                lambda: point.theta0(seed),
                seed,
                point.setup,
                checkpoint=checkpoints[seed],
                progress=progress,
                stop=stop,
                log=log,
            )
        except BaseException:
            stop.set()  # the other seeds need not go on
            raise

    with closing(progress):
        return run_all(trajectory, point.seeds, threads, stop)


def run_on_gpu(
    points: Sequence[PointRun], *, device: str, threads: int, log: logging.Logger
) -> list[Trajectory]:
    """Return the trajectories of all seeds of the first point, after running all points together.

    What became of the others is left in their checkpoints, where their own jobs find it. One that
    diverges, or for which memory does not suffice, is left to its own job, and the rest go on
    without it. After any other error the first point is run by itself, since its owner is not
    known: one that is the first point's own comes again, and is raised.

    Args:
        points: what is run, one or more that `cuda.run` can run together; checkpoints of other
            seeds in the folder of the first are removed.
        device: on which.
        threads: of the CPU, in which the networks are looked at.
        log: gets a line for every batch that continues an earlier run, cannot, or is halved.

    Raises:
        Divergence: the iterates of a seed of the first point are not finite.
        MemoryError: there is no room for one network of the first point.
    """
    owners = [point for point in points for _ in point.seeds]
    replicas = [replica for point in points for replica in _replicas(point)]
    _sort_out(points[0], gpu_checkpoint, _cpu_checkpoint, log)
    with closing(_progress(points, log)) as progress:
        try:
            found = train_in_batches(
                replicas, cuda.run, device=device, progress=progress, threads=threads, log=log
            )
        except (Divergence, NoRoomError) as error:
            lost = owners[error.replica]
            if lost is points[0]:
                raise
            log.warning("%s: left to its own job: %s", lost.name, error)
            rest = [point for point in points if point is not lost]
        except Exception as error:
            if len(points) == 1:
                raise
            log.warning(
                "%d other points: left to their own jobs: %s: %s",
                len(points) - 1, type(error).__name__, error,
            )  # fmt: skip
            rest = [points[0]]
        else:
            return found[: len(points[0].seeds)]
    return run_on_gpu(rest, device=device, threads=threads, log=log)


def _replicas(point: PointRun) -> list[Replica]:
    """Return the networks of a point as they are run on a GPU."""
    return [
        Replica(
            partial(point.theta0, seed),
            seed,
            point.setup,
            gpu_checkpoint(point.folder, point.identity, seed),
        )
        for seed in point.seeds
    ]


def _cpu_checkpoint(folder: Path, identity: str, seed: int) -> Checkpoint:
    """Return the checkpoint of a network on the CPU: `gpu_checkpoint`'s twin."""
    return Checkpoint(folder / f"seed-{seed}.npz", f"{identity} {seed}")


def _progress(points: Sequence[PointRun], log: logging.Logger) -> Progress:
    steps = sum(len(point.seeds) * point.setup.snapshot_steps[-1] for point in points)
    return Progress(steps, log)


def _sort_out(
    point: PointRun,
    ours: Callable[[Path, str, int], Checkpoint],
    theirs: Callable[[Path, str, int], Checkpoint],
    log: logging.Logger,
) -> None:
    """Remove the checkpoints of other seeds, and say so if another backend has begun the run.

    What that one left stays until the result is stored: a GPU that cannot be used now may be
    there when the run, killed, is started again.

    Args:
        point: whose folder is sorted out.
        ours: gives the checkpoint of a seed on the backend of this run.
        theirs: gives it on the other backend.
        log: told what is removed, or not continued.
    """
    own, others = (
        [of(point.folder, point.identity, seed) for seed in point.seeds] for of in (ours, theirs)
    )
    # Files of a checkpoint have its name up to the first dot.
    known = {LOCK, *(checkpoint.path.stem for checkpoint in own + others)}
    for path in sorted(point.folder.glob("*")):
        if path.name.partition(".")[0] not in known:
            log.info("removed %s: it belongs to no seed of this run", path)
            path.unlink()
    if any(checkpoint.holds("parts") for checkpoint in others):
        log.info("%s: the run was begun on another backend, and starts anew on this", point.folder)


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
