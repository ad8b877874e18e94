"""The stage stores minima and spheres, at one Delta or along a list, and tells what is coarse."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from aggregate_runs import by_point
from meanfield.domain import make_domain
from meanfield.functionals import potential, risk
from meanfield.laws import IsotropicGaussians, make_law
from meanfield.measure import Measure
from meanfield.neurons import make_neuron
from meanfield.problem import make_problem
from meanfield.search import on_grid
from meanfield.statics import minimize_risk
from meanfield.statics_results import certified_minimum
from meanfield.store import Origin, read
from minimize_risk import main
from sample_settings import STEP

SETTINGS: dict[str, Any] = {
    "law": {"kind": "isotropic_gaussians", "dimension": 40, "delta": 0.5},
    "neuron": STEP,
    "statics": {
        "dimension": "finite",
        "nodes": 16,
        "tolerance": 1e-9,
        "grid": None,
        "scale": 1.0,
        "box": {},
        "deltas": None,
    },
}


def run(path: Path, law: Any = None, neuron: Any = None, **statics: Any) -> xr.Dataset:
    settings = {
        "law": law or SETTINGS["law"],
        "neuron": neuron or SETTINGS["neuron"],
        "statics": SETTINGS["statics"] | statics,
    }
    origin = Origin("minimize_risk", "one", "base", settings, "0" * 16, "0" * 16)
    main(settings=settings, origin=origin, statics=path / "statics.nc")
    return read(path / "statics.nc")


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return run(tmp_path_factory.mktemp("single"))


def test_the_stored_measure_has_the_stored_risk_and_potential(single: xr.Dataset) -> None:
    problem = make_problem(make_law(SETTINGS["law"]), make_neuron(SETTINGS["neuron"]), 16)
    measure = Measure(single.omega.values, single.mass.values)
    assert float(single.risk_min) == pytest.approx(float(risk(problem, measure)), abs=1e-14)
    assert float(single.risk_min) == pytest.approx(0.03089, abs=5.1e-6)
    assert float(single.gap) <= 1e-9
    radii = single.radius.values[:, np.newaxis]
    np.testing.assert_allclose(single.potential, potential(problem, measure, radii), atol=1e-14)
    # Optimal: the potential is nowhere below its level on the atoms, infinity among them.
    level = float(measure.mass @ potential(problem, measure, measure.omega))
    assert float(single.potential.min()) >= level - 1e-9
    assert float(single.potential_infinity) == pytest.approx(level, abs=1e-9)


def test_the_sphere_fails_lemma_1_between_the_thresholds_and_one(single: xr.Dataset) -> None:
    assert float(single.sphere_risk) > float(single.risk_min) + 0.01
    assert float(single.sphere_margin) < 0
    assert single.sphere_radius.dims == ("invariant",)
    thresholds = [float(single[f"delta_{name}"]) for name in ("low", "high", "stable")]
    np.testing.assert_allclose(thresholds, (0.02982, 0.43101, 0.44244), atol=6e-6)
    assert single.sphere_potential.sizes == {"radius": 1001}
    assert float(single.width_coefficient) == pytest.approx(15.1, abs=0.05)


def test_a_list_of_deltas_in_one_job(single: xr.Dataset, tmp_path: Path) -> None:
    listed = run(tmp_path, deltas={"start": 0.3, "stop": 0.9, "count": 4})
    np.testing.assert_allclose(listed.delta, [0.3, 0.5, 0.7, 0.9])
    assert listed.risk_min.dims == ("delta",)
    assert listed.omega.dims == ("delta", "atom", "invariant")
    atoms = listed.mass.notnull().sum("atom").values
    assert list(atoms) == [1, 2, 3, 3]
    np.testing.assert_allclose(listed.mass.sum("atom"), 1, atol=1e-12)
    at_half = listed.isel(delta=1)
    for name in ("risk_min", "sphere_risk", "sphere_margin", "potential_infinity"):
        assert float(at_half[name]) == pytest.approx(float(single[name]), abs=1e-9)
    assert listed.delta_low.dims == ()
    assert by_point({"one": listed, "two": listed}).risk_min.dims == ("point", "delta")


def test_too_few_nodes_and_an_unreached_tolerance_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "meanfield"):
        run(tmp_path, nodes=2)
    assert "raise statics.nodes, now 2" in caplog.text


def test_a_box_bounds_the_radius(tmp_path: Path) -> None:
    bounded = run(tmp_path, box={"r": [0.0, 5.0]})
    assert float(bounded.omega.max()) == 5.0
    assert "potential_infinity" not in bounded


def test_infinite_dimension(tmp_path: Path) -> None:
    """The interval of Lemma 1 tends to [0, 0.47422]; K does not depend on the dimension."""
    limit = run(tmp_path, dimension="infinite")
    thresholds = [float(limit[f"delta_{name}"]) for name in ("low", "high", "stable")]
    np.testing.assert_allclose(thresholds, (0.0, 0.47422, 0.47422), atol=6e-6)
    # Of rank two: both labels are met at Delta = 0.5.
    assert float(limit.risk_min) == pytest.approx(0, abs=1e-9)


def test_neurons_of_several_invariants(tmp_path: Path) -> None:
    law = {"kind": "anisotropic_gaussians", "dimension": 40, "informative": 12, "delta": 0.5}
    box = {"a": [-3.0, 3.0], "b": [-1.0, 1.0], "r1": [0.0, 2.0], "r2": [0.0, 2.0]}
    found = run(
        tmp_path, law=law, neuron={"kind": "relu"}, nodes=4, grid=8, box=box, tolerance=1e-8
    )
    assert list(found.invariant) == ["a", "b", "r1", "r2"]
    assert float(found.gap) <= 1e-8
    assert float(found.risk_min) < float(found.sphere_risk)
    assert "potential" not in found
    problem = make_problem(make_law(law), make_neuron({"kind": "relu"}), 4)
    measure = Measure(found.omega.values, found.mass.values)
    assert float(found.risk_min) == pytest.approx(float(risk(problem, measure)), abs=1e-13)


def test_a_certificate_is_tried_between_the_points_of_the_grid() -> None:
    """Features that oscillate faster than the grid: a lone search takes a wrong minimum for it."""
    neuron = make_neuron({"kind": "ridge", "activation": {"kind": "cosine"}})
    problem = make_problem(IsotropicGaussians(3, 0.97), neuron, 16)
    domain = make_domain(("r",))
    alone = minimize_risk(on_grid(problem, domain))
    found = certified_minimum(on_grid(problem, domain), 1e-9)
    best = minimize_risk(on_grid(problem, make_domain(("r",), {"r": (0, 400)}))).risk
    assert alone.gap < 1e-9
    assert alone.risk > best + 1e-4
    assert found.gap <= 1e-9
    assert best - 1e-12 <= found.risk <= best + 1e-9
