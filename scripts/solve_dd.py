"""Solve the distributional dynamics, the limit of SGD as N grows and epsilon shrinks.

In: settings of law, neuron, initial measure, times, schedule and solver.
Out: NetCDF with omega(time, atom, invariant), mass(atom), level(atom), density(time, radius),
potential(time, probe), and risk, dissipation and the finite-width coefficient K, each (time).
"""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import xarray as xr

from meanfield import flow
from meanfield.functionals import potential, risk
from meanfield.laws import make_law
from meanfield.measure import Measure, gaussian_radii
from meanfield.metrics import Quantiles
from meanfield.neurons import make_neuron
from meanfield.problem import make_problem
from meanfield.schedules import Constant, make_schedule
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, write
from meanfield.timeline import output_times
from meanfield.width import width_coefficients

RADIUS_SPACING = 0.005
"""Width of the cells over which the density is stored; the same for all points of a sweep, so that
their grids are parts of one another."""

PROBES = 400
"""Radii at which the potential is stored, spread so that half of them are below 1."""

QUADRATURE_ERROR = 1e-4
"""Error of the risk from which on the quadrature over the data is reported as too coarse."""


def main(*, settings: Mapping[str, Any], origin: Origin, limit: str | Path) -> None:
    """Solve the flow and store the path of the measure."""
    started = perf_counter()
    law, neuron = make_law(settings["law"]), make_neuron(settings["neuron"])
    dd = settings["dd"]
    problem = make_problem(law, neuron, dd["nodes"])
    initial, levels = gaussian_radii(law.dimension, settings["initial"]["scale"], dd["atoms"])
    times = output_times(settings["time"])
    schedule = make_schedule(settings["sgd"]["schedule"]) if "sgd" in settings else Constant()
    # In tau = int xi dt the flow is autonomous; it is solved there and reported in t.
    path = flow.solve(problem, initial, schedule.integral(times), tolerance=dd["tolerance"])
    seconds = perf_counter() - started

    finer = make_problem(law, neuron, 4 * dd["nodes"])
    measures = [Measure(omega, initial.mass) for omega in path.omega]
    error = np.abs([risk(finer, measure) for measure in measures] - path.risk)
    if error.max() > QUADRATURE_ERROR:
        LOG.warning(
            "the quadrature over the data is too coarse: with four times the nodes the risk "
            "differs by up to %.1g; raise dd.nodes, now %d",
            error.max(),
            dd["nodes"],
        )

    edges = RADIUS_SPACING * np.arange(np.ceil(path.omega.max() / RADIUS_SPACING) + 2)
    density = [Quantiles(levels, omega[:, 0]).density(edges) for omega in path.omega]
    # r = u / (1 - u): fine where the data turn sigma on, and as far as it saturates.
    levels_of_probes = np.arange(PROBES) / PROBES
    probes = levels_of_probes / (1 - levels_of_probes)
    potentials = [potential(problem, measure, probes[:, np.newaxis]) for measure in measures]
    coefficients = [width_coefficients(problem, measure, law, neuron) for measure in measures]
    dataset = xr.Dataset(
        {
            "omega": (("time", "atom", "invariant"), path.omega),
            "mass": ("atom", initial.mass),
            "level": ("atom", levels),
            "risk": ("time", path.risk),
            "dissipation": ("time", path.dissipation),
            "quadrature_error": ("time", error),
            "width_coefficient": ("time", [k.total for k in coefficients]),
            "fluctuation_coefficient": ("time", [k.fluctuation for k in coefficients]),
            "density": (("time", "radius"), np.stack(density)),
            "potential": (("time", "probe"), np.stack(potentials)),
            "steps": path.steps,
            "rejected_steps": path.rejected,
            "right_hand_sides": path.rhs_calls,
        },
        coords={
            "time": times,
            "radius": edges[:-1] + RADIUS_SPACING / 2,
            "probe": probes,
            "invariant": list(problem.invariant_names),
        },
    )
    write(dataset, limit, title="Distributional dynamics", origin=origin, backend="numpy")
    LOG.info(
        "solved to t = %g in %.2f s (%d steps, %d rejected, %d right-hand sides) into %s",
        times[-1],
        seconds,
        path.steps,
        path.rejected,
        path.rhs_calls,
        limit,
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
