"""Initial measures: the laws of a, b and w from which the neurons of a network are drawn.

Neuron i is step i of the stream INITIAL, so networks of different widths share their neurons. The
parameters are independent and have replicas of the stream of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from meanfield.choices import uniforms
from meanfield.random import INITIAL, normals

Floats = NDArray[np.float64]
Parameter = Literal["w", "a", "b"]

_REPLICAS: dict[Parameter, int] = {"w": 0, "a": 1, "b": 2}
_CHOICE = 4
"""Added to a parameter's replica: the numbers that choose among the components of a mixture."""
_UNIFORM = 8
"""Added to a parameter's replica: uniform numbers, apart from the words of the normals."""


class ParameterLaw(Protocol):
    """A law on R^n that one parameter of every neuron is drawn from."""

    def draw(self, seed: int, neurons: int, dimension: int, parameter: Parameter) -> Floats:
        """Draw the parameter of neurons 0, ..., N - 1, float64 (N, n)."""


@dataclass(frozen=True)
class Gaussian:
    """N(0, scale^2 / n I_n), so that the norm is about ``scale``.

    Args:
        scale: kappa > 0.

    Raises:
        ValueError: if the scale is not positive and finite.
    """

    scale: float

    def __post_init__(self) -> None:
        if not 0 < self.scale < np.inf:
            raise ValueError(f"scale must be positive and finite, got {self.scale!r}")

    def draw(self, seed: int, neurons: int, dimension: int, parameter: Parameter) -> Floats:
        """Draw the parameter of neurons 0, ..., N - 1, float64 (N, n)."""
        values = _normals(seed, neurons, dimension, parameter)
        values *= self.scale / np.sqrt(dimension)
        return values


@dataclass(frozen=True)
class Sphere:
    """The uniform law on the sphere of a radius about 0; on R, the two points -radius and radius.

    Args:
        radius: > 0.

    Raises:
        ValueError: if the radius is not positive and finite.
    """

    radius: float

    def __post_init__(self) -> None:
        if not 0 < self.radius < np.inf:
            raise ValueError(f"radius must be positive and finite, got {self.radius!r}")

    def draw(self, seed: int, neurons: int, dimension: int, parameter: Parameter) -> Floats:
        """Draw the parameter of neurons 0, ..., N - 1, float64 (N, n)."""
        directions = _normals(seed, neurons, dimension, parameter)
        # Added up in a fixed order: library sums may group the terms by the CPU.
        norms = np.sqrt(reduce(np.add, (directions * directions).T))
        # A normal vector of few coordinates can be 0 exactly, in float32.
        lost = norms == 0
        directions[lost, 0], norms[lost] = 1.0, 1.0
        return self.radius * (directions / norms[:, np.newaxis])


