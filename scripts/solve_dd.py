"""Solve the distributional dynamics, the limit of SGD as N grows and epsilon shrinks.

In: settings of law, neuron, initial measure, times, schedule and solver.
Out: NetCDF with omega(time, atom, invariant) and mass(atom); risk, dissipation, dissipation_error,
quadrature_error and the finite-width coefficients width_coefficient and fluctuation_coefficient,
each (time); counts of steps and right-hand sides. For one radius also level(atom),
density(time, radius), mass_at_origin(time) and potential(time, probe).
"""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import xarray as xr

from meanfield import flow
from meanfield.arrays import choose_backend, from_backend, to_backend
from meanfield.functionals import risk
from meanfield.laws import make_law
from meanfield.limit import Floats, make_limit
from meanfield.measure import Measure
from meanfield.neurons import make_neuron
from meanfield.radial_results import radial_law, radial_potential
from meanfield.schedules import Constant, make_schedule
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, write
from meanfield.timeline import output_times

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


def check(what: str, error: Floats, size: float, remedy: str) -> None:
    """Warn of an error of the risk that is too large."""
    if (largest := float(np.max(np.abs(error)))) > LARGEST_ERROR * size:
        LOG.warning("the error %s changes the risk by up to %.1g; %s", what, largest, remedy)


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
