"""Schedules xi(t) of the step size s_k = epsilon xi(k epsilon), and the time tau that they make.

With tau = int_0^t xi the limit of SGD is autonomous: it is solved in tau and reported in t.

Source: Mei, Montanari and Nguyen (2018), the step sizes s_k = epsilon xi(k epsilon).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import exprel

from meanfield.portable import power

Floats = NDArray[np.float64]


class Schedule(Protocol):
    """What is known of a schedule."""

    @property
    def singular(self) -> bool:
        """Whether xi is infinite at t = 0."""

    def __call__(self, t: ArrayLike) -> Floats:
        """Return xi(t) at times t >= 0, elementwise, the same bits on every CPU."""

    def integral(self, t: ArrayLike) -> Floats:
        """Return tau(t) = int_0^t xi at times t >= 0, elementwise."""

    def inverse(self, tau: ArrayLike) -> Floats:
        """Return t with tau(t) = tau >= 0, elementwise; infinite where tau is never reached."""


@dataclass(frozen=True)
class Constant:
    """xi(t) = value.

    Args:
        value: positive.

    Raises:
        ValueError: if the value is not positive and finite.
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        _check_positive("value", self.value)

    @property
    def singular(self) -> bool:
        """False."""
        return False

    def __call__(self, t: ArrayLike) -> Floats:
        """Return xi(t) at times t >= 0, elementwise."""
        return np.full_like(_times(t), self.value)

    def integral(self, t: ArrayLike) -> Floats:
        """Return tau(t) = value t, elementwise."""
        return self.value * _times(t)

    def inverse(self, tau: ArrayLike) -> Floats:
        """Return t(tau) = tau / value, elementwise."""
        return _times(tau, "tau") / self.value


@dataclass(frozen=True)
class Power:
    """xi(t) = c (t + t_0)^(-p).

    With L = log(1 + t / t_0), tau = c t_0^(1 - p) (e^((1 - p) L) - 1) / (1 - p), its limit at
    p = 1 being c L; for t_0 = 0, tau = c t^(1 - p) / (1 - p).

    Args:
        c: factor, positive.
        t0: offset of time; 0, where xi is singular at 0 for p > 0, or at least 1e-100.
        p: exponent, >= 0; below 1 if t0 = 0, for tau to be finite.

    Raises:
        ValueError: if an argument is out of range.
    """

    c: float
    t0: float
    p: float

    def __post_init__(self) -> None:
        _check_positive("c", self.c)
        if not (self.t0 == 0 or 1e-100 <= self.t0 < np.inf):
            raise ValueError(f"t0 must be 0 or at least 1e-100, and finite, got {self.t0!r}")
        if not 0 <= self.p < np.inf:
            raise ValueError(f"p must be finite and >= 0, got {self.p!r}")
        if self.t0 == 0 and self.p >= 1:
            raise ValueError(f"p must be below 1 where t0 = 0, got {self.p!r}")
        if self.t0 > 0 and not self.p * abs(np.log(self.t0)) < 600:
            raise ValueError(
                f"xi(0) = c t0^(-p) is out of range, got t0 = {self.t0!r}, p = {self.p!r}"
            )

    @property
    def singular(self) -> bool:
        """Whether xi is infinite at t = 0."""
        return self.t0 == 0 and self.p > 0

    def __call__(self, t: ArrayLike) -> Floats:
        """Return xi(t) at times t >= 0, elementwise; infinite at 0 if xi is singular there."""
        base = _times(t) + self.t0
        at_zero = base == 0
        value = self.c * power(np.where(at_zero, 1.0, base), -self.p)
        return np.where(at_zero & self.singular, np.inf, value)

    def integral(self, t: ArrayLike) -> Floats:
        """Return tau(t), elementwise."""
        times, q = _times(t), 1.0 - self.p
        if self.t0 == 0:
            return np.asarray(self.c / q * times**q)
        length = np.log1p(times / self.t0)
        return np.asarray(self._unit * length * exprel(q * length))

    def inverse(self, tau: ArrayLike) -> Floats:
        """Return t(tau), elementwise; infinite from tau = c t_0^(1 - p) / (p - 1) on if p > 1."""
        values, q = _times(tau, "tau"), 1.0 - self.p
        if self.t0 == 0:
            return np.asarray((values * q / self.c) ** (1 / q))
        u = values / self._unit
        with np.errstate(divide="ignore", over="ignore"):
            length = u if q == 0 else np.log1p(np.maximum(q * u, -1.0)) / q
            return np.asarray(self.t0 * np.expm1(length))

    @property
    def _unit(self) -> float:
        return float(self.c * self.t0 ** (1.0 - self.p))


