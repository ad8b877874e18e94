"""Initial measures against draws of the neurons, for every kind of start and data law."""

from typing import Any

import numpy as np
import pytest

from meanfield.initial import make_initial
from meanfield.initial_measure import initial_measure
from meanfield.invariants import invariants
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.measure import gaussian_radii
from meanfield.neurons import make_neuron

ISOTROPIC = IsotropicGaussians(7, 0.5)
ANISOTROPIC = AnisotropicGaussians(9, 3, 0.5)
GAUSSIAN = {"kind": "gaussian", "scale": 0.8}
SPHERE = {"kind": "sphere", "radius": 1.3}
POINT = {"kind": "point", "value": -0.2}
UNIFORM = {"kind": "uniform", "low": -0.5, "high": 1.5}
MIXTURE = {"kind": "mixture", "weights": [1, 2, 1], "components": [GAUSSIAN, SPHERE, POINT]}
TWO_SCALES = {
    "kind": "mixture",
    "weights": [3, 1],
    "components": [GAUSSIAN, {"kind": "gaussian", "scale": 0.1}],
}
MIXED = {"kind": "mixture", "weights": [1, 1, 2], "components": [GAUSSIAN, UNIFORM, POINT]}
WEIGHTS = [GAUSSIAN, SPHERE, POINT, MIXTURE, TWO_SCALES]
NEURONS = 20_000


def product(a: Any, b: Any, w: Any) -> dict[str, Any]:
    return {"kind": "product", "a": a, "b": b, "w": w}


def moments(omega: np.ndarray) -> np.ndarray:
    """Return functions of the coordinates whose means are compared, (..., n)."""
    columns = [omega, omega**2, np.sin(3 * omega), np.exp(-(omega**2))]
    columns += [np.prod(omega, axis=1, keepdims=True), np.prod(omega, axis=1, keepdims=True) ** 2]
    return np.concatenate(columns, axis=1)


@pytest.mark.parametrize(
    ("initial", "law", "atoms"),
    [(w, ISOTROPIC, 40) for w in WEIGHTS]
    + [(w, ANISOTROPIC, [20, 20]) for w in (GAUSSIAN, MIXTURE, TWO_SCALES)]
    + [(SPHERE, ANISOTROPIC, 40), (POINT, ANISOTROPIC, 1)]
    + [
        (product(GAUSSIAN, POINT, GAUSSIAN), ISOTROPIC, [20, 20]),
        (product(SPHERE, UNIFORM, TWO_SCALES), ISOTROPIC, [20, 20]),
        (product(POINT, POINT, GAUSSIAN), ANISOTROPIC, [12, 12]),
        (product(MIXED, SPHERE, SPHERE), ANISOTROPIC, [20, 20]),
    ],
)
def test_means_are_those_of_drawn_neurons(initial: Any, law: Any, atoms: Any) -> None:
    kind = "relu" if initial["kind"] == "product" else "ridge"
    settings = {"kind": kind} | ({"activation": {"kind": "relu"}} if kind == "ridge" else {})
    theta = make_initial(initial).draw(5, NEURONS, law.dimension)
    drawn = moments(invariants(law, make_neuron(settings), theta))
    measure, levels = initial_measure(initial, law, atoms)
    found = measure.mass @ moments(measure.omega)
    error = drawn.std(axis=0) / np.sqrt(NEURONS)
    assert np.all(np.abs(found - drawn.mean(axis=0)) < 4.5 * error + 1e-6)
    assert (levels is not None) == (measure.omega.shape[1] == 1)


@pytest.mark.parametrize("initial", WEIGHTS)
def test_on_a_line_atoms_are_the_quantile_function(initial: Any) -> None:
    """At least the share u of the radii drawn is at or below r(u), and at most u is below it."""
    theta = make_initial(initial).draw(5, NEURONS, ISOTROPIC.dimension)
    radii = np.linalg.norm(theta, axis=1)
    measure, levels = initial_measure(initial, ISOTROPIC, 30)
    assert levels is not None
    assert np.all(np.diff(levels) > 0)
    assert 0 < levels[0] < levels[-1] < 1
    values = measure.omega[:, 0]
    assert np.all(np.diff(values) >= 0)
    at = np.mean(radii <= values[:, None] * (1 + 1e-6), axis=1)
    below = np.mean(radii < values[:, None] * (1 - 1e-6), axis=1)
    assert np.all(at > levels - 0.02)
    assert np.all(below < levels + 0.02)


def test_a_gaussian_start_is_the_one_of_figure_1() -> None:
    ours, theirs = initial_measure(GAUSSIAN, ISOTROPIC, 50), gaussian_radii(7, 0.8, 50)
    np.testing.assert_allclose(ours.measure.omega, theirs.measure.omega, rtol=1e-13)
    np.testing.assert_array_equal(ours.measure.mass, theirs.measure.mass)
    np.testing.assert_array_equal(ours.levels, theirs.levels)


@pytest.mark.parametrize("initial", [GAUSSIAN, SPHERE, POINT])
def test_infinite_dimension_is_the_root_mean_square(initial: Any) -> None:
    for law, atoms in ((ISOTROPIC, 200), (ANISOTROPIC, [60, 60])):
        axes = 0 if initial is POINT else 1 if law is ISOTROPIC or initial is SPHERE else 2
        finite = initial_measure(initial, law, atoms if axes == 2 else 200).measure
        limit = initial_measure(initial, law, 1, infinite=True).measure
        assert np.ptp(limit.omega, axis=0) == pytest.approx(0)
        squares = finite.mass @ finite.omega**2
        np.testing.assert_allclose(limit.omega[0] ** 2, squares, rtol=1e-3)


def test_uniform_weights_have_no_law_of_the_radii() -> None:
    with pytest.raises(ValueError, match="'uniform' of the weights w has no law of the radii"):
        initial_measure(UNIFORM, ISOTROPIC, 10)


@pytest.mark.parametrize("atoms", [10, [10], [10, 10, 10], []])
def test_numbers_of_points_must_fit_what_is_spread_out(atoms: Any) -> None:
    with pytest.raises(ValueError, match=r"spread out at the start.*r1, r2"):
        initial_measure(product(POINT, POINT, GAUSSIAN), ANISOTROPIC, atoms)
