"""Other ways to solve the same limits: NumPy with SciPy's integrators, and PyTorch with autograd.

All solve the same discrete problem: the same atoms and quadrature nodes. None uses compiled code of
this project.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from benchmarks.flow_cases import Case
from meanfield.bent_mean import BentMean
from meanfield.problem import Problem
from meanfield.ridge_problem import IsotropicRidge
from meanfield.sphere_problem import SphereProblem

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats], tuple[Floats, Floats]]
"""omega (J, k) -> features (J, Q) and gradients (J, Q, k)."""


class Solution(NamedTuple):
    """Risks at the output times, and evaluations of the velocity."""

    risk: Floats
    calls: int


class TooLongError(RuntimeError):
    """A solver needed more evaluations than it was given."""


def plain_numpy(problem: Problem) -> Evaluate:
    """Return features and gradients in NumPy, from the tables."""
    if isinstance(problem, IsotropicRidge):
        mean, norms = problem.mean, problem.norms[:, None]

        def one_radius(omega: Floats) -> tuple[Floats, Floats]:
            value, slope = mean.value_and_slope(norms * np.abs(omega[:, 0]))
            return value.T, (slope * norms * np.where(omega[:, 0] < 0, -1, 1)).T[:, :, None]

        return one_radius
    if isinstance(problem, SphereProblem) and isinstance(problem.mean, BentMean):
        spheres, orbit = problem, problem.mean
        return lambda omega: orbit.plain(spheres.take_apart(omega), spheres.scales)
    raise ValueError(f"no plain version is known of {problem}")


def scipy_flow(case: Case, method: str, tolerance: float, *, most_calls: int = 10**6) -> Solution:
    """Solve a case by solve_ivp over plain NumPy.

    Raises:
        TooLongError: it needs more than `most_calls` evaluations.
    """
    problem, start = case.problem(), case.start()
    evaluate = plain_numpy(problem)
    calls = 0

    def rate(time: float, flat: Floats) -> Floats:
        nonlocal calls
        calls += 1
        if calls > most_calls:
            raise TooLongError(f"t = {time:.3g} after {most_calls} evaluations")
        features, gradients = evaluate(flat.reshape(start.omega.shape))
        force = problem.weights * (problem.labels - start.mass @ features)
        return np.asarray(2 * np.einsum("jqk,q->jk", gradients, force).ravel())

    times = case.times
    solve: Any = solve_ivp
    found = solve(
        rate, (0, times[-1]), start.omega.ravel(), method, times, rtol=tolerance, atol=tolerance
    )
    risks = []
    for flat in found.y.T:
        residual = problem.labels - start.mass @ evaluate(flat.reshape(start.omega.shape))[0]
        risks.append(problem.weights @ residual**2)
    return Solution(np.array(risks), calls)


def torch_flow(case: Case, steps: int) -> Solution:
    """Solve a case of one radius by steps of RK4, the velocity from autograd of the risk."""
    problem, start = case.problem(), case.start()
    if not isinstance(problem, IsotropicRidge):
        raise ValueError("PyTorch's version knows one radius only")
    mean = problem.mean
    table = torch.from_numpy(np.ascontiguousarray(mean.coefficients))
    norms, labels, weights = map(torch.from_numpy, (problem.norms, problem.labels, problem.weights))
    mass, radii = torch.from_numpy(start.mass), torch.from_numpy(start.omega[:, 0].copy())
    cells, scale, calls = mean.cells, mean.scale, 0

    def risk_of(r: torch.Tensor) -> torch.Tensor:
        z = norms[:, None] * r.abs()
        position = cells * scale / (scale + z)
        index = position.detach().long()
        t = position - index
        c0, c1, c2, c3 = table[:, index]
        features = ((c3 * t + c2) * t + c1) * t + c0 + mean.growth * z
        return weights @ (labels - features @ mass) ** 2

    def velocity(r: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        r = r.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(risk_of(r), r)
        return -gradient / mass

    times, risks = case.times, []
    # Steps end at output times; each interval gets its share of them, at least one.
    for before, after in zip(np.r_[0.0, times[:-1]], times, strict=True):
        count = max(1, round(steps * (after - before) / times[-1])) if after > before else 0
        for _ in range(count):
            h = (after - before) / count
            k1 = velocity(radii)
            k2 = velocity(radii + h / 2 * k1)
            k3 = velocity(radii + h / 2 * k2)
            k4 = velocity(radii + h * k3)
            radii = radii + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        with torch.no_grad():
            risks.append(float(risk_of(radii)))
    return Solution(np.array(risks), calls)


def coarsest(
    solve: Callable[[Any], Solution], settings: list[Any], exact: Floats, error: float
) -> tuple[Any, Solution] | None:
    """Return the first setting, from coarse to fine, whose risk errs by no more than `error`."""
    for setting in settings:
        try:
            found = solve(setting)
        except TooLongError:
            return None
        if found.risk.shape == exact.shape and np.max(np.abs(found.risk - exact)) <= error:
            return setting, found
    return None
