"""Minimise the risk over all measures, and over single spheres: what DD could reach at best.

In: settings of law, neuron and statics.
Out: NetCDF. For the certified minimum risk_min, gap, omega(atom, invariant) (inf is a place),
mass(atom) and, where known, width_coefficient; for the best point mass sphere_risk,
sphere_radius(invariant) and sphere_margin (Lemma 1: it is the minimum iff >= 0). For a radius alone
potential(radius) and sphere_potential(radius), those at infinity, and, if the law has a delta, the
thresholds delta_low, delta_high and delta_stable in it. With `statics.deltas` all but the
thresholds have a dimension delta; atoms that a measure does not have are NaN.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from meanfield.domain import make_domain
from meanfield.functionals import risk
from meanfield.laws import Law, make_law
from meanfield.neurons import make_neuron
from meanfield.point_mass import sphere_thresholds
from meanfield.problem import Problem, make_problem
from meanfield.stage import LOG, run_stage
from meanfield.statics import Minimum
from meanfield.statics_results import RADII, along, solve_statics
from meanfield.store import Origin, write

QUADRATURE_ERROR = 1e-5
"""Error of the minimum from which on the quadrature over the data is reported as too coarse."""


def main(*, settings: Mapping[str, Any], origin: Origin, statics: str | Path) -> None:
    """Minimise at every Delta that is asked for, and store the minima."""
    started = perf_counter()
    chosen, neuron = settings["statics"], make_neuron(settings["neuron"])
    dimension, tolerance = chosen["dimension"], chosen["tolerance"]

    def law_at(delta: float | None) -> Law:
        return make_law(settings["law"] | ({} if delta is None else {"delta": delta}))

    def problem_at(delta: float | None) -> Problem:
        return make_problem(law_at(delta), neuron, chosen["nodes"], dimension=dimension)

    steps = chosen["deltas"]
    deltas: list[float | None] = [None]
    if steps is not None:
        deltas = np.linspace(*(steps[key] for key in ("start", "stop", "count"))).tolist()
    names = list(problem_at(deltas[0]).invariant_names)
    domain = make_domain(names, chosen["box"], chosen["grid"], chosen["scale"])
    solved = [
        solve_statics(problem_at(delta), domain, tolerance, law_at(delta), neuron)
        for delta in deltas
    ]
    dataset = along(deltas, [each.data for each in solved]).assign_coords(invariant=names)
    if names == ["r"]:
        low, high, stable = sphere_thresholds(problem_at, domain)
        dataset = dataset.assign_coords(radius=RADII)
        dataset = dataset.assign(delta_low=low, delta_high=high, delta_stable=stable)

    minima = [each.minimum for each in solved]
    report(minima, tolerance)
    if dimension == "finite":
        finer = make_problem(law_at(deltas[-1]), neuron, 2 * chosen["nodes"])
        check_quadrature(finer, minima[-1], chosen["nodes"])
    write(dataset, statics, title="Minimum of the risk over all measures", origin=origin,
          backend="numpy")  # fmt: skip
    LOG.info(
        "minimised %d time(s) in %.2f s into %s", len(deltas), perf_counter() - started, statics
    )


def check_quadrature(finer: Problem, minimum: Minimum, nodes: int) -> None:
    """Warn if a finer quadrature changes the risk of a minimum, and with it, to first order, inf R.

    To first order, as the risk is stationary at its minimum.
    """
    if (error := abs(float(risk(finer, minimum.measure)) - minimum.risk)) > QUADRATURE_ERROR:
        LOG.warning(
            "the quadrature over the data is too coarse: with twice the nodes the minimum differs "
            "by %.1g; raise statics.nodes, now %d",
            error,
            nodes,
        )


def report(minima: Sequence[Minimum], tolerance: float) -> None:
    """Log the minima, and warn of one that is not certified to the tolerance."""
    gap = max(each.gap for each in minima)
    if gap > tolerance:
        LOG.warning(
            "a minimum is certified to %.1g only, beyond statics.tolerance = %g; raise "
            "statics.grid or the tolerance",
            gap,
            tolerance,
        )
    LOG.info(
        "minimum of the risk from %.6g to %.6g, certified to %.1g; at most %d atoms",
        minima[0].risk,
        minima[-1].risk,
        gap,
        max(len(each.measure.mass) for each in minima),
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
