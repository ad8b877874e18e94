"""Distances between the neurons of SGD and a limit law that is given by atoms with masses.

They stand beside those of `metrics`, for coordinates whose quantile function is not known between
the atoms: the marginals of a measure over several invariants. With G = F^-1 the quantile function,
a step function on both sides,

    W_1 = int_0^1 |G_N(u) - G(u)| du,    KS = sup |F_N - F|,

both exact for the measure of the atoms. A coarse product rule is itself at a distance of about a
quarter of the spacing of its atoms from the law that it stands for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meanfield.metrics import Distances

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Atoms:
    """A law on the line: atoms in increasing order, each with the share of mass up to it.

    Args:
        values: atoms, shape (J,), in any order.
        masses: their masses >= 0, shape (J,), of positive sum; they are scaled to sum 1.

    Raises:
        ValueError: if the shapes differ, a value is not finite or the masses are no measure.
    """

    values: Floats
    masses: Floats

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        masses = np.asarray(self.masses, dtype=np.float64)
        if values.ndim != 1 or values.shape != masses.shape or len(values) == 0:
            raise ValueError(
                "values and masses need one common shape (J,), J >= 1, "
                f"got {values.shape} and {masses.shape}"
            )
        if not np.all(np.isfinite(values)):
            raise ValueError("values must be finite")
        if not (np.all(masses >= 0) and np.isfinite(total := masses.sum()) and total > 0):
            raise ValueError("masses must be >= 0, finite, and not all 0")
        order = np.argsort(values, kind="stable")
        object.__setattr__(self, "values", values[order])
        object.__setattr__(self, "masses", masses[order] / total)

    @property
    def levels(self) -> Floats:
        """Values F(v_j) of the distribution function at the atoms, shape (J,); the last is 1."""
        levels = np.minimum(np.cumsum(self.masses), 1.0)
        levels[-1] = 1.0
        return levels


def atom_distances(samples: ArrayLike, limit: Atoms) -> Distances:
    """Return the distances between sets of N numbers and a limit law of atoms.

    Between two neighbours among the levels i/N and F(v_j) both quantile functions are constant, so
    W_1 is a finite sum; |F_N - F| takes its largest value at a number or at an atom.

    Args:
        samples: values of one coordinate of N neurons, shape (..., N), in any order.
        limit: the limit law.

    Returns:
        W_1 and KS, each of shape (...).

    Raises:
        ValueError: if there is no sample or one is not finite.
    """
    points = np.sort(np.asarray(samples, dtype=np.float64), axis=-1)
    if points.ndim == 0 or points.shape[-1] == 0 or not np.all(np.isfinite(points)):
        raise ValueError(f"distances need finite samples of shape (..., N), got {points.shape}")
    count, levels = points.shape[-1], limit.levels
    edges = np.union1d(np.arange(count + 1) / count, levels)
    middles = 0.5 * (edges[1:] + edges[:-1])
    ours = np.minimum((middles * count).astype(np.int64), count - 1)
    theirs = np.searchsorted(levels, middles)
    gaps = np.abs(points[..., ours] - limit.values[theirs])
    sets = points.reshape(-1, count)
    kolmogorov = np.array([_kolmogorov(one, limit.values, levels) for one in sets])
    return Distances(gaps @ np.diff(edges), kolmogorov.reshape(points.shape[:-1]))


def _kolmogorov(points: Floats, values: Floats, levels: Floats) -> float:
    support = np.concatenate([points, values])
    ours = np.searchsorted(points, support, side="right") / len(points)
    theirs = np.concatenate([[0.0], levels])[np.searchsorted(values, support, side="right")]
    return float(np.max(np.abs(ours - theirs)))


def atom_floor(
    limit: Atoms, count: int, generator: np.random.Generator, sets: int = 200
) -> Distances:
    """Return the distances between a law of atoms and sets of N independent draws from it.

    Args:
        limit: the limit law.
        count: N >= 1.
        generator: source of the draws.
        sets: number of sets >= 1.

    Returns:
        W_1 and KS, each of shape (sets,).

    Raises:
        ValueError: if the count or the number of sets is below 1.
    """
    if count < 1 or sets < 1:
        raise ValueError(f"count and sets must be >= 1, got {count} and {sets}")
    drawn = np.searchsorted(limit.levels, generator.random((sets, count)))
    return atom_distances(limit.values[drawn], limit)
