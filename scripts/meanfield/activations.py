"""Activations sigma(t): piecewise linear functions with their exact algebra."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PiecewiseLinear:
    """A continuous piecewise linear activation with K knots and K + 1 pieces.

    sigma(t) = slopes[p] t + intercepts[p] on piece p, where piece 0 is t <= knots[0], piece p is
    knots[p-1] < t <= knots[p], and piece K is t > knots[K-1].

    Args:
        knots: K >= 1 strictly increasing points where the slope may change.
        values: the K values sigma(knots).
        left_slope: slope of the first piece, 0 for an activation bounded on the left.
        right_slope: slope of the last piece, 0 for an activation bounded on the right.

    Raises:
        ValueError: if the lengths differ, a number is not finite or the knots do not increase.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]
    left_slope: float = 0.0
    right_slope: float = 0.0

    def __post_init__(self) -> None:
        for name in ("knots", "values"):
            object.__setattr__(self, name, tuple(float(number) for number in getattr(self, name)))
        for name in ("left_slope", "right_slope"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not self.knots or len(self.knots) != len(self.values):
            raise ValueError(
                "a piecewise linear activation needs as many values as knots, and at least one; "
                f"got knots={self.knots}, values={self.values}"
            )
        numbers = (*self.knots, *self.values, self.left_slope, self.right_slope)
        if not np.all(np.isfinite(numbers)):
            raise ValueError(f"a piecewise linear activation needs finite numbers, got {self}")
        if np.any(np.diff(self.knots) <= 0):
            raise ValueError(f"knots must increase strictly, got {self.knots}")

    @cached_property
    def slopes(self) -> Floats:
        """Slope of each piece, shape (K + 1,)."""
        inner = np.diff(self.values) / np.diff(self.knots)
        return np.concatenate(([self.left_slope], inner, [self.right_slope]))

    @cached_property
    def intercepts(self) -> Floats:
        """Intercept of each piece, shape (K + 1,)."""
        # Each piece is anchored at its left knot, the first one at the first knot.
        anchors = np.maximum(np.arange(len(self.knots) + 1) - 1, 0)
        return np.asarray(self.values)[anchors] - self.slopes * np.asarray(self.knots)[anchors]

    @cached_property
    def jumps(self) -> Floats:
        """Change of slope at each knot, shape (K,)."""
        return np.diff(self.slopes)

    @property
    def limits(self) -> tuple[float, float]:
        """The limits (sigma(-inf), sigma(+inf)), infinite where the outer piece has a slope."""
        left, right = self.left_slope, self.right_slope
        return (
            self.values[0] if left == 0 else float(-np.sign(left) * np.inf),
            self.values[-1] if right == 0 else float(np.sign(right) * np.inf),
        )

    def __call__(self, t: ArrayLike) -> NDArray[Any]:
        """sigma(t), elementwise, in the floating type of ``t``."""
        points, piece = self._locate(t)
        slopes = self.slopes.astype(points.dtype)
        intercepts = self.intercepts.astype(points.dtype)
        value: NDArray[Any] = slopes[piece] * points + intercepts[piece]
        return value

    def derivative(self, t: ArrayLike) -> NDArray[Any]:
        """sigma'(t), elementwise; at a knot, the slope of the piece on its left."""
        points, piece = self._locate(t)
        slope: NDArray[Any] = self.slopes.astype(points.dtype)[piece]
        return slope

    def _locate(self, t: ArrayLike) -> tuple[NDArray[Any], NDArray[np.intp]]:
        points = np.asarray(t)
        if points.dtype.kind != "f":
            points = points.astype(np.float64)
        # side="left" counts the knots strictly below t, so a knot belongs to the piece on its left.
        knots = np.asarray(self.knots, dtype=points.dtype)
        return points, np.searchsorted(knots, points, side="left")


def make_activation(settings: Mapping[str, Any]) -> PiecewiseLinear:
    """Build an activation from its settings.

    Args:
        settings: ``kind`` ("piecewise_linear") and the arguments of that kind.

    Returns:
        The activation.

    Raises:
        ValueError: if the kind or an argument is unknown or missing.
    """
    arguments = dict(settings)
    kind = arguments.pop("kind", None)
    if kind != "piecewise_linear":
        raise ValueError(f"unknown activation kind {kind!r}, expected 'piecewise_linear'")
    allowed = {"knots", "values", "left_slope", "right_slope"}
    unknown, missing = set(arguments) - allowed, {"knots", "values"} - set(arguments)
    if unknown or missing:
        raise ValueError(
            f"activation 'piecewise_linear' takes {sorted(allowed)}; "
            f"unknown: {sorted(unknown)}, missing: {sorted(missing)}"
        )
    return PiecewiseLinear(
        knots=tuple(arguments["knots"]),
        values=tuple(arguments["values"]),
        left_slope=arguments.get("left_slope", 0.0),
        right_slope=arguments.get("right_slope", 0.0),
    )
