"""What describes a limit of one radius beside its atoms: density, mass at the origin, potential."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from meanfield.functionals import potential
from meanfield.measure import Measure
from meanfield.metrics import Quantiles
from meanfield.problem import Problem

Floats = NDArray[np.float64]

RADIUS_SPACING = 0.005
"""Width of the cells over which the density is stored; the same for all points of a sweep, so that
their grids are parts of one another."""

PROBES = 400
"""Radii at which the potential is stored, spread so that half of them are below 1."""


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
