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

from meanfield.flow import Flow
from meanfield.functionals import risk
from meanfield.limit import Floats, Limit
from meanfield.limit_sweep import make_point, other_points, solve_point
from meanfield.locks import clear, held
from meanfield.measure import Measure
from meanfield.radial_results import radial_law, radial_potential
from meanfield.siblings import checkpoints_of, was_made_since
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, write
from meanfield.timeline import output_times

LARGEST_ERROR = 1e-4
"""Error of the risk, relative to 1 + R, from which on a setting is reported as too coarse."""


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    limit: str | Path,
    backend: str = "auto",
    siblings: bytes = b"",
) -> None:
    """Solve the flow and store the path of the measure."""
    started, folder = perf_counter(), checkpoints_of(limit)
    others = other_points(siblings, origin, LOG) if siblings else None
    with held(folder, LOG, wait=True):
        if was_made_since(limit, origin, LOG):
            return
        point = make_point(origin, folder)
        path, used, device = solve_point(point, backend, others=others, log=LOG)
        seconds = perf_counter() - started
        write(
            as_dataset(point.limit, output_times(settings["time"]), path),
            limit,
            title="Distributional dynamics",
            origin=origin,
            backend="numpy" if used == "cpu" else used,
            device=device,
        )
        clear(folder)
    LOG.info(
        "solved to t = %g in %.2f s on %s (%d steps, %d rejected, %d right-hand sides) into %s",
        settings["time"]["horizon"],
        seconds,
        device,
        path.steps,
        path.rejected,
        path.rhs_calls,
        limit,
    )


def as_dataset(limit: Limit, times: Floats, path: Flow) -> xr.Dataset:
    """Return the path of the measure, with what is known of it at every time."""
    problem, finer, start, levels, names, invariants, width = limit
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
    return dataset


def check(what: str, error: Floats, size: float, remedy: str) -> None:
    """Warn of an error of the risk that is too large."""
    if (largest := float(np.max(np.abs(error)))) > LARGEST_ERROR * size:
        LOG.warning("the error %s changes the risk by up to %.1g; %s", what, largest, remedy)


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
