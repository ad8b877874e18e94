"""Activations sigma(t) with their derivatives and limits, and the registry of their kinds."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]


class Activation(Protocol):
    """A function sigma of one variable, almost everywhere differentiable."""

    @property
    def limits(self) -> tuple[float, float]:
        """The limits (sigma(-inf), sigma(+inf)): infinite if it grows, nan if it oscillates."""
        ...

    def __call__(self, t: ArrayLike) -> NDArray[Any]:
        """sigma(t), elementwise, in the floating type of ``t``."""
        ...

    def derivative(self, t: ArrayLike) -> NDArray[Any]:
        """sigma'(t), elementwise, in the floating type of ``t``."""
        ...


def _floating(t: ArrayLike) -> NDArray[Any]:
    points = np.asarray(t)
    return points if points.dtype.kind == "f" else points.astype(np.float64)


class Pieces:
    """The algebra of a continuous piecewise linear activation with K knots and K + 1 pieces.

    sigma(t) = slopes[p] t + intercepts[p] on piece p, where piece 0 is t <= knots[0], piece p is
    knots[p-1] < t <= knots[p], and piece K is t > knots[K-1].
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]
    left_slope: float
    right_slope: float

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
        points = _floating(t)
        # side="left" counts the knots strictly below t, so a knot belongs to the piece on its left.
        knots = np.asarray(self.knots, dtype=points.dtype)
        return points, np.searchsorted(knots, points, side="left")


@dataclass(frozen=True)
class PiecewiseLinear(Pieces):
    """A continuous piecewise linear activation with any knots.

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


@dataclass(frozen=True)
class LeakyReLU(Pieces):
    """sigma(t) = t for t > 0, slope t otherwise.

    Args:
        slope: slope for t <= 0, finite.

    Raises:
        ValueError: if the slope is not finite.
    """

    slope: float
    knots: tuple[float, ...] = field(default=(0.0,), init=False, repr=False)
    values: tuple[float, ...] = field(default=(0.0,), init=False, repr=False)
    left_slope: float = field(init=False, repr=False)
    right_slope: float = field(default=1.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not np.isfinite(self.slope):
            raise ValueError(f"the slope of a leaky ReLU must be finite, got {self.slope}")
        object.__setattr__(self, "slope", float(self.slope))
        object.__setattr__(self, "left_slope", self.slope)


@dataclass(frozen=True)
class ReLU(Pieces):
    """sigma(t) = max(t, 0)."""

    knots: tuple[float, ...] = field(default=(0.0,), init=False, repr=False)
    values: tuple[float, ...] = field(default=(0.0,), init=False, repr=False)
    left_slope: float = field(default=0.0, init=False, repr=False)
    right_slope: float = field(default=1.0, init=False, repr=False)


@dataclass(frozen=True)
class Tanh:
    """sigma(t) = tanh t."""

    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __call__(self, t: ArrayLike) -> NDArray[Any]:
        """sigma(t), elementwise."""
        return np.asarray(np.tanh(_floating(t)))

    def derivative(self, t: ArrayLike) -> NDArray[Any]:
        """sigma'(t) = 1 - tanh^2 t = 4 expit(2t) expit(-2t), elementwise."""
        points = 2 * _floating(t)
        return np.asarray(4 * special.expit(points) * special.expit(-points))

    def curvature(self, t: ArrayLike) -> NDArray[Any]:
        """sigma''(t) = -2 sigma(t) sigma'(t), elementwise."""
        return np.asarray(-2 * self(t) * self.derivative(t))


@dataclass(frozen=True)
class Erf:
    """sigma(t) = erf t = (2 / sqrt pi) int_0^t exp(-u^2) du."""

    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __call__(self, t: ArrayLike) -> NDArray[Any]:
        """sigma(t), elementwise."""
        return np.asarray(special.erf(_floating(t)))

    def derivative(self, t: ArrayLike) -> NDArray[Any]:
        """sigma'(t) = (2 / sqrt pi) exp(-t^2), elementwise."""
        points = _floating(t)
        return np.asarray(points.dtype.type(2 / np.sqrt(np.pi)) * np.exp(-points * points))

    def curvature(self, t: ArrayLike) -> NDArray[Any]:
        """sigma''(t) = -2 t sigma'(t), elementwise."""
        return np.asarray(-2 * _floating(t) * self.derivative(t))


@dataclass(frozen=True)
class Sigmoid:
    """sigma(t) = 1 / (1 + exp(-t))."""

    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, t: ArrayLike) -> NDArray[Any]:
        """sigma(t), elementwise."""
        return np.asarray(special.expit(_floating(t)))

    def derivative(self, t: ArrayLike) -> NDArray[Any]:
        """sigma'(t) = sigma(t) sigma(-t), elementwise."""
        points = _floating(t)
        return np.asarray(special.expit(points) * special.expit(-points))

    def curvature(self, t: ArrayLike) -> NDArray[Any]:
        """sigma''(t) = -sigma'(t) tanh(t / 2), elementwise."""
        return np.asarray(-self.derivative(t) * np.tanh(_floating(t) / 2))


