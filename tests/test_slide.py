"""Masses by least squares on the simplex, against general solvers; sliding atoms."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

from meanfield.domain import make_domain
from meanfield.search import on_grid
from meanfield.slide import least_squares_masses, slide, with_masses
from statics_problems import anisotropic, isotropic


def project(p: np.ndarray) -> np.ndarray:
    """Nearest point of the simplex."""
    ordered = np.sort(p)[::-1]
    excess = (np.cumsum(ordered) - 1) / np.arange(1, len(p) + 1)
    return np.maximum(p - excess[np.flatnonzero(ordered > excess)[-1]], 0.0)


@pytest.mark.parametrize("delta", [0.1, 0.5, 0.8])
def test_masses_on_a_coarse_grid_agree_with_two_general_solvers(delta: float) -> None:
    search = on_grid(isotropic(delta), make_domain(("r",), points=25))
    features, target = search.grid, search.target
    gram, pull = features @ features.T, features @ target

    def risk(p: np.ndarray) -> float:
        return float(np.sum((target - p @ features) ** 2))

    mass = least_squares_masses(features, target)
    assert mass.min() >= 0
    assert mass.sum() == pytest.approx(1, abs=1e-14)
    start = np.full(len(features), 1 / len(features))
    quadratic: dict[str, Any] = {
        "jac": lambda p: 2 * (gram @ p - pull),
        "bounds": [(0, 1)] * len(start),
        "constraints": LinearConstraint(np.ones(len(start)), 1, 1),
        "options": {"ftol": 1e-14, "maxiter": 1000},
    }
    by_programming = minimize(risk, start, method="SLSQP", **quadratic)
    assert risk(mass) == pytest.approx(by_programming.fun, abs=1e-9)
    # Accelerated projected gradient, which knows no active sets.
    p, ahead = start, start
    length = 1 / np.linalg.norm(gram, 2)
    for step in range(1, 20_001):
        new = project(ahead - length * (gram @ ahead - pull))
        ahead, p = new + (step - 1) / (step + 2) * (new - p), new
    assert risk(mass) <= risk(p) + 1e-14
    assert risk(mass) == pytest.approx(risk(p), abs=1e-6)


def test_masses_on_repeated_and_on_exact_features() -> None:
    features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(
        least_squares_masses(features, np.array([0.25, 0.75])) @ features, [0.25, 0.75], atol=1e-14
    )


def test_sliding_lowers_the_risk_to_a_stationary_point() -> None:
    search = on_grid(anisotropic(0.6), make_domain(("r1", "r2"), points=12))
    u = np.array([[0.45, 0.2], [0.8, 0.7], [1.0, 1.0]])
    _, _, before = with_masses(search, u)
    atoms = slide(search, u)
    residual = search.residual(atoms)
    assert residual @ residual < before - 1e-4
    pull = search.gradients(atoms.u)[1] @ residual
    inside = (atoms.u > 0) & (atoms.u < 1)
    assert np.abs(pull[inside]).max() < 1e-7
    assert np.all(pull[atoms.u == 0] <= 1e-7)  # held at the end, pushed outward
    levels = search.features(atoms.u) @ residual
    assert np.ptp(levels) < 1e-10


def test_curvatures_by_differences_of_values() -> None:
    search = on_grid(anisotropic(0.6), make_domain(("r1", "r2"), points=12))
    u, step = np.array([[0.5, 0.3]]), 1e-3
    residual = search.target - search.features(np.array([[0.7, 0.1]]))[0]

    def psi(i: int, j: int) -> float:
        return -float(search.features(u + step * np.array([[i, j]]))[0] @ residual)

    numerical = np.array(
        [
            [psi(1, 0) + psi(-1, 0) - 2 * psi(0, 0), (psi(1, 1) - psi(1, -1)) / 2],
            [(psi(-1, -1) - psi(-1, 1)) / 2, psi(0, 1) + psi(0, -1) - 2 * psi(0, 0)],
        ]
    )
    numerical[0, 1] = numerical[1, 0] = (psi(1, 1) + psi(-1, -1) - psi(1, -1) - psi(-1, 1)) / 4
    np.testing.assert_allclose(
        search.curvatures(u, residual)[0], numerical / step**2, rtol=2e-4, atol=1e-3
    )
