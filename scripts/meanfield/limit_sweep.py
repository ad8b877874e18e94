"""The limit of a point; on a GPU, if asked, with those of the other points of its sweep."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from meanfield.arrays import Backend, from_backend, to_backend
from meanfield.checkpoint import Checkpoint, save_together
from meanfield.flow import Flow, check_fit, solve, solve_together
from meanfield.flow_control import FlowError
from meanfield.gpu_memory import free_bytes, held_bytes, is_exhausted
from meanfield.laws import make_law
from meanfield.limit import Floats, Limit, make_limit
from meanfield.neurons import make_neuron
from meanfield.schedules import Constant, make_schedule
from meanfield.siblings import Sibling, take_over, unpacked
from meanfield.stack import MisfitError
from meanfield.stage import make_check
from meanfield.store import Origin
from meanfield.timeline import output_times
from meanfield.turns import use_backend

AGAINST_GPU = "the compiled kernels for the limit take no longer than a GPU needs to start"
"""Why `auto` leaves the limit on the CPU."""


class PointFlow(NamedTuple):
    """A flow to be solved.

    Attributes:
        name: of the point.
        limit: its problem and its start.
        times: in tau, at which the solution is wanted.
        tolerance: of a step.
        checkpoint: where another point's job leaves the solution.
    """

    name: str
    limit: Limit
    times: Floats
    tolerance: float
    checkpoint: Checkpoint


class Outcome(NamedTuple):
    """A solution in NumPy, what computed it ("cpu" or "cupy"), and on which device."""

    flow: Flow
    backend: str
    device: str


def make_point(origin: Origin, folder: Path) -> PointFlow:
    """Return the flow that a point asks for.

    Args:
        origin: what its result is made from.
        folder: of its checkpoints.
    """
    settings = origin.settings
    law, neuron = make_law(settings["law"]), make_neuron(settings["neuron"])
    schedule = make_schedule(settings["sgd"]["schedule"]) if "sgd" in settings else Constant()
    return PointFlow(
        origin.point,
        make_limit(law, neuron, settings["initial"], settings["dd"]),
        # In tau = int xi dt the flow is autonomous; it is solved there and reported in t.
        schedule.integral(output_times(settings["time"])),
        settings["dd"]["tolerance"],
        _checkpoint(origin, folder),
    )


def solve_point(
    point: PointFlow,
    backend: str,
    *,
    others: Callable[[ExitStack], list[PointFlow]] | None,
    log: logging.Logger,
) -> Outcome:
    """Solve the flow of a point.

    Args:
        point: what is solved; no other process is at it.
        backend: "cpu", "cupy" or "auto", see `meanfield.arrays.choose_backend`.
        others: gives further points that are to be solved as well, with locks to be held until
            then; None if the point is to be solved by itself.
        log: told what is done where.

    Raises:
        GpuError: the setting is "cupy" and no GPU can be used.
        FlowError: the flow of this point cannot be solved.
        MemoryError: the device has no room for it.
    """
    if backend != "cpu" and (found := point.checkpoint.load()) is not None:
        device = str(found.pop("device"))
        log.info("was solved before, on %s", device)
        parts: dict[str, Any] = {**found}
        parts |= {name: int(parts[name]) for name in ("steps", "rejected", "rhs_calls")}
        return Outcome(Flow(**parts), "cupy", device)
    with use_backend(backend, log, against=AGAINST_GPU) as chosen:
        if chosen.name == "cpu":
            if others is not None:
                log.info("batch: sweep does not count on the CPU: the point is solved by itself")
            return Outcome(_solve(point), "cpu", chosen.device)
        with ExitStack() as locks:
            points = [point, *(others(locks) if others else [])]
            flows = _solve_in_batches(points, chosen, log)
            save_together(
                (points[place].checkpoint, {**flow._asdict(), "device": chosen.device})
                for place, flow in flows.items()
                if place != 0
            )
        return Outcome(flows[0], "cupy", chosen.device)


def other_points(
    siblings: bytes, origin: Origin, log: logging.Logger
) -> Callable[[ExitStack], list[PointFlow]]:
    """Return a function that prepares the other points of a sweep, and takes their locks.

    These are the points whose results are not up to date and that differ in Delta, start and times
    alone.

    Args:
        siblings: all points of the sweep, with the job's own, `packed`.
        origin: of the job.
        log: told of every point that is taken, held by others, or cannot be prepared.
    """
    check = make_check()

    def fits(sibling: Sibling) -> bool:
        if _shared(sibling.origin.settings) != _shared(origin.settings):
            return False
        check(sibling.origin)
        # If it is there, it is solved, but not yet stored by its own job.
        return not _checkpoint(sibling.origin, sibling.folder).holds("omega")

    def prepare(sibling: Sibling) -> PointFlow:
        return make_point(sibling.origin, sibling.folder)

    def others(locks: ExitStack) -> list[PointFlow]:
        rest = [each for each in unpacked(siblings) if each.origin.point != origin.point]
        return take_over(rest, fits, prepare, locks, log)

    return others


def _checkpoint(origin: Origin, folder: Path) -> Checkpoint:
    """Return where the solution of a point is left by another point's job."""
    return Checkpoint(folder / "gpu.npz", f"{origin.digest} cupy")


