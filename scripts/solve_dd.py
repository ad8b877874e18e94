"""Solve the distributional dynamics, the limit of SGD as N grows and epsilon shrinks.

In: settings of law, neuron, initial measure, times, schedule and solver.
Out: NetCDF with omega(time, atom, invariant) and mass(atom); risk, dissipation, dissipation_error,
quadrature_error and the finite-width coefficients width_coefficient and fluctuation_coefficient,
each (time); counts of steps and right-hand sides. For one radius also level(atom),
density(time, radius), mass_at_origin(time) and potential(time, probe).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import xarray as xr

from meanfield import flow
from meanfield.arrays import choose_backend, from_backend, to_backend
from meanfield.functionals import potential, risk
from meanfield.laws import make_law
from meanfield.limit import Floats, make_limit
from meanfield.measure import Measure
from meanfield.metrics import Quantiles
from meanfield.neurons import make_neuron
from meanfield.problem import Problem
from meanfield.schedules import Constant, make_schedule
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, write
from meanfield.timeline import output_times

RADIUS_SPACING = 0.005
"""Width of the cells over which the density is stored; the same for all points of a sweep, so that
their grids are parts of one another."""

PROBES = 400
"""Radii at which the potential is stored, spread so that half of them are below 1."""

AGAINST_GPU = "the compiled kernels for the limit take no longer than a GPU needs to start"
"""Why `auto` leaves the limit on the CPU."""

LARGEST_ERROR = 1e-4
"""Error of the risk, relative to 1 + R, from which on a setting is reported as too coarse."""


def main(
    *, settings: Mapping[str, Any], origin: Origin, limit: str | Path, backend: str = "auto"
) -> None:
    """Solve the flow and store the path of the measure."""
    started = perf_counter()
    chosen = choose_backend(backend, LOG.info, against=AGAINST_GPU)
    law, neuron = make_law(settings["law"]), make_neuron(settings["neuron"])
    dd = settings["dd"]
    problem, finer, start, levels, names, invariants, width = make_limit(
        law, neuron, settings["initial"], dd
    )
    times = output_times(settings["time"])
    schedule = make_schedule(settings["sgd"]["schedule"]) if "sgd" in settings else Constant()
    # In tau = int xi dt the flow is autonomous; it is solved there and reported in t.
    moved, there = to_backend(problem, chosen), to_backend(start, chosen)
    path = from_backend(
        flow.solve(moved, there, schedule.integral(times), tolerance=dd["tolerance"])
    )
    seconds = perf_counter() - started

    measures = [Measure(omega, start.mass) for omega in path.omega]
    quadrature_error = np.zeros(len(times))
    if finer is not None:
        quadrature_error = np.abs([risk(finer, measure) for measure in measures] - path.risk)
    size = 1 + path.risk.max()
    check("of the quadrature over the data", quadrature_error, size, "raise dd.nodes")
    check("of the path", path.dissipation_error, size, "lower dd.tolerance")
    coefficients = [width(measure) for measure in measures]
    dataset = xr.Dataset(
        {
            "omega": (("time", "atom", "invariant"), invariants(path.omega)),
            "mass": ("atom", start.mass),
            "risk": ("time", path.risk),
            "dissipation": ("time", path.dissipation),
            "dissipation_error": ("time", path.dissipation_error),
            "quadrature_error": ("time", quadrature_error),
            "width_coefficient": ("time", [k.total for k in coefficients]),
            "fluctuation_coefficient": ("time", [k.fluctuation for k in coefficients]),
            "steps": path.steps,
            "rejected_steps": path.rejected,
            "right_hand_sides": path.rhs_calls,
        },
        coords={"time": times, "invariant": list(names)},
    )
    if levels is not None:
        dataset = dataset.merge(radial_law(levels, path.omega[:, :, 0], start.mass))
        dataset = dataset.merge(radial_potential(problem, measures))
    write(
        dataset,
        limit,
        title="Distributional dynamics",
        origin=origin,
        backend="numpy" if chosen.name == "cpu" else chosen.name,
        device=chosen.device,
    )
    LOG.info(
        "solved to t = %g in %.2f s on %s (%d steps, %d rejected, %d right-hand sides) into %s",
        times[-1],
        seconds,
        chosen.device,
        path.steps,
        path.rejected,
        path.rhs_calls,
        limit,
    )


def radial_law(levels: Floats, radii: Floats, mass: Floats) -> xr.Dataset:
    """Return what describes the law of one radius, from its quantile functions (time, atom)."""
    edges = RADIUS_SPACING * np.arange(np.ceil(radii.max() / RADIUS_SPACING) + 2)
    density = np.stack([Quantiles(levels, row).density(edges) for row in radii])
    return xr.Dataset(
        {
            "level": ("atom", levels),
            "mass_at_origin": ("time", (radii == 0) @ mass),
            "density": (("time", "radius"), density),
        },
        coords={"radius": edges[:-1] + RADIUS_SPACING / 2},
    )


def radial_potential(problem: Problem, measures: Sequence[Measure]) -> xr.Dataset:
    """Return the potential of every measure over a radius."""
    # r = u / (1 - u): fine where the data turn sigma on, and as far as it saturates.
    u = np.arange(PROBES) / PROBES
    probes = u / (1 - u)
    values = np.stack([potential(problem, measure, probes[:, np.newaxis]) for measure in measures])
    return xr.Dataset({"potential": (("time", "probe"), values)}, coords={"probe": probes})


def check(what: str, error: Floats, size: float, remedy: str) -> None:
    """Warn of an error of the risk that is too large."""
    if (largest := float(np.max(np.abs(error)))) > LARGEST_ERROR * size:
        LOG.warning("the error %s changes the risk by up to %.1g; %s", what, largest, remedy)


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
