"""Atoms that represent a law on the line: its quantile function at Gauss-Legendre levels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.quadrature import gauss_legendre

Floats = NDArray[np.float64]

_BISECTIONS = 100
_TAIL = 1e-16
"""Mass that is not looked for: a piece with less, and the tails beyond the largest quantiles."""


@dataclass(frozen=True)
class Spread:
    """A law on the line with a density.

    Args:
        distribution: F.
        quantile: its inverse.
        ends: where its support ends, if anywhere.
    """

    distribution: Callable[[Floats], Floats]
    quantile: Callable[[Floats], Floats]
    ends: tuple[float, ...] = ()


Component = Spread | float
"""A law with a density, or a point."""


class QuantileRule(NamedTuple):
    """Atoms of a law on the line.

    Args:
        values: the quantile function at the levels, not decreasing, shape (J,).
        mass: masses, shape (J,).
        levels: levels in (0, 1), increasing, shape (J,).
    """

    values: Floats
    mass: Floats
    levels: Floats


def quantile_rule(
    parts: Sequence[tuple[float, Component]], atoms: int, *, point_atoms: int = 2
) -> QuantileRule:
    """Represent a mixture of laws with densities and of points.

    The interval of levels is cut where the quantile function is not smooth: at the points, where it
    is constant, and at the ends of supports. Each piece carries a Gauss-Legendre rule, so that an
    integral over the law is a Gauss quadrature in the level.

    Args:
        parts: probabilities that sum to 1, each with a law or a point.
        atoms: number of atoms for the parts with densities, at least 1; those of a piece are in
            proportion to its mass, at least two if there are several pieces.
        point_atoms: number of atoms that share a point; two tell a quantile function that it is
            constant there.

    Returns:
        The atoms.
    """
    spread = [(weight, part) for weight, part in parts if isinstance(part, Spread)]
    points: dict[float, float] = {}
    for weight, part in parts:
        if not isinstance(part, Spread):
            points[part] = points.get(part, 0.0) + weight
    if not points and len(spread) == 1:
        levels, mass = gauss_legendre(atoms)
        return QuantileRule(spread[0][1].quantile(levels), mass, levels)

    def below(x: Floats) -> Floats:
        total = np.zeros_like(x)
        for weight, part in spread:
            total += weight * part.distribution(x)
        return total

    share = sum(weight for weight, _ in spread)
    cuts = sorted({*points, *(end for _, part in spread for end in part.ends)})
    values: list[Floats] = []
    masses: list[Floats] = []
    reached: list[Floats] = []
    base = 0.0  # mass to the left
    for low, high in zip([-np.inf, *cuts], [*cuts, np.inf], strict=True):
        start, stop = below(np.array([low, high])) if spread else (0.0, 0.0)
        if stop - start > _TAIL:
            rule = gauss_legendre(max(2, round(atoms * (stop - start) / share)))
            inner = start + (stop - start) * rule.nodes
            values.append(_invert(below, spread, inner, low, high))
            masses.append((stop - start) * rule.weights)
            reached.append(base + (stop - start) * rule.nodes)
            base += stop - start
        if high in points:
            rule = gauss_legendre(point_atoms)
            values.append(np.full(point_atoms, high))
            masses.append(points[high] * rule.weights)
            reached.append(base + points[high] * rule.nodes)
            base += points[high]
    mass = np.concatenate(masses)
    return QuantileRule(np.concatenate(values), mass / mass.sum(), np.concatenate(reached))


def _invert(
    below: Callable[[Floats], Floats],
    spread: Sequence[tuple[float, Spread]],
    targets: Floats,
    low: float,
    high: float,
) -> Floats:
    """Return where the increasing function takes the targets, between two ends."""
    tails = np.concatenate([part.quantile(np.array([_TAIL, 1 - _TAIL])) for _, part in spread])
    left = np.full_like(targets, max(low, tails.min()))
    right = np.full_like(targets, min(high, tails.max()))
    for _ in range(_BISECTIONS):
        middle = (left + right) / 2
        under = below(middle) < targets
        left, right = np.where(under, middle, left), np.where(under, right, middle)
    return (left + right) / 2
