"""Data laws P on (x, y): what defines them, and their invariants where they have symmetries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meanfield.activations import Activation, make_activation
from meanfield.data_files import read_data
from meanfield.python_law import PythonLaw
from meanfield.quadrature import chi

Floats = NDArray[np.float64]


class Nodes(NamedTuple):
    """A quadrature of a data law over labels y_q and invariants s_q with weights pi_q."""

    labels: Floats
    weights: Floats
    invariants: Floats


@dataclass(frozen=True)
class IsotropicGaussians:
    """Two centered Gaussians: y = +1 or -1 with probability 1/2, x | y ~ N(0, (1 + y Delta)^2 I_d).

    Args:
        dimension: d >= 1.
        delta: Delta in [0, 1), the separation of the two scales.

    Raises:
        ValueError: if the dimension or delta is out of range.

    Source: Mei, Montanari and Nguyen (2018), isotropic Gaussians.
    """

    dimension: int
    delta: float

    def __post_init__(self) -> None:
        _check_dimension(self.dimension)
        _check_delta(self.delta)

    def scale(self, label: ArrayLike) -> Floats:
        """Return the standard deviation tau_y = 1 + y Delta of x given y, elementwise."""
        return 1.0 + np.asarray(label, dtype=np.float64) * self.delta

    def invariants(self, x: NDArray[Any]) -> Floats:
        """Return the invariants s = ||x|| of inputs x of shape (n, d), in float64, shape (n, 1)."""
        inputs = np.asarray(x, dtype=np.float64)
        return np.asarray(np.linalg.norm(inputs, axis=-1, keepdims=True), dtype=np.float64)

    def nodes(self, count: int) -> Nodes:
        """Quadrature over y and s = tau_y chi_d, exact in y.

        Args:
            count: Gauss nodes of chi_d for each of the two labels.

        Returns:
            Labels (Q,), weights (Q,) summing to 1 and invariants (Q, 1), with Q = 2 count.
        """
        radius, weights = chi(self.dimension, count)
        labels = np.repeat([1.0, -1.0], count)
        norms = self.scale(labels) * np.tile(radius, 2)
        return Nodes(labels, np.tile(weights / 2, 2), norms[:, np.newaxis])

    @property
    def spheres(self) -> tuple[int]:
        """Dimensions of the spaces in whose spheres x is uniform, given its invariants."""
        return (self.dimension,)

    def limit_nodes(self) -> Nodes:
        """Return the law of y and s / sqrt(d) as d tends to infinity: two nodes, s = tau_y."""
        labels = np.array([1.0, -1.0])
        return Nodes(labels, np.full(2, 0.5), self.scale(labels)[:, np.newaxis])


@dataclass(frozen=True)
class AnisotropicGaussians:
    """Two centered Gaussians that differ in a subspace V only, the first s_0 coordinates.

    y = +1 or -1 with probability 1/2, x | y ~ N(0, I_d + ((1 + y Delta)^2 - 1) P_V).

    Args:
        dimension: d >= 2.
        informative: s_0 = dim V, 1 <= s_0 < d.
        delta: Delta in [0, 1), the separation of the two scales.

    Raises:
        ValueError: if an argument is out of range.

    Source: Mei, Montanari and Nguyen (2018), anisotropic Gaussians.
    """

    dimension: int
    informative: int
    delta: float

    def __post_init__(self) -> None:
        _check_dimension(self.dimension)
        _check_delta(self.delta)
        if self.informative != int(self.informative) or not 1 <= self.informative < self.dimension:
            raise ValueError(
                "informative must be a whole number, 1 <= informative < dimension = "
                f"{self.dimension}, got {self.informative!r}"
            )

    def scale(self, label: ArrayLike) -> Floats:
        """Return the standard deviation 1 + y Delta of the coordinates in V, elementwise."""
        return 1.0 + np.asarray(label, dtype=np.float64) * self.delta

    def invariants(self, x: NDArray[Any]) -> Floats:
        """Return s = (||P_V x||, ||x - P_V x||) of inputs (n, d), in float64, shape (n, 2)."""
        inputs = np.asarray(x, dtype=np.float64)
        parts = inputs[..., : self.informative], inputs[..., self.informative :]
        return np.stack([np.linalg.norm(part, axis=-1) for part in parts], axis=-1)

    def nodes(self, count: int) -> Nodes:
        """Quadrature over y, s_1 = tau_y chi_{s_0} and s_2 = chi_{d - s_0}, exact in y.

        Args:
            count: Gauss nodes of each chi variable, for each of the two labels.

        Returns:
            Labels (Q,), weights (Q,) summing to 1 and invariants (Q, 2), with Q = 2 count^2.
        """
        inside, outside = (chi(dimension, count) for dimension in self.spheres)
        labels = np.repeat([1.0, -1.0], count**2)
        first = self.scale(labels) * np.tile(np.repeat(inside.nodes, count), 2)
        second = np.tile(outside.nodes, 2 * count)
        weights = np.tile(np.outer(inside.weights, outside.weights).ravel() / 2, 2)
        return Nodes(labels, weights, np.stack([first, second], axis=-1))

    @property
    def spheres(self) -> tuple[int, int]:
        """Dimensions s_0 and d - s_0 of the spaces in whose spheres the parts of x are uniform."""
        return self.informative, self.dimension - self.informative

    def limit_nodes(self) -> Nodes:
        """Return the law of y, s_1 / sqrt(s_0) and s_2 / sqrt(d - s_0) as d tends to infinity.

        The ratio s_0 / d is fixed; two nodes, s = (tau_y, 1).
        """
        labels = np.array([1.0, -1.0])
        invariants = np.stack([self.scale(labels), np.ones(2)], axis=-1)
        return Nodes(labels, np.full(2, 0.5), invariants)


@dataclass(frozen=True)
class GaussianTeacher:
    """Gaussian inputs, and labels that depend on the first J coordinates of them.

        x ~ N(0, I_d),    y = sum_j c_j sigma(x_j) + noise * g,    g ~ N(0, 1)

    One coefficient is a single-index teacher, several a multi-index one.

    Args:
        dimension: d >= 1.
        link: sigma, an activation.
        coefficients: c_1, ..., c_J, 1 <= J <= d.
        noise: standard deviation of the label noise, >= 0.

    Raises:
        ValueError: if an argument is out of range.
    """

    dimension: int
    link: Activation
    coefficients: tuple[float, ...]
    noise: float = 0.0

    def __post_init__(self) -> None:
        _check_dimension(self.dimension)
        object.__setattr__(self, "coefficients", tuple(float(c) for c in self.coefficients))
        if not 1 <= len(self.coefficients) <= self.dimension:
            raise ValueError(
                f"a teacher needs 1 to dimension = {self.dimension} coefficients, "
                f"got {len(self.coefficients)}"
            )
        if not np.all(np.isfinite(self.coefficients)):
            raise ValueError(f"coefficients must be finite, got {self.coefficients}")
        if not 0 <= self.noise < np.inf:
            raise ValueError(f"noise must be finite and >= 0, got {self.noise!r}")

    def label(
        self, x: NDArray[Any], normal: NDArray[Any], link: Callable[[Floats], Floats]
    ) -> Floats:
        """Return the labels of inputs, in float64.

        Args:
            x: the first J coordinates, or more, of inputs, shape (n, J) or wider.
            normal: g, shape (n,).
            link: evaluates sigma: this law's `link`, or the same with portable bits.

        Returns:
            Labels, shape (n,).
        """
        # Added up one by one, so that an index alone gives a label its bits.
        labels = np.zeros(len(x))
        for index, coefficient in enumerate(self.coefficients):
            labels += coefficient * link(x[:, index].astype(np.float64))
        return labels + self.noise * normal.astype(np.float64)


@dataclass(frozen=True, eq=False)
class DataSet:
    """The rows of a data set, each as likely as another: drawn with replacement.

    Args:
        x: inputs, shape (n, d), kept as float32.
        y: labels, shape (n,), kept as float64.

    Raises:
        ValueError: if the shapes do not fit together, there are no rows or too many, or a value
            is not finite.
    """

    x: NDArray[Any]
    y: NDArray[Any]

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):
            inputs = np.array(self.x, dtype=np.float32, order="C")
        labels = np.array(self.y, dtype=np.float64)
        if inputs.ndim != 2 or labels.shape != (len(inputs),) or inputs.size == 0:
            raise ValueError(
                "a data set needs inputs of shape (n, d) and labels of shape (n,), n, d >= 1, "
                f"got {inputs.shape} and {labels.shape}"
            )
        if len(inputs) >= 2**32:
            raise ValueError(f"a data set has fewer than 2^32 rows, got {len(inputs)}")
        if not (np.isfinite(inputs).all() and np.isfinite(labels).all()):
            raise ValueError("a data set needs finite numbers in float32, got others")
        for name, array in (("x", inputs), ("y", labels)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def dimension(self) -> int:
        """Number of inputs d."""
        return self.x.shape[1]


Law = IsotropicGaussians | AnisotropicGaussians | GaussianTeacher | DataSet | PythonLaw

_ARGUMENTS: dict[str, set[str]] = {
    "isotropic_gaussians": {"dimension", "delta"},
    "anisotropic_gaussians": {"dimension", "informative", "delta"},
    "gaussian_teacher": {"dimension", "link", "coefficients", "noise"},
    "data_set": {"file", "inputs", "label"},
    "python": {"file", "function", "dimension"},
}


def make_law(settings: Mapping[str, Any]) -> Law:
    """Build a data law from its settings.

    Args:
        settings: ``kind`` and the arguments of that kind; paths are relative to the working
            folder.

    Returns:
        The law.

    Raises:
        ValueError: if the kind or an argument is unknown or missing, or a file that the law needs
            cannot be used.
    """
    arguments = dict(settings)
    kind = arguments.pop("kind", None)
    if kind not in _ARGUMENTS:
        raise ValueError(f"unknown data law kind {kind!r}, expected one of {', '.join(_ARGUMENTS)}")
    if set(arguments) != _ARGUMENTS[kind]:
        raise ValueError(
            f"data law {kind!r} takes {sorted(_ARGUMENTS[kind])}, got {sorted(arguments)}"
        )
    if kind == "data_set":
        return DataSet(*read_data(arguments["file"], arguments["inputs"], arguments["label"]))
    dimension = int(arguments["dimension"])
    if kind == "python":
        return PythonLaw(arguments["file"], arguments["function"], dimension)
    if kind == "gaussian_teacher":
        return GaussianTeacher(
            dimension,
            make_activation(arguments["link"]),
            tuple(arguments["coefficients"]),
            float(arguments["noise"]),
        )
    delta = float(arguments["delta"])
    if kind == "anisotropic_gaussians":
        return AnisotropicGaussians(dimension, int(arguments["informative"]), delta)
    return IsotropicGaussians(dimension, delta)


def _check_dimension(dimension: int) -> None:
    if dimension != int(dimension) or dimension < 1:
        raise ValueError(f"dimension must be a whole number >= 1, got {dimension!r}")


def _check_delta(delta: float) -> None:
    if not 0 <= delta < 1:
        raise ValueError(f"delta must lie in [0, 1), got {delta!r}")
