"""The statics of one problem as named variables; those along a list of Delta as one data set."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from meanfield.domain import Domain
from meanfield.functionals import potential
from meanfield.laws import Law
from meanfield.measure import Measure
from meanfield.neurons import Neuron
from meanfield.point_mass import PointMass, best_point
from meanfield.problem import Problem
from meanfield.search import Search, on_grid
from meanfield.statics import Minimum, duality_gap, minimize_risk
from meanfield.width import width_coefficients

RADII = np.linspace(0.0, 10.0, 1001)
"""Where potentials are stored; the same for all points of a sweep."""

FINER = {1: 10.0, 2: 2.0, 3: 1.5}
"""How much finer the grid is on which a certificate is tried again, by the coordinates searched."""


class Statics(NamedTuple):
    """The statics of one problem.

    Attributes:
        minimum: the measure of least risk.
        sphere: the best point mass.
        data: what is stored of them.
    """

    minimum: Minimum
    sphere: PointMass
    data: dict[str, Any]


def solve_statics(
    problem: Problem, domain: Domain, tolerance: float, law: Law, neuron: Neuron
) -> Statics:
    """Return the least risk of a problem, over all measures and over point masses.

    Args:
        problem: the problem.
        domain: where neurons may lie.
        tolerance: gap at which to stop.
        law: the data law, for the coefficient of finite width.
        neuron: the neuron, likewise.
    """
    search = on_grid(problem, domain)
    minimum, sphere = certified_minimum(search, tolerance), best_point(search)
    measure = minimum.measure
    data: dict[str, Any] = {
        "risk_min": minimum.risk,
        "gap": minimum.gap,
        "omega": (("atom", "invariant"), measure.omega),
        "mass": ("atom", measure.mass),
        "sphere_risk": sphere.risk,
        "sphere_radius": ("invariant", sphere.omega),
        "sphere_margin": sphere.margin,
    }
    if np.all(np.isfinite(measure.omega)) or np.isfinite(neuron.activation.limits).all():
        # Of which inf R_N <= inf R + K / N.
        coefficients = width_coefficients(problem, measure, law, neuron)
        data["width_coefficient"] = coefficients.total
    if problem.invariant_names == ("r",):
        point = Measure(sphere.omega[np.newaxis], np.ones(1))
        for name, each in (("potential", measure), ("sphere_potential", point)):
            data[name] = ("radius", potential(problem, each, RADII[:, np.newaxis]))
            if domain.unbounded.all():
                data[f"{name}_infinity"] = potential(problem, each, np.array([[np.inf]]))[0]
    return Statics(minimum, sphere, data)


def certified_minimum(search: Search, tolerance: float) -> Minimum:
    """Minimise the risk, with a certificate that holds on a finer grid as well.

    A potential may dip between the points of a grid. So the infimum in the gap is looked for again
    on a finer one (`FINER`); where it finds more than the tolerance allows, the minimisation goes
    on from there, on that grid, and its certificate is tried on a still finer one.
    """
    minimum, domain = minimize_risk(search, tolerance), search.domain
    for _ in range(2):
        points = int(FINER[len(domain.searched)] * (domain.points - 1)) + 1
        domain = Domain(domain.axes, points)
        fine = on_grid(search.problem, domain)
        gap = max(minimum.gap, duality_gap(fine, minimum.measure))
        if gap <= max(tolerance, minimum.gap):
            break
        better = minimize_risk(fine, tolerance, minimum.measure)
        if better.gap >= gap:
            break
        minimum, gap = better, better.gap
    return minimum._replace(gap=gap, lower_bound=max(minimum.risk - gap, 0.0))


def along(deltas: Sequence[float | None], each: Sequence[dict[str, Any]]) -> xr.Dataset:
    """Return one data set, along delta unless the list is [None]; missing atoms are NaN."""
    datasets = [xr.Dataset(data) for data in each]
    if list(deltas) == [None]:
        return datasets[0]
    counted = [data.assign_coords(atom=np.arange(data.sizes["atom"])) for data in datasets]
    axis = xr.IndexVariable("delta", np.array(deltas, dtype=float))
    return xr.concat(counted, dim=axis, join="outer", data_vars="all").drop_vars("atom")
