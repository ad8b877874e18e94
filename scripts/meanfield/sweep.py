"""The points of a sweep that a GPU trains in one launch with the point of a job."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from numpy.typing import NDArray

from meanfield.evaluation import TestSet
from meanfield.initial_data import draw_test_set, draw_weights
from meanfield.invariants import invariant_names
from meanfield.laws import DataSet, Law, make_law
from meanfield.seeds import PointRun
from meanfield.sgd.cuda_job import alike
from meanfield.sgd_setup import make_setup
from meanfield.siblings import Sibling, take_over, unpacked
from meanfield.stage import make_check
from meanfield.store import Origin
from meanfield.timeline import output_times, steps_of
from meanfield.training import Setup
from meanfield.trajectory import gpu_checkpoint, was_finished

HOST_BYTES = 2**31
"""Of the computer's memory that other points may take; the rest is left to later jobs."""


def other_points(
    siblings: bytes, origin: Origin, own: Setup, log: logging.Logger
) -> Callable[[ExitStack], list[PointRun]]:
    """Return a function that prepares the other points of a sweep, and takes their locks.

    These are the points whose results are not up to date and which `cuda.run` can run together with
    the job's own. Their weights and test sets are drawn here, with the bits of `generate_data`.
    Points of one law with test sets of one size share the test set.

    Args:
        siblings: all points of the sweep, with the job's own, `packed`.
        origin: of the job.
        own: of the job's own run.
        log: told of every point that is taken, held by others, or cannot be prepared.
    """
    launch, check = _launch_of(origin.settings), make_check()
    setups = {_test_set_of(origin.settings): own}
    left, postponed = HOST_BYTES, 0

    def fits(sibling: Sibling) -> bool:
        if _launch_of(sibling.origin.settings) != launch:
            return False
        left_by_others = (
            gpu_checkpoint(sibling.folder, sibling.origin.digest, seed)
            for seed in sibling.origin.settings["seeds"]
        )
        if all(was_finished(checkpoint) for checkpoint in left_by_others):
            return False  # trained, but not yet stored by its own job
        check(sibling.origin)
        return True

    def prepare(sibling: Sibling) -> PointRun | None:
        nonlocal left, postponed
        settings, seeds = sibling.origin.settings, sibling.origin.settings["seeds"]
        setup = setups.get(key := _test_set_of(settings))
        law = setup.law if setup else make_law(settings["law"])
        if not alike(law, own.law):
            return None
        needed = len(seeds) * _network_bytes(own, law, settings["sgd"]["neurons"])
        if setup is None:
            needed += _test_set_bytes(own.test_set, law, settings["sgd"]["test_samples"])
        if needed > left:
            postponed += 1
            return None
        if setup is None:  # nothing is drawn before there is room for it
            setup = make_setup(settings, law, launch["steps"], draw_test_set(settings, law))
            setups[key] = setup
        left -= needed
        return PointRun(
            sibling.origin.point,
            partial(_weights, settings, law),
            seeds,
            replace(setup, step_size=settings["sgd"]["step_size"]),
            sibling.folder,
            sibling.origin.digest,
        )

    def others(locks: ExitStack) -> list[PointRun]:
        rest = [each for each in unpacked(siblings) if each.origin.point != origin.point]
        points = take_over(rest, fits, prepare, locks, log)
        if postponed:
            bound = f"all together would take more than {HOST_BYTES} bytes"
            log.info("other points left to later jobs: %d, since %s", postponed, bound)
        return points

    return others


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


def _test_set_of(settings: Mapping[str, Any]) -> str:
    """Return what a test set depends on.

    The setups of points of one launch that agree in it differ in no more than the step size.
    """
    return json.dumps([settings["law"], settings["sgd"]["test_samples"]], sort_keys=True)


def _network_bytes(own: Setup, law: Law, neurons: int) -> int:
    """Return the memory that a network takes: what is recorded, and copies of its parameters.

    Of these a run holds three at once, or four if its networks go to the device in batches.
    """
    snapshots = len(own.snapshot_steps)
    recorded = 8 * snapshots * neurons * len(invariant_names(law, own.neuron))
    network = 4 * neurons * own.neuron.parameters(law.dimension)
    kept = 4 + (snapshots if own.keep_theta else 0)
    return recorded + kept * network


def _test_set_bytes(own: TestSet, law: Law, samples: int) -> int:
    """Return the memory of a test set like the job's own, and of its law if that is data."""
    data = law.x.nbytes + law.y.nbytes if isinstance(law, DataSet) else 0
    return samples * (own.nbytes // len(own.y)) + data
