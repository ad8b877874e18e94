"""The risk of a finite network: measured on a test set, and split into its two parts."""

from dataclasses import dataclass
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
    if problem is None or test_set.invariants is None:
        return RiskEstimate(risk, stderr, np.nan, np.nan, np.nan)
    measure = Measure(omega, np.full(len(omega), 1 / len(omega)))
    excess = (output - reduced_network(problem, measure, test_set.invariants)) ** 2
    return RiskEstimate(
        risk=risk,
        risk_stderr=stderr,
        reduced_risk=float(reduced_risk(problem, measure)),
        fluctuation=float(excess.mean()),
        fluctuation_stderr=_standard_error(excess),
    )


def reduced_network(problem: Problem, measure: Measure, invariants: Floats) -> Floats:
    """Return f(s) = int phi(omega; s) d rho at data invariants s of shape (n, m), shape (n,).

    f is a smooth function of one variable or two, so it is interpolated between the Chebyshev
    points of the box that holds s: a few hundred evaluations at most, instead of one for each of
    thousands of test samples.

    Raises:
        ValueError: if m is not 1 or 2.
    """
    axes = invariants.shape[1]
    if axes not in INTERPOLATION_DEGREES:
        raise ValueError(f"expected s of shape (n, 1) or (n, 2), got {invariants.shape}")
    degree = INTERPOLATION_DEGREES[axes]
    low, high = invariants.min(axis=0), invariants.max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, np.finfo(float).tiny)
    points = chebpts1(degree + 1)
    grid = np.stack(np.meshgrid(*[points] * axes, indexing="ij"), axis=-1).reshape(-1, axes)
    values = measure.mass @ problem.features_at(measure.omega, middle + half * grid)
    # Rows: the coefficients of the interpolant's polynomials in terms of its values.
    transform = np.linalg.inv(chebvander(points, degree))
    basis = [chebvander(each, degree) @ transform for each in ((invariants - middle) / half).T]
    if axes == 1:
        return np.asarray(basis[0] @ values)
    return np.sum((basis[0] @ values.reshape(degree + 1, -1)) * basis[1], axis=1)


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