@dataclass(frozen=True)
class Piecewise:
    """xi(t) = values[j] for times[j] <= t < times[j + 1], the last value for ever.

    Args:
        times: 0, then increasing times.
        values: as many positive numbers.

    Raises:
        ValueError: if the times do not start at 0 and increase, or a value is not positive.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("times", "values"):
            object.__setattr__(self, name, tuple(float(number) for number in getattr(self, name)))
        if not self.times or len(self.times) != len(self.values):
            raise ValueError(
                f"a piecewise schedule needs as many values as times, got times={self.times}, "
                f"values={self.values}"
            )
        increase = np.all(np.isfinite(self.times)) and np.all(np.diff(self.times) > 0)
        if self.times[0] != 0 or not increase:
            raise ValueError(f"times must start at 0 and increase strictly, got {self.times}")
        for value in self.values:
            _check_positive("values", value)

    @property
    def singular(self) -> bool:
        """False."""
        return False

    def __call__(self, t: ArrayLike) -> Floats:
        """Return xi(t) at times t >= 0, elementwise."""
        return np.asarray(self.values)[self._piece(_times(t), self.times)]

    def integral(self, t: ArrayLike) -> Floats:
        """Return tau(t), elementwise."""
        times = _times(t)
        piece = self._piece(times, self.times)
        within = np.asarray(self.values)[piece] * (times - np.asarray(self.times)[piece])
        return np.asarray(self._reached[piece] + within)

    def inverse(self, tau: ArrayLike) -> Floats:
        """Return t(tau), elementwise."""
        values = _times(tau, "tau")
        piece = self._piece(values, self._reached)
        within = (values - self._reached[piece]) / np.asarray(self.values)[piece]
        return np.asarray(np.asarray(self.times)[piece] + within)

    @property
    def _reached(self) -> Floats:
        """Values of tau at the times where the pieces begin."""
        steps = np.asarray(self.values)[:-1] * np.diff(self.times)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @staticmethod
    def _piece(points: Floats, starts: ArrayLike) -> NDArray[np.intp]:
        return np.asarray(np.searchsorted(starts, points, side="right") - 1)


def step_sizes(schedule: Schedule, epsilon: float, first_step: int, count: int) -> Floats:
    """Return the step sizes s_k = epsilon xi(k epsilon) of consecutive steps k.

    Where xi is singular at 0, s_k = epsilon xi((k + 1) epsilon).

    Args:
        schedule: xi.
        epsilon: time that a step advances, positive.
        first_step: first step, at least 0.
        count: number of steps.

    Returns:
        float64 array (count,), the same bits on every CPU and however the steps are cut.
    """
    first = first_step + int(schedule.singular)
    return epsilon * schedule(epsilon * np.arange(first, first + count, dtype=np.float64))


_KINDS: dict[str, tuple[type[Constant] | type[Power] | type[Piecewise], set[str]]] = {
    "constant": (Constant, {"value"}),
    "power": (Power, {"c", "t0", "p"}),
    "piecewise": (Piecewise, {"times", "values"}),
}


def make_schedule(settings: Mapping[str, Any]) -> Schedule:
    """Build a schedule from its settings.

    Args:
        settings: ``kind`` and the arguments of that kind.

    Returns:
        The schedule.

    Raises:
        ValueError: if the kind or an argument is unknown, missing or out of range.
    """
    arguments = dict(settings)
    kind = arguments.pop("kind", None)
    if kind not in _KINDS:
        raise ValueError(f"unknown schedule kind {kind!r}, expected one of {', '.join(_KINDS)}")
    schedule, names = _KINDS[kind]
    if set(arguments) != names:
        raise ValueError(f"schedule {kind!r} takes {sorted(names)}, got {sorted(arguments)}")
    return schedule(**arguments)


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}")


def _times(t: ArrayLike, name: str = "t") -> Floats:
    times = np.asarray(t, dtype=np.float64)
    if not times.min(initial=0) >= 0:
        raise ValueError(f"{name} must be >= 0, got {times[~(times >= 0)].flat[0]!r}")
    return times
