"""Initial measures on the reduced coordinates: what the law of (a, b, w) leaves of a start.

For w with a law that rotations leave alone, (a, b) and the radii are independent, and the measure
is a product of quantile rules: of a, of b, and of the radii.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, gammainc, gammaincinv, ndtr, ndtri

from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.measure import Measure
from meanfield.quadrature import gauss_legendre
from meanfield.quantile_rule import Component, QuantileRule, Spread, quantile_rule
from meanfield.start_axes import components, points_per_axis, start_axes

Floats = NDArray[np.float64]
Atoms = tuple[Floats, Floats]
"""Coordinates (J, k) and masses (J,)."""

_KINDS: dict[type[Any], str] = {
    IsotropicGaussians: "isotropic_gaussians",
    AnisotropicGaussians: "anisotropic_gaussians",
}


class Start(NamedTuple):
    """A measure at time 0.

    Args:
        measure: the atoms.
        levels: where the measure has one coordinate, the levels in (0, 1) at which the atoms are
            its quantile function, increasing, shape (J,); else None.
    """

    measure: Measure
    levels: Floats | None


def initial_measure(
    initial: Mapping[str, Any],
    law: Any,
    atoms: int | Sequence[int],
    *,
    infinite: bool = False,
) -> Start:
    """Represent a start on the reduced coordinates of a law.

    The radii have the laws: Gaussian, kappa chi_d / sqrt(d), and for anisotropic data independent
    r1 = kappa chi_s / sqrt(d), r2 = kappa chi_(d-s) / sqrt(d); sphere, r fixed, with
    r1^2 / r^2 ~ Beta(s/2, (d-s)/2); point of value v, |v| times the root of the number of
    coordinates. For d = inf they tend to their root mean squares.

    Args:
        initial: settings of the law of w, or, with kind "product", of a, b and w.
        law: the data law.
        atoms: number of points for each coordinate that is spread out at the start (`start_axes`);
            a lone number will do for at most one.
        infinite: whether d = inf.

    Returns:
        The measure, its coordinates in the order of the invariants, and its levels.

    Raises:
        ValueError: if the start or the data law leaves no known law of the radii, or the numbers of
            points do not fit.
    """
    if type(law) not in _KINDS:
        raise ValueError(f"the radii are known for {', '.join(_KINDS.values())}, got {law!r}")
    kind = _KINDS[type(law)]
    counts = points_per_axis(start_axes(initial, kind, infinite=infinite), atoms)
    product = initial["kind"] == "product"
    weights = initial["w"] if product else initial
    if not product and isinstance(law, IsotropicGaussians):
        rule = _radius_rule(weights, law, counts.get("r", 1), infinite, point_atoms=2)
        return Start(Measure(rule.values[:, np.newaxis], rule.mass), rule.levels)
    factors = []
    for name in ("a", "b") if product else ():
        parts = [piece for w, each in components(initial[name]) for piece in _on_line(each, w)]
        factors.append(_column(quantile_rule(parts, counts.get(name, 1), point_atoms=1)))
    if isinstance(law, IsotropicGaussians):
        radii = _column(_radius_rule(weights, law, counts.get("r", 1), infinite, point_atoms=1))
    else:
        radii = _radii(weights, law, counts.get("r1", 1), counts.get("r2", 1), infinite)
    omega, mass = _product([*factors, radii])
    return Start(Measure(omega, mass / mass.sum()), None)


def _on_line(law: Mapping[str, Any], weight: float) -> list[tuple[float, Component]]:
    """Return the law of one number, a or b, in parts."""
    match law["kind"]:
        case "gaussian":
            return [(weight, _normal(law["scale"]))]
        case "uniform":
            return [(weight, _uniform(law["low"], law["high"]))]
        case "sphere":
            return [(weight / 2, -law["radius"]), (weight / 2, law["radius"])]
        case "point":
            return [(weight, float(law["value"]))]
    raise ValueError(f"unknown initial measure {law['kind']!r}")


def _radius_rule(
    weights: Mapping[str, Any],
    law: IsotropicGaussians,
    atoms: int,
    infinite: bool,
    *,
    point_atoms: int,
) -> QuantileRule:
    d = law.dimension
    parts: list[tuple[float, Component]] = []
    for weight, each in components(weights):
        if each["kind"] == "gaussian":
            scale = each["scale"]
            parts.append((weight, scale if infinite else _chi(d, scale / np.sqrt(d))))
        else:
            parts.append((weight, _norm(each, d)))
    return quantile_rule(parts, atoms, point_atoms=point_atoms)


def _radii(
    weights: Mapping[str, Any], law: AnisotropicGaussians, first: int, second: int, infinite: bool
) -> Atoms:
    """Return (r1, r2) for weights w, the rules of a mixture's components one after the other."""
    d, s = law.dimension, law.informative
    shares = np.sqrt(np.array([s, d - s]) / d)
    found: list[Atoms] = []
    for weight, each in components(weights):
        if infinite or each["kind"] == "point":
            length = each["scale"] if each["kind"] == "gaussian" else _norm(each, d)
            radii, mass = length * shares[np.newaxis], np.ones(1)
        elif each["kind"] == "gaussian":
            unit = each["scale"] / np.sqrt(d)
            rules = [
                quantile_rule([(1.0, _chi(n, unit))], count)
                for n, count in ((s, first), (d - s, second))
            ]
            radii, mass = _product([_column(rule) for rule in rules])
        else:
            levels, mass = gauss_legendre(first)
            squares = np.stack(
                [betaincinv(s / 2, (d - s) / 2, levels), betaincinv((d - s) / 2, s / 2, 1 - levels)]
            )
            radii = each["radius"] * np.sqrt(squares.T)
        found.append((radii, weight * mass))
    return np.concatenate([r for r, _ in found]), np.concatenate([m for _, m in found])


def _norm(law: Mapping[str, Any], dimension: int) -> float:
    """Return |w| where all w have the same."""
    if law["kind"] == "sphere":
        return float(law["radius"])
    return float(abs(law["value"]) * np.sqrt(dimension))


def _normal(scale: float) -> Spread:
    return Spread(lambda x: ndtr(x / scale), lambda u: scale * ndtri(u))


def _uniform(low: float, high: float) -> Spread:
    width = high - low
    return Spread(
        lambda x: np.clip((x - low) / width, 0.0, 1.0), lambda u: low + width * u, (low, high)
    )


def _chi(degrees: int, unit: float) -> Spread:
    """Return the law of unit times a chi variable."""
    return Spread(
        lambda x: np.asarray(gammainc(degrees / 2, np.maximum(x / unit, 0.0) ** 2 / 2)),
        lambda u: unit * np.sqrt(2 * np.asarray(gammaincinv(degrees / 2, u))),
    )


def _column(rule: QuantileRule) -> Atoms:
    return rule.values[:, np.newaxis], rule.mass


def _product(factors: Sequence[Atoms]) -> Atoms:
    """Return the product measure, the last factor running fastest."""
    omega, mass = factors[0]
    for other, weights in factors[1:]:
        omega = np.concatenate(
            [np.repeat(omega, len(other), axis=0), np.tile(other, (len(omega), 1))], axis=1
        )
        mass = np.outer(mass, weights).ravel()
    return omega, mass
