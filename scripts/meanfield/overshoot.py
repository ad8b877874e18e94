"""The mean overshoot of a projected sphere, from which every piecewise linear neuron is made.

Let V_c = sqrt(n_c) U_c, with U_c the first coordinate of a uniform point of S^(n_c - 1), and
S = sqrt(x) V_1 + sqrt(1 - x) V_2, a variable of mean 0 and variance 1 (S = V_1 for one sphere). Its
mean overshoot of a level w >= 0 is

    T(w, x) = E (S - w)_+,    T_w = -P(S > w),    T_ww = the density of S.

A piecewise linear sigma with jumps J_c of slope at knots c then has, for rho >= 0,

    E sigma(b + rho S) = sigma(b) + rho sum_c J_c T(|b - c| / rho, x),

whatever the number of knots: one function serves every neuron.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.quadrature import gauss_legendre
from meanfield.sphere import scaled_density, scaled_moment, scaled_tail

Floats = NDArray[np.float64]

FARTHEST = 8.5
"""Level beyond which T is below 1e-17: S is narrower than a standard normal variable."""

_PANEL = {16.0: 48, np.inf: 96}  # up to which dimension how many nodes, in each part of a range
_CHUNK = 20_000  # pairs (w, x) at a time, which keeps the temporaries below 100 MB


class Overshoot(NamedTuple):
    """The mean overshoot T and its partial derivatives.

    Attributes:
        value: T(w, x).
        level: T_w.
        share: T_x.
        density: T_ww.
    """

    value: Floats
    level: Floats
    share: Floats
    density: Floats


@dataclass(frozen=True)
class Projection:
    """The variable S = sqrt(x) V_1 + sqrt(1 - x) V_2, or S = V_1.

    Args:
        dimensions: (n_1,) or (n_1, n_2): whole numbers or inf, of which one at least is >= 2.

    Raises:
        ValueError: if the dimensions are out of range.
    """

    dimensions: tuple[float, ...]

    def __post_init__(self) -> None:
        n = self.dimensions
        whole = all(each >= 1 and (np.isinf(each) or each == int(each)) for each in n)
        if len(n) not in (1, 2) or not whole or max(n) < 2:
            raise ValueError(
                "a projection needs one or two dimensions, whole numbers >= 1 or inf, and one of "
                f"them >= 2 (on the line, features have kinks); got {n}"
            )

    @property
    def reach(self) -> float:
        """Level w from which on T = 0, to rounding."""
        return float(min(np.sqrt(sum(self.dimensions)), FARTHEST))

    @property
    def flat(self) -> bool:
        """Whether S does not depend on the share: one sphere, or two normal parts."""
        return len(self.dimensions) == 1 or bool(np.isinf(self.dimensions).all())

    def overshoot(self, w: Floats, x: Floats) -> Overshoot:
        """Return T and its derivatives at levels w >= 0 and shares x in [0, 1], elementwise."""
        level, share = np.broadcast_arrays(np.asarray(w, float), np.asarray(x, float))
        flat = np.minimum(level.ravel(), 2 * FARTHEST), share.ravel()
        if self.flat:
            # A combination of normal variables is one, whatever the share.
            parts = [_one(flat[0], self.dimensions[0])]
        else:
            cuts = range(_CHUNK, flat[0].size, _CHUNK)
            pieces = zip(*(np.split(each, cuts) for each in flat), strict=True)
            parts = [_two(*piece, *self.dimensions) for piece in pieces]
        return Overshoot(
            *(np.concatenate(each).reshape(level.shape) for each in zip(*parts, strict=True))
        )


def _one(w: Floats, dimension: float) -> Overshoot:
    """T(w) = E[V; V > w] - w P(V > w)."""
    above = scaled_tail(w, dimension)
    value = scaled_moment(w, dimension) - w * above
    return Overshoot(value, -above, np.zeros_like(w), scaled_density(w, dimension))


def _two(w: Floats, x: Floats, first: float, second: float) -> Overshoot:
    """Close over the sphere of the larger scale, integrate over that of the smaller.

    In this order the integrand never varies faster than the density of the sphere that is
    integrated over. Derivatives in the scales follow from the parts E[V_c; S > w] of the mean:
    T_x = (G_1 - G_2) / 2 with G_1 = E[V_1; S > w] / sqrt(x), G_2 likewise.
    """
    scales = np.sqrt(x), np.sqrt(1 - x)
    # On a line, V = +-1 and the sum over it is exact.
    outer = scales[0] >= scales[1] if min(first, second) > 1 else np.full(w.shape, second == 1)
    result = Overshoot(*(np.empty_like(w) for _ in Overshoot._fields))
    for chosen, big, small, sign in ((outer, 0, 1, 1.0), (~outer, 1, 0, -1.0)):
        if chosen.any():
            n = (first, second)
            large, little = scales[big][chosen], scales[small][chosen]
            found = _closed_over(w[chosen], large, little, n[big], n[small])
            for name, values in zip(Overshoot._fields, found, strict=True):
                getattr(result, name)[chosen] = sign * values if name == "share" else values
    return result


def _closed_over(w: Floats, large: Floats, small: Floats, big: float, little: float) -> Overshoot:
    """T of large V + small v, closed over V and by quadrature over v; x is the share of V.

    With v of density f, Stein's identity E[v g(v)] = E[(n - v^2) g'(v)] / (n - 1) turns
    E[v; S > w] / small into E[(n - v^2) f_V(cut)] / ((n - 1) large): no 0/0 as small vanishes.
    """
    if little == 1:
        v, mass = np.broadcast_to([-1.0, 1.0], (len(w), 2)), np.full((len(w), 2), 0.5)
    else:
        v, mass = _panels(w, large, small, big, little)
    need = w[:, None] - small[:, None] * v
    with np.errstate(divide="ignore", invalid="ignore"):
        # The scale vanishes only beside a line, where S has atoms.
        cut = np.nan_to_num(need / large[:, None], nan=np.inf, posinf=np.inf, neginf=-np.inf)
        unit = np.where(large > 0, 1 / large, 0.0)
    above, part, density = np.zeros((3, *cut.shape))
    carries = mass > 0
    for values, function in (
        (above, scaled_tail),
        (part, scaled_moment),
        (density, scaled_density),
    ):
        values[carries] = function(cut[carries], big)
    if little == 1:
        steep = _line_share(above, small, w, unit, big)
    else:
        spread = np.ones_like(v) if np.isinf(little) else (little - v * v) / (little - 1)
        steep = unit * np.sum(mass * spread * density, axis=1)
    return Overshoot(
        np.sum(mass * (large[:, None] * part - need * above), axis=1),
        -np.sum(mass * above, axis=1),
        (unit * np.sum(mass * part, axis=1) - steep) / 2,
        unit * np.sum(mass * density, axis=1),
    )


def _panels(
    w: Floats, large: Floats, small: Floats, big: float, little: float
) -> tuple[Floats, Floats]:
    """Nodes v and masses, each (pairs, 3 n), of the law of the smaller sphere.

    The range of v is cut where S > w begins to hold, and where it holds for sure. In each part
    v = middle + half sin(pi t / 2), t in (-1, 1), which turns the half-integer powers that the
    densities of spheres have at their ends into smooth functions.
    """
    end = min(np.sqrt(little), FARTHEST + 0.5)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        span = large * np.sqrt(big)
        edges = np.stack([np.full_like(w, -end), (w - span) / small, (w + span) / small,
                          np.full_like(w, end)], axis=1)  # fmt: skip
    edges = np.clip(np.nan_to_num(edges, nan=-end, posinf=end, neginf=-end), -end, end)
    t, weights = gauss_legendre(next(n for most, n in _PANEL.items() if little <= most))
    angle = np.pi * (t - 0.5)
    middle, half = (edges[:, 1:] + edges[:, :-1]) / 2, np.diff(edges, axis=1) / 2
    v = middle[:, :, None] + half[:, :, None] * np.sin(angle)
    with np.errstate(invalid="ignore"):  # an empty part at an end where the density is infinite
        mass = half[:, :, None] * (np.pi * weights * np.cos(angle)) * scaled_density(v, little)
    mass = np.where((half[:, :, None] > 0) & (mass > 1e-20), mass, 0.0)
    return v.reshape(len(w), -1), mass.reshape(len(w), -1)


def _line_share(above: Floats, small: Floats, w: Floats, unit: Floats, big: float) -> Floats:
    """E[v; S > w] / small for v = +-1: half a difference quotient of the tail of large V."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = (above[:, 1] - above[:, 0]) / (2 * small)
    # The quotient's limit as small vanishes, to 1e-9.
    return np.where(small * unit < 3e-5, unit * scaled_density(w * unit, big), quotient)