@dataclass(frozen=True)
class Uniform:
    """Independent coordinates, each uniform between two numbers.

    Args:
        low: lower end.
        high: upper end, > low.

    Raises:
        ValueError: if the ends are not finite and in order.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -np.inf < self.low < self.high < np.inf:
            raise ValueError(f"expected finite low < high, got {self.low!r}, {self.high!r}")

    def draw(self, seed: int, neurons: int, dimension: int, parameter: Parameter) -> Floats:
        """Draw the parameter of neurons 0, ..., N - 1, float64 (N, n)."""
        replica = _REPLICAS[parameter] + _UNIFORM
        u = uniforms(seed, INITIAL, 0, neurons, dimension, replica)
        values = u * self.high
        np.subtract(1.0, u, out=u)
        u *= self.low
        values += u
        return values


@dataclass(frozen=True)
class Point:
    """One value for every neuron and coordinate.

    Args:
        value: finite.

    Raises:
        ValueError: if the value is not finite.
    """

    value: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.value):
            raise ValueError(f"value must be finite, got {self.value!r}")

    def draw(self, seed: int, neurons: int, dimension: int, parameter: Parameter) -> Floats:
        """Return the parameter of neurons 0, ..., N - 1, float64 (N, n)."""
        return np.full((neurons, dimension), float(self.value))


@dataclass(frozen=True)
class Mixture:
    """Each neuron is drawn from one of several laws, chosen with given probabilities.

    Args:
        weights: positive numbers; the probabilities are these divided by their sum.
        components: as many laws.

    Raises:
        ValueError: if the numbers of weights and laws differ, or a weight is not positive.
    """

    weights: tuple[float, ...]
    components: tuple[ParameterLaw, ...]

    def __post_init__(self) -> None:
        if not self.components or len(self.weights) != len(self.components):
            raise ValueError(
                f"a mixture needs as many weights as components, at least one, got "
                f"{len(self.weights)} and {len(self.components)}"
            )
        if not all(0 < weight < np.inf for weight in self.weights):
            raise ValueError(f"weights must be positive and finite, got {self.weights}")

    def draw(self, seed: int, neurons: int, dimension: int, parameter: Parameter) -> Floats:
        """Draw the parameter of neurons 0, ..., N - 1, float64 (N, n)."""
        replica = _REPLICAS[parameter] + _CHOICE
        levels = np.cumsum(self.weights)
        u = uniforms(seed, INITIAL, 0, neurons, 1, replica)[:, 0]
        chosen = np.searchsorted(levels[:-1], u * levels[-1], side="right")
        drawn = np.empty((neurons, dimension))
        for index, component in enumerate(self.components):
            rows = chosen == index
            drawn[rows] = component.draw(seed, neurons, dimension, parameter)[rows]
        return drawn


def _normals(seed: int, neurons: int, dimension: int, parameter: Parameter) -> Floats:
    replica = _REPLICAS[parameter]
    return normals(seed, INITIAL, 0, neurons, dimension, replica).astype(np.float64)


@dataclass(frozen=True)
class Initial:
    """Where SGD starts: independent neurons with independent parameters.

    Args:
        w: law of the weights on R^d.
        a: law of the output weight on R, for neurons that have one.
        b: law of the offset on R, for neurons that have one.

    Raises:
        ValueError: if only one of a and b is given.
    """

    w: ParameterLaw
    a: ParameterLaw | None = None
    b: ParameterLaw | None = None

    def __post_init__(self) -> None:
        if (self.a is None) != (self.b is None):
            raise ValueError("expected laws of both a and b, or of neither")

    def parameters(self, dimension: int) -> int:
        """Return D, the number of parameters of a neuron with d inputs."""
        return dimension if self.a is None else dimension + 2

    def draw(self, seed: int, neurons: int, dimension: int) -> Floats:
        """Draw the parameters of neurons 0, ..., N - 1.

        Args:
            seed: integer in [0, 2^64).
            neurons: N.
            dimension: d.

        Returns:
            theta, float64 (N, D): the columns w_1 ... w_d, after a and b if they have laws.
        """
        w = self.w.draw(seed, neurons, dimension, "w")
        if self.a is None or self.b is None:
            return w
        first = [self.a.draw(seed, neurons, 1, "a"), self.b.draw(seed, neurons, 1, "b")]
        return np.concatenate([*first, w], axis=1)


_KINDS: dict[str, type[Gaussian] | type[Sphere] | type[Uniform] | type[Point]] = {
    "gaussian": Gaussian,
    "sphere": Sphere,
    "uniform": Uniform,
    "point": Point,
}


def make_initial(settings: Mapping[str, Any]) -> Initial:
    """Build an initial measure from its settings.

    Args:
        settings: the law of w, as ``kind`` and its arguments; or ``kind`` ("product") and the laws
            ``a``, ``b`` and ``w``.

    Returns:
        The initial measure.

    Raises:
        ValueError: if a kind or an argument is unknown, missing or out of range.
    """
    if settings.get("kind") != "product":
        return Initial(w=make_parameter_law(settings))
    if set(settings) != {"kind", "a", "b", "w"}:
        raise ValueError(f"initial measure 'product' takes ['a', 'b', 'w'], got {sorted(settings)}")
    return Initial(**{name: make_parameter_law(settings[name]) for name in ("a", "b", "w")})


def make_parameter_law(settings: Mapping[str, Any]) -> ParameterLaw:
    """Build the law of one parameter from its settings.

    Args:
        settings: ``kind`` and the arguments of that kind.

    Returns:
        The law.

    Raises:
        ValueError: if a kind or an argument is unknown, missing or out of range.
    """
    arguments = dict(settings)
    kind = arguments.pop("kind", None)
    if kind == "mixture" and set(arguments) == {"weights", "components"}:
        components = tuple(make_parameter_law(each) for each in arguments["components"])
        return Mixture(tuple(arguments["weights"]), components)
    known = {each: set(law.__annotations__) for each, law in _KINDS.items()}
    known["mixture"] = {"weights", "components"}
    if kind not in known:
        raise ValueError(f"unknown initial measure {kind!r}, expected one of {', '.join(known)}")
    if set(arguments) != known[kind]:
        raise ValueError(
            f"initial measure {kind!r} takes {sorted(known[kind])}, got {sorted(arguments)}"
        )
    return _KINDS[kind](**arguments)
