"""Minimise the risk over all measures, and over single spheres: what DD could reach at best.

In: settings of law, neuron and statics.
Out: NetCDF. For the certified minimum risk_min, gap, omega(atom, invariant) (inf is a place),
mass(atom) and, where known, width_coefficient; for the best point mass sphere_risk,
sphere_radius(invariant) and sphere_margin (Lemma 1: it is the minimum iff >= 0). For a radius alone
potential(radius) and sphere_potential(radius), those at infinity, and, if the law has a delta, the
thresholds delta_low, delta_high and delta_stable in it. With `statics.deltas` all but the
thresholds have a dimension delta; atoms that a measure does not have are NaN.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from meanfield.domain import Domain, make_domain
from meanfield.functionals import potential
from meanfield.laws import Law, make_law
from meanfield.measure import Measure
from meanfield.neurons import Neuron, make_neuron
from meanfield.point_mass import PointMass, best_point, sphere_thresholds
from meanfield.problem import Problem, make_problem
from meanfield.search import on_grid
from meanfield.stage import LOG, run_stage
from meanfield.statics import Minimum, minimize_risk
from meanfield.store import Origin, write
from meanfield.width import width_coefficients

RADII = np.linspace(0.0, 10.0, 1001)
"""Where potentials are stored; the same for all points of a sweep."""

QUADRATURE_ERROR = 1e-5
"""Error of the minimum from which on the quadrature over the data is reported as too coarse."""


class Solved(NamedTuple):
    """The statics of one problem."""

    minimum: Minimum
    sphere: PointMass
    data: dict[str, Any]


def main(*, settings: Mapping[str, Any], origin: Origin, statics: str | Path) -> None:
    """Minimise at every Delta that is asked for, and store the minima."""
    started = perf_counter()
    chosen, neuron = settings["statics"], make_neuron(settings["neuron"])

    def law_at(delta: float | None) -> Law:
        return make_law(settings["law"] | ({} if delta is None else {"delta": delta}))

    def problem_at(delta: float | None) -> Problem:
        return make_problem(law_at(delta), neuron, chosen["nodes"])

    steps = chosen["deltas"]
    deltas = [None] if steps is None else list(np.linspace(*(steps[key] for key in steps)))
    first = problem_at(deltas[0])
    names = list(first.invariant_names)
    domain = make_domain(names, chosen["box"], chosen["grid"], chosen["scale"])
    solved: list[Solved] = []
    for delta in deltas:
        problem = problem_at(delta)
        solved.append(_solve(problem, domain, chosen["tolerance"]))
        _add_width(solved[-1], problem, law_at(delta), neuron)
    dataset = _gathered([each.data for each in solved], deltas).assign_coords(invariant=names)
    if names == ["r"]:
        dataset = dataset.assign_coords(radius=RADII)
        if steps is not None or "delta" in settings["law"]:
            dataset = dataset.assign(_thresholds(problem_at, domain))

    _report(solved, chosen["tolerance"])
    finer = make_problem(law_at(deltas[-1]), neuron, 2 * chosen["nodes"])
    check = minimize_risk(on_grid(finer, domain), chosen["tolerance"]).risk
    if (error := abs(check - solved[-1].minimum.risk)) > QUADRATURE_ERROR:
        LOG.warning(
            "the quadrature over the data is too coarse: with twice the nodes the minimum differs "
            "by %.1g; raise statics.nodes, now %d",
            error,
            chosen["nodes"],
        )
    write(dataset, statics, title="Minimum of the risk over all measures", origin=origin,
          backend="numpy")  # fmt: skip
    LOG.info(
        "minimised %d time(s) in %.2f s into %s", len(deltas), perf_counter() - started, statics
    )


def _solve(problem: Problem, domain: Domain, tolerance: float) -> Solved:
    search = on_grid(problem, domain)
    minimum, sphere = minimize_risk(search, tolerance), best_point(search)
    data: dict[str, Any] = {
        "risk_min": minimum.risk,
        "gap": minimum.gap,
        "omega": (("atom", "invariant"), minimum.measure.omega),
        "mass": ("atom", minimum.measure.mass),
        "sphere_risk": sphere.risk,
        "sphere_radius": ("invariant", sphere.omega),
        "sphere_margin": sphere.margin,
    }
    if len(domain.axes) == 1:
        point = Measure(sphere.omega[np.newaxis], np.ones(1))
        for name, measure in (("potential", minimum.measure), ("sphere_potential", point)):
            data[name] = ("radius", potential(problem, measure, RADII[:, np.newaxis]))
            if domain.unbounded.all():
                data[f"{name}_infinity"] = potential(problem, measure, np.array([[np.inf]]))[0]
    return Solved(minimum, sphere, data)


def _add_width(solved: Solved, problem: Problem, law: Law, neuron: Neuron) -> None:
    """Add K, of which inf R_N <= inf R + K / N, where its closed form is known."""
    try:
        coefficients = width_coefficients(problem, solved.minimum.measure, law, neuron)
    except ValueError:
        return
    solved.data["width_coefficient"] = coefficients.total


def _thresholds(make: Callable[[float], Problem], domain: Domain) -> dict[str, float]:
    low, high, stable = sphere_thresholds(make, domain)
    return {"delta_low": low, "delta_high": high, "delta_stable": stable}


def _gathered(each: list[dict[str, Any]], deltas: list[float | None]) -> xr.Dataset:
    """Return one data set, along delta if there are several; missing atoms are NaN."""
    datasets = [xr.Dataset(data) for data in each]
    if deltas == [None]:
        return datasets[0]
    counted = [data.assign_coords(atom=np.arange(data.sizes["atom"])) for data in datasets]
    axis = xr.IndexVariable("delta", np.array(deltas, dtype=float))
    return xr.concat(counted, dim=axis, join="outer", data_vars="all").drop_vars("atom")


def _report(solved: list[Solved], tolerance: float) -> None:
    gap = max(each.minimum.gap for each in solved)
    if gap > tolerance:
        LOG.warning(
            "a minimum is certified to %.1g only, beyond statics.tolerance = %g; raise "
            "statics.grid or the tolerance",
            gap,
            tolerance,
        )
    LOG.info(
        "minimum of the risk from %.6g to %.6g, certified to %.1g; at most %d atoms",
        solved[0].minimum.risk,
        solved[-1].minimum.risk,
        gap,
        max(len(each.minimum.measure.mass) for each in solved),
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