@dataclass(frozen=True)
class Softplus:
    """sigma(t) = log(1 + exp t)."""

    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def __call__(self, t: ArrayLike) -> NDArray[Any]:
        """sigma(t), elementwise."""
        points = _floating(t)
        return np.asarray(np.logaddexp(points.dtype.type(0), points))

    def derivative(self, t: ArrayLike) -> NDArray[Any]:
        """sigma'(t) = 1 / (1 + exp(-t)), elementwise."""
        return np.asarray(special.expit(_floating(t)))

    def curvature(self, t: ArrayLike) -> NDArray[Any]:
        """sigma''(t) = 1 / (2 + 2 cosh t), elementwise."""
        points = _floating(t)
        return np.asarray(special.expit(points) * special.expit(-points))


@dataclass(frozen=True)
class GELU:
    """sigma(t) = t Phi(t), Phi the standard normal distribution function."""

    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def __call__(self, t: ArrayLike) -> NDArray[Any]:
        """sigma(t), elementwise."""
        points = _floating(t)
        return np.asarray(points * special.ndtr(points))

    def derivative(self, t: ArrayLike) -> NDArray[Any]:
        """sigma'(t) = Phi(t) + t phi(t), phi the standard normal density, elementwise."""
        points = _floating(t)
        half, scale = points.dtype.type(0.5), points.dtype.type(1 / np.sqrt(2 * np.pi))
        density = scale * np.exp(-half * points * points)
        return np.asarray(special.ndtr(points) + points * density)

    def curvature(self, t: ArrayLike) -> NDArray[Any]:
        """sigma''(t) = (2 - t^2) phi(t), elementwise."""
        points = _floating(t)
        half, scale = points.dtype.type(0.5), points.dtype.type(1 / np.sqrt(2 * np.pi))
        return np.asarray((2 - points * points) * scale * np.exp(-half * points * points))


@dataclass(frozen=True)
class Cosine:
    """sigma(t) = cos t."""

    limits: ClassVar[tuple[float, float]] = (np.nan, np.nan)

    def __call__(self, t: ArrayLike) -> NDArray[Any]:
        """sigma(t), elementwise."""
        return np.asarray(np.cos(_floating(t)))

    def derivative(self, t: ArrayLike) -> NDArray[Any]:
        """sigma'(t) = -sin t, elementwise."""
        return np.asarray(-np.sin(_floating(t)))


ACTIVATIONS: Mapping[str, type[Any]] = {
    "piecewise_linear": PiecewiseLinear,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "tanh": Tanh,
    "erf": Erf,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
    "gelu": GELU,
    "cosine": Cosine,
}
"""The class of each kind of activation; its fields are the settings of that kind."""


def make_activation(settings: Mapping[str, Any]) -> Activation:
    """Build an activation from its settings.

    Args:
        settings: ``kind``, one of ACTIVATIONS, and the arguments of that kind.

    Returns:
        The activation.

    Raises:
        ValueError: if the kind or an argument is unknown or missing.
    """
    arguments = dict(settings)
    kind = arguments.pop("kind", None)
    if kind not in ACTIVATIONS:
        raise ValueError(f"unknown activation kind {kind!r}, expected one of {list(ACTIVATIONS)}")
    made = ACTIVATIONS[kind]
    settable = [each for each in fields(made) if each.init]
    allowed = {each.name for each in settable}
    required = {each.name for each in settable if each.default is MISSING}
    unknown, missing = set(arguments) - allowed, required - set(arguments)
    if unknown or missing:
        raise ValueError(
            f"activation {kind!r} takes {sorted(allowed)}; "
            f"unknown: {sorted(unknown)}, missing: {sorted(missing)}"
        )
    activation: Activation = made(**arguments)
    return activation
