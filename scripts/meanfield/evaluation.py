"""The risk of a finite network: measured on a test set, and split into its two parts."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.polynomial.chebyshev import chebpts1, chebvander
from numpy.typing import NDArray

from meanfield.functionals import risk as reduced_risk
from meanfield.measure import Measure
from meanfield.problem import Problem
from meanfield.risk_estimate import RiskEstimate

Floats = NDArray[np.float64]

INTERPOLATION_DEGREES = {1: 96, 2: 20}
"""Degree in each invariant of the interpolated f(s), by their number; the error is far below that
of any test set (tested)."""


class Interpolation:
    """Smooth functions of the data invariants s of a sample, between Chebyshev points.

    The points are those of the box that holds s: a few hundred at most, where a function is to be
    known, instead of thousands of samples. What belongs to the sample alone is computed once.

    Args:
        invariants: s, shape (n, m).

    Attributes:
        points: of the box, shape (p, m).

    Raises:
        ValueError: if m is not 1 or 2.
    """

    def __init__(self, invariants: Floats) -> None:
        axes = invariants.shape[1]
        if axes not in INTERPOLATION_DEGREES:
            raise ValueError(f"expected s of shape (n, 1) or (n, 2), got {invariants.shape}")
        degree = INTERPOLATION_DEGREES[axes]
        low, high = invariants.min(axis=0), invariants.max(axis=0)
        middle, half = (low + high) / 2, np.maximum((high - low) / 2, np.finfo(float).tiny)
        points = chebpts1(degree + 1)
        grid = np.stack(np.meshgrid(*[points] * axes, indexing="ij"), axis=-1).reshape(-1, axes)
        self.points = middle + half * grid
        # Rows: the coefficients of the interpolant's polynomials in terms of its values.
        transform = np.linalg.inv(chebvander(points, degree))
        self._bases = [
            chebvander(each, degree) @ transform for each in ((invariants - middle) / half).T
        ]

    def __call__(self, values: Floats) -> Floats:
        """Return a function at the samples, shape (n,), from its values at the points, (p,)."""
        first = self._bases[0]
        if len(self._bases) == 1:
            return np.asarray(first @ values)
        return np.sum((first @ values.reshape(first.shape[1], -1)) * self._bases[1], axis=1)


@dataclass(frozen=True, eq=False)
class TestSet:
    """A sample of the data law.

    Attributes:
        x: inputs, shape (n, d).
        y: labels, shape (n,).
        invariants: invariants s of the inputs, shape (n, m); None where no reduction is known.
    """

    __test__: ClassVar[bool] = False  # for pytest, which takes the name for a test's

    x: NDArray[np.float32]
    y: Floats
    invariants: Floats | None

    @cached_property
    def interpolation(self) -> Interpolation | None:
        """What gives smooth functions of the invariants on the sample."""
        return None if self.invariants is None else Interpolation(self.invariants)

    @property
    def nbytes(self) -> int:
        """Memory of the sample, with what is computed once."""
        arrays = self.x.nbytes + self.y.nbytes
        if self.invariants is None:
            return arrays
        axes = self.invariants.shape[1]
        bases = 8 * axes * len(self.y) * (INTERPOLATION_DEGREES[axes] + 1)
        return arrays + self.invariants.nbytes + bases


def estimate_risk(
    output: Floats, omega: Floats, test_set: TestSet, problem: Problem | None
) -> RiskEstimate:
    """Return the risk of a network, and its split.

    With f(s) = E[yhat | s, y], the mean output at data invariants s,
        R_N = E (y - f)^2 + E (yhat - f)^2.
    The first part is a quadrature; the second is estimated by the mean of (yhat - f)^2 over the
    test set, whose error is far smaller than that of the risk itself.

    Args:
        output: yhat on the test set, shape (n,).
        omega: invariants of the network's neurons, shape (N, k).
        test_set: sample of the data law.
        problem: the reduced problem, for f and the quadrature; without one the parts are NaN.

    Returns:
        The risk and its parts.
    """
    loss = (test_set.y - output) ** 2
    risk, stderr = float(loss.mean()), _standard_error(loss)
    if problem is None or test_set.interpolation is None:
        return RiskEstimate(risk, stderr, np.nan, np.nan, np.nan)
    measure = Measure(omega, np.full(len(omega), 1 / len(omega)))
    excess = (output - reduced_network(problem, measure, test_set.interpolation)) ** 2
    return RiskEstimate(
        risk=risk,
        risk_stderr=stderr,
        reduced_risk=float(reduced_risk(problem, measure)),
        fluctuation=float(excess.mean()),
        fluctuation_stderr=_standard_error(excess),
    )


def reduced_network(problem: Problem, measure: Measure, interpolation: Interpolation) -> Floats:
    """Return f(s) = int phi(omega; s) d rho at the data invariants of a sample, shape (n,).

    f is a smooth function of one variable or two, so it is interpolated.
    """
    return interpolation(measure.mass @ problem.features_at(measure.omega, interpolation.points))


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
