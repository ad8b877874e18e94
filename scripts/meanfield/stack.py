"""Problems side by side: one field of many measures, each for a problem of its own.

On a GPU a field of few atoms takes as long as its kernels take to be launched, so that those of all
values of a sweep cost hardly more than one. Problems can stand side by side if they see the same
neurons through as many nodes: they then differ in arrays alone, which are stacked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from array_api_compat import array_namespace

from meanfield.functionals import Field, field
from meanfield.problem import Problem


class MisfitError(ValueError):
    """Problems or measures cannot stand side by side.

    Attributes:
        place: which of those given it is that does not fit the first, from 0 on.
    """

    def __init__(self, message: str, place: int) -> None:
        self.place = place
        super().__init__(message)


@dataclass(frozen=True, eq=False)
class Stack:
    """Problems that differ in the values of their arrays alone, as `stack` returns them.

    Args:
        problems: the problems.
    """

    problems: tuple[Problem, ...]

    @cached_property
    def together(self) -> Problem:
        """All of them as one problem, whose arrays have a leading axis (P,)."""
        first = self.problems[0]
        if not is_dataclass(first):
            return first  # alone, since others would differ
        stacked = {
            each.name: array_namespace(value).stack(
                [getattr(problem, each.name) for problem in self.problems]
            )
            for each in fields(first)
            if _is_array(value := getattr(first, each.name))
        }
        return cast(Problem, replace(first, **stacked))

    def field(self, omega: Any, mass: Any) -> Field:
        """Return the field of every problem at its own measure.

        Args:
            omega: atoms, shape (P, J, k).
            mass: masses, shape (P, J).

        Returns:
            Network (P, Q), risk (P,) and velocity (P, J, k).
        """
        if not isinstance(omega, np.ndarray):
            return field(self.together, omega, mass)
        # Compiled kernels serve one problem at a time, and calls cost little here.
        found = [
            field(problem, atoms, masses)
            for problem, atoms, masses in zip(self.problems, omega, mass, strict=True)
        ]
        if len(found) == 1:
            return Field(*(np.asarray(part)[None] for part in found[0]))
        return Field(*(np.stack(part) for part in zip(*found, strict=True)))

    def take(self, rows: Sequence[int]) -> "Stack":
        """Return some of the problems, by their place."""
        return Stack(tuple(self.problems[row] for row in rows))


def stack(problems: Sequence[Problem]) -> Stack:
    """Put problems side by side.

    Args:
        problems: data classes, one or more, of one array namespace.

    Raises:
        MisfitError: if they differ in more than the values of their arrays; it says in what.
    """
    for number, other in enumerate(problems[1:], start=2):
        if (found := _difference(problems[0], other)) is not None:
            raise MisfitError(
                "problems that are solved together may differ in the values of labels, weights and "
                f"nodes alone; problem {number} differs from problem 1: {found}",
                number - 1,
            )
    return Stack(tuple(problems))


def _difference(first: Any, other: Any) -> str | None:
    """Return in what two problems differ beyond the values of their arrays, or None."""
    if type(first) is not type(other):
        return f"its class is {type(other).__name__}, not {type(first).__name__}"
    if not is_dataclass(first):
        return None if first is other else f"both are a {type(first).__name__}, no data class"
    for each in fields(first):
        mine, theirs = getattr(first, each.name), getattr(other, each.name)
        if _is_array(mine) and _is_array(theirs):
            if mine.shape != theirs.shape:
                return f"{each.name} has shape {theirs.shape}, not {mine.shape}"
        elif not _same(mine, theirs):
            return f"another {each.name}"
    return None


def _same(first: Any, other: Any) -> bool:
    """Return whether two values are equal, arrays at any depth of them included.

    What two problems share may have been copied since, to another device.
    """
    if first is other:
        return True
    if type(first) is not type(other):
        return False
    if _is_array(first):
        xp = array_namespace(first, other)
        # Tables have NaN where they hold nothing.
        return first.shape == other.shape and bool(
            xp.all((first == other) | (xp.isnan(first) & xp.isnan(other)))
        )
    if is_dataclass(first):
        names = [each.name for each in fields(first)]
        return all(_same(getattr(first, name), getattr(other, name)) for name in names)
    if isinstance(first, tuple):
        return len(first) == len(other) and all(map(_same, first, other))
    return bool(first == other)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")