def _shared(settings: Mapping[str, Any]) -> Any:
    law = {key: value for key, value in settings["law"].items() if key != "delta"}
    return law, settings["neuron"], settings["dd"]


def _solve_in_batches(
    points: Sequence[PointFlow], backend: Backend, log: logging.Logger
) -> dict[int, Flow]:
    """Return the flows by the place of their point: the first, and all that need not be left out.

    They are solved together, or in halves as long as memory does not suffice. Left to its own job
    is one that does not fit the first, cannot be solved, or for which there is no room even alone.

    Raises:
        FlowError: the first cannot be solved.
        MemoryError: there is no room for the first alone.
    """

    def leave(place: int, error: Exception) -> None:
        if place == 0:
            raise error
        log.warning("%s: left to its own job: %s", points[place].name, error)

    fitting = []
    for place, point in enumerate(points):
        limits = points[0].limit, point.limit
        try:
            check_fit([limit.problem for limit in limits], [limit.start for limit in limits])
        except MisfitError as error:
            leave(place, error)
        else:
            fitting.append(place)
    flows: dict[int, Flow] = {}
    waiting = [fitting]
    while waiting:
        batch = waiting.pop()
        try:
            found = _solve_together([points[place] for place in batch], backend)
        except FlowError as error:
            lost = batch.pop(error.place)
            leave(lost, error)
            if batch:
                waiting.append(batch)
        except MemoryError as error:
            half = len(batch) // 2
            if half == 0:
                leave(batch[0], error)
                continue
            log.info(
                "%d limits at once: %s; solving them as %d and %d",
                len(batch), error, half, len(batch) - half,
            )  # fmt: skip
            waiting += [batch[half:], batch[:half]]
        else:
            flows.update(zip(batch, found, strict=True))
    return flows


def _solve_together(points: Sequence[PointFlow], backend: Backend) -> list[Flow]:
    """Return the flows of some points, in NumPy, from one call.

    Raises:
        FlowError: one cannot be solved; it says which.
        MemoryError: they do not fit the device together; it says how much there is.
    """
    free = free_bytes(backend.xp)
    try:
        problems, starts = to_backend(
            (
                tuple(point.limit.problem for point in points),
                tuple(point.limit.start for point in points),
            ),
            backend,
        )
        times = [point.times for point in points]
        found = solve_together(problems, starts, times, tolerance=points[0].tolerance)
        return [from_backend(flow) for flow in found]
    except Exception as error:
        if not is_exhausted(error):
            raise
        needed = (
            f"more than the {free} bytes that were free on the GPU are needed (arrays took "
            f"{held_bytes(backend.xp)} when {type(error).__name__} said: {error})"
        )
        if len(points) == 1:
            needed = f"the limit of {points[0].name}: {needed}: set backend: cpu"
        raise MemoryError(needed) from error


def _solve(point: PointFlow) -> Flow:
    limit = point.limit
    return solve(limit.problem, limit.start, point.times, tolerance=point.tolerance)
