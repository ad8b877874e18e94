"""The points of a sweep that a GPU trains in one launch with the point of a job."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from numpy.typing import NDArray

from meanfield.initial_data import draw_test_set, draw_weights
from meanfield.invariants import invariant_names
from meanfield.laws import Law, make_law
from meanfield.sampling import Samples
from meanfield.seeds import PointRun, gpu_checkpoint
from meanfield.sgd.cuda_job import alike
from meanfield.siblings import Sibling, take_over
from meanfield.stage import check_sources
from meanfield.store import Origin
from meanfield.timeline import output_times, steps_of
from meanfield.training import Setup
from meanfield.trajectory import was_finished

HOST_BYTES = 2**31
"""Of the computer's memory that other points may take; the rest is left to later jobs."""

MakeSetup = Callable[[Mapping[str, Any], list[int], Samples], Setup]


def other_points(
    siblings: Sequence[Sibling], origin: Origin, make_setup: MakeSetup, log: logging.Logger
) -> Callable[[ExitStack], list[PointRun]]:
    """Return a function that prepares the other points of a sweep, and takes their locks.

    These are the points whose results are not up to date and which `cuda.run` can run together with
    the job's own. Their weights and test sets are drawn here, with the bits of `generate_data`.

    Args:
        siblings: all points of the sweep, with the job's own.
        origin: of the job.
        make_setup: makes a run's setup of settings, snapshot steps and test set.
        log: told of every point that is taken, held by others, or cannot be prepared.
    """
    launch, law = _launch_of(origin.settings), make_law(origin.settings["law"])
    left = HOST_BYTES

    def prepare(sibling: Sibling) -> PointRun | None:
        nonlocal left
        settings, seeds = sibling.origin.settings, sibling.origin.settings["seeds"]
        if _launch_of(settings) != launch:
            return None
        left_by_others = (
            gpu_checkpoint(sibling.folder, sibling.origin.digest, seed) for seed in seeds
        )
        if all(was_finished(checkpoint) for checkpoint in left_by_others):
            return None  # trained, but not yet stored by its own job
        check_sources(sibling.origin)
        its_law = make_law(settings["law"])
        if not alike(its_law, law):
            return None
        setup = make_setup(settings, launch["steps"], draw_test_set(settings, its_law))
        point = PointRun(
            sibling.origin.point,
            partial(_weights, settings, its_law),
            seeds,
            setup,
            sibling.folder,
            sibling.origin.digest,
        )
        if (needed := _host_bytes(point, settings["sgd"]["neurons"])) > left:
            log.info("%s: left to a later job: it needs %d bytes more", point.name, needed)
            return None
        left -= needed
        return point

    others = [sibling for sibling in siblings if sibling.origin.point != origin.point]
    return lambda locks: take_over(others, prepare, locks, log)


def _weights(settings: Mapping[str, Any], law: Law, seed: int) -> NDArray[Any]:
    """Return initial parameters in the precision of the run, as `generate_data` stores them."""
    return draw_weights(settings, law, seed).astype(settings["sgd"]["precision"])


def _launch_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `cuda.run` takes once for all replicas, as far as settings tell it."""
    sgd = dict(settings["sgd"])
    step_size, _ = sgd.pop("step_size"), sgd.pop("test_samples")
    steps, _ = steps_of(output_times(settings["time"]), step_size)
    return {
        "neuron": settings["neuron"], "sgd": sgd, "law": settings["law"]["kind"], "steps": steps
    }  # fmt: skip


def _host_bytes(point: PointRun, neurons: int) -> int:
    """Return the memory that a point takes: test set, what is recorded, and copies of networks."""
    setup = point.setup
    snapshots, names = len(setup.snapshot_steps), invariant_names(setup.law, setup.neuron)
    recorded = 8 * snapshots * neurons * len(names)
    network = 4 * neurons * setup.neuron.parameters(setup.law.dimension)
    kept = 4 + (snapshots if setup.keep_theta else 0)
    parts = setup.test_set.x, setup.test_set.y, setup.test_set.invariants
    test_set = sum(part.nbytes for part in parts if part is not None)
    return test_set + len(point.seeds) * (recorded + kept * network)
