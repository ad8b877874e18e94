"""A step of a flow that was tried, and what the host knows of it."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from meanfield.dormand_prince import ERROR, NODES, STAGES, Step, combine


class Seen(NamedTuple):
    """What the host knows of the step of one flow.

    Args:
        error: error estimate over tolerance.
        risk: the risk at the end.
        spent: the risk dissipated along it, as if atoms moved on beyond a sticky origin.
        gap: least omega_{j+1} - omega_j at the end, of atoms on a line.
        largest: largest |omega| there.
        crossed: whether an atom crossed a sticky origin.
        arrived: whether one of much mass did.
        outward: parts of the step at which a stage saw a velocity that lets held atoms go.
    """

    error: float
    risk: float
    spent: Step
    gap: float = np.inf
    largest: float = 0.0
    crossed: bool = False
    arrived: bool = False
    outward: tuple[float, ...] = ()


class Attempt(NamedTuple):
    """A step that was tried.

    Args:
        path: the atoms along it, (P, J, k); below 0 where they cross a sticky origin.
        velocity: the velocity at its end, (P, J, k).
        seen: what the host knows of it, for each flow.
    """

    path: Step
    velocity: Any
    seen: list[Seen]


class Summary(NamedTuple):
    """Risk and dissipation of a measure; not finite where a velocity is not."""

    risk: float
    dissipation: float

    @property
    def finite(self) -> bool:
        """Whether both are."""
        return math.isfinite(self.risk) and math.isfinite(self.dissipation)


def see(
    columns: Iterable[str], row: list[float], risk: float, size: float, tolerance: float
) -> Seen:
    """Return what the host knows of the step of one flow.

    Args:
        columns: names of numbers.
        row: the rates of dissipation at the stages, these numbers, and, if there is a sticky
            origin, the largest velocity of held atoms at all stages but the first.
        risk: the risk before the step.
        size: of the step.
        tolerance: of the error estimate.
    """
    rates, rest = row[: len(NODES)], row[len(NODES) :]
    numbers = dict(zip(columns, rest, strict=False))
    turned = zip(NODES[1:], rest[len(numbers) :], strict=False)
    error = numbers["error"]
    # The dissipated risk is integrated like a coordinate.
    lost = abs(size * combine(ERROR, rates)) / (tolerance * (1 + risk))
    return Seen(
        error=float(np.maximum(error, lost)),  # NaN if either is, unlike `max`
        risk=numbers["risk"],
        spent=Step(0.0, size * combine(STAGES[-1], rates), rates, size),
        gap=numbers.get("gap", np.inf),
        largest=numbers.get("largest", 0.0),
        crossed=numbers.get("least", 0.0) < 0,
        arrived=numbers.get("arrived", 0.0) > 0,
        outward=tuple(part for part, velocity in turned if velocity > 0),
    )
