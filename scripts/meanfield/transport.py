"""The density of a law on the line that a flow has transported without changing the order."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.float64]

# Relative decrease of positions that counts as noise of the flow that computed them.
ORDER_ERROR = 1e-5


def transported_density(
    start: ArrayLike, end: ArrayLike, density: ArrayLike, grid: ArrayLike
) -> Floats:
    """Return the density of r_t, an increasing function of r_0, given that of r_0.

    rho_t(r) = rho_0(r_0(r)) dr_0/dr, with r_0(r) the monotone cubic (PCHIP) through the points
    (r_t, r_0), and 0 outside the outermost points.

    Args:
        start: positions r_0 of the particles at time 0, strictly increasing, shape (J,).
        end: positions r_t of the same particles, increasing, shape (J,); decreases up to
            ``ORDER_ERROR`` times the largest, among particles that have met, are leveled.
        density: rho_0 at ``start``, shape (J,).
        grid: points r at which the density is wanted, any shape.

    Returns:
        rho_t at ``grid``, in its shape.

    Raises:
        ValueError: if the shapes differ, ``start`` does not increase strictly, ``end`` decreases,
            or fewer than two end positions are distinct (an atom has no density).
    """
    before, after, known = (np.asarray(a, dtype=np.float64) for a in (start, end, density))
    if before.ndim != 1 or not before.shape == after.shape == known.shape:
        raise ValueError(
            "start, end and density must have one common shape (J,), "
            f"got {before.shape}, {after.shape} and {known.shape}"
        )
    leveled = np.maximum.accumulate(after)
    if np.any(np.diff(before) <= 0) or not (
        np.max(leveled - after) <= ORDER_ERROR * np.max(np.abs(after))
    ):
        raise ValueError("start must increase strictly and end must not decrease: order is lost")
    after = leveled
    # Particles that have met to rounding cannot carry a slope: keep the first of each such group.
    distinct = np.diff(after, prepend=-np.inf) > 4 * np.spacing(np.max(np.abs(after)))
    before, after, known = before[distinct], after[distinct], known[distinct]
    if len(after) < 2:
        raise ValueError("all particles have met in one point: an atom has no density")
    points = np.asarray(grid, dtype=np.float64)
    origin = PchipInterpolator(after, before, extrapolate=False)
    # rho_0 is interpolated in its own variable, where it is as smooth as it was given.
    density_at_origin = PchipInterpolator(before, known, extrapolate=False)
    result = density_at_origin(origin(points)) * origin.derivative()(points)
    return np.nan_to_num(np.asarray(result, dtype=np.float64), nan=0.0)
