"""Which coordinates of a neuron are spread out at the start, and how many points carry each."""

from collections.abc import Mapping, Sequence
from typing import Any

SPREAD = {
    "isotropic_gaussians": {"gaussian": ("r",), "sphere": (), "point": ()},
    # On a sphere r1 and r2 are spread along one curve, with r1^2 + r2^2 fixed.
    "anisotropic_gaussians": {"gaussian": ("r1", "r2"), "sphere": ("r1",), "point": ()},
}
"""Coordinates of w that are spread out, by kind of data law and of start; kinds that are missing
have no law in closed form on the radii."""


def components(law: Mapping[str, Any]) -> list[tuple[float, Mapping[str, Any]]]:
    """Return the components of a parameter's law with their probabilities; one unless a mixture."""
    if law["kind"] != "mixture":
        return [(1.0, law)]
    total = sum(law["weights"])
    return [(w / total, each) for w, each in zip(law["weights"], law["components"], strict=True)]


def start_axes(initial: Mapping[str, Any], law: str, *, infinite: bool = False) -> tuple[str, ...]:
    """Return the coordinates that are spread out at the start, in the order of the invariants.

    Args:
        initial: settings of the start.
        law: kind of the data law.
        infinite: whether d = inf, where radii are not spread.

    Returns:
        Some of a, b and the radii.

    Raises:
        ValueError: if the law of the weights has no closed form on the radii.
    """
    weights = initial["w"] if initial["kind"] == "product" else initial
    known = SPREAD[law]
    axes: tuple[str, ...] = ()
    for name in ("a", "b") if initial["kind"] == "product" else ():
        kinds = {each["kind"] for _, each in components(initial[name])}
        axes += (name,) if kinds & {"gaussian", "uniform"} else ()
    radii: tuple[str, ...] = ()
    for _, each in components(weights):
        if each["kind"] not in known:
            raise ValueError(
                f"the start {each['kind']!r} of the weights w has no law of the radii in closed "
                f"form; expected {', '.join(known)}, or a mixture of them"
            )
        radii = max(radii, known[each["kind"]], key=len)
    return axes if infinite else axes + radii


def points_per_axis(axes: Sequence[str], atoms: int | Sequence[int]) -> dict[str, int]:
    """Return how many points carry each coordinate that is spread out.

    Args:
        axes: the coordinates.
        atoms: a number for each; a lone number will do for at most one.

    Raises:
        ValueError: if the numbers do not fit the coordinates.
    """
    if isinstance(atoms, int):
        if len(axes) > 1:
            raise ValueError(
                f"a list of {len(axes)} whole numbers, one for each coordinate that is spread out "
                f"at the start: {', '.join(axes)}"
            )
        return dict.fromkeys(axes, atoms)
    if len(atoms) != len(axes):
        raise ValueError(
            f"a list of as many whole numbers as coordinates that are spread out at the start, "
            f"{len(axes)} ({', '.join(axes) or 'none'}); or a lone number for at most one"
        )
    return dict(zip(axes, atoms, strict=True))
