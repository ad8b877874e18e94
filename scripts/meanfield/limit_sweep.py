"""The limit of a point; on a GPU, if asked, with those of the other points of its sweep."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from meanfield.arrays import Backend, choose_backend, from_backend, to_backend
from meanfield.checkpoint import Checkpoint, save_together
from meanfield.flow import Flow, solve, solve_together
from meanfield.flow_control import FlowError
from meanfield.laws import make_law
from meanfield.limit import Floats, Limit, make_limit
from meanfield.neurons import make_neuron
from meanfield.schedules import Constant, make_schedule
from meanfield.siblings import Sibling, take_over, unpacked
from meanfield.stage import make_check
from meanfield.store import Origin
from meanfield.timeline import output_times

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
    """
    if backend != "cpu" and (found := point.checkpoint.load()) is not None:
        device = str(found.pop("device"))
        log.info("was solved before, on %s", device)
        parts: dict[str, Any] = {**found}
        parts |= {name: int(parts[name]) for name in ("steps", "rejected", "rhs_calls")}
        return Outcome(Flow(**parts), "cupy", device)
    chosen = choose_backend(backend, log.info, against=AGAINST_GPU)
    if chosen.name == "cpu":
        if others is not None:
            log.info("batch: sweep does not count on the CPU: the point is solved by itself")
        return Outcome(_solve(point), "cpu", chosen.device)
    with ExitStack() as locks:
        points = [point, *(others(locks) if others else [])]
        flows = _solve_together(points, chosen, log)
        save_together(
            (each.checkpoint, {**flow._asdict(), "device": chosen.device})
            for each, flow in zip(points, flows, strict=True)
            if flow is not None and each is not point
        )
    assert flows[0] is not None
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

    def prepare(sibling: Sibling) -> PointFlow | None:
        if _shared(sibling.origin.settings) != _shared(origin.settings):
            return None
        check(sibling.origin)
        if _checkpoint(sibling.origin, sibling.folder).holds("omega"):
            return None  # solved, but not yet stored by its own job
        return make_point(sibling.origin, sibling.folder)

    def others(locks: ExitStack) -> list[PointFlow]:
        rest = [each for each in unpacked(siblings) if each.origin.point != origin.point]
        return take_over(rest, prepare, locks, log)

    return others


def _checkpoint(origin: Origin, folder: Path) -> Checkpoint:
    """Return where the solution of a point is left by another point's job."""
    return Checkpoint(folder / "gpu.npz", f"{origin.digest} cupy")


def _shared(settings: Mapping[str, Any]) -> Any:
    law = {key: value for key, value in settings["law"].items() if key != "delta"}
    return law, settings["neuron"], settings["dd"]


def _solve_together(
    points: Sequence[PointFlow], backend: Backend, log: logging.Logger
) -> list[Flow | None]:
    """Return the flows of all points; None for another than the first that is left to its own job.

    One that cannot be solved is left out, and so is half of the others if memory runs out, or all
    of them if they do not fit together.
    """
    taken = list(range(len(points)))
    flows: list[Flow | None] = [None] * len(points)
    while True:
        some = [points[i] for i in taken]
        try:
            found = solve_together(
                [to_backend(point.limit.problem, backend) for point in some],
                [to_backend(point.limit.start, backend) for point in some],
                [point.times for point in some],
                tolerance=points[0].tolerance,
            )
            for i, flow in zip(taken, found, strict=True):
                flows[i] = from_backend(flow)
            return flows
        except FlowError as error:
            lost = taken[error.place]
            if lost == 0:
                raise
            reason, left_out = str(error), [lost]
        except (MemoryError, ValueError) as error:
            if len(taken) == 1:
                raise
            half = 1 if isinstance(error, ValueError) else (len(taken) + 1) // 2
            reason, left_out = str(error), taken[half:]
        taken = [i for i in taken if i not in left_out]
        names = ", ".join(points[i].name for i in left_out)
        log.warning("%s: left to later jobs: %s", names, reason)


def _solve(point: PointFlow) -> Flow:
    limit = point.limit
    return solve(limit.problem, limit.start, point.times, tolerance=point.tolerance)
