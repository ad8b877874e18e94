"""Which experiments have a least risk that can be found, and over which neurons."""

from meanfield.settings_fields import problem
from meanfield.settings_laws import LawSettings
from meanfield.settings_neurons import ActivationSettings, NeuronSettings
from meanfield.settings_statics import Statics

RADII = {"isotropic_gaussians": ("r",), "anisotropic_gaussians": ("r1", "r2")}
"""Norms of w that a reduction knows, by kind of law."""


def check_minimum(law: LawSettings, neuron: NeuronSettings, statics: Statics) -> None:
    """Raise unless the least risk can be found as `statics` asks for.

    Raises:
        PydanticCustomError: says which key is wrong and what is expected there.
    """
    if law.kind not in RADII or on_a_line(law):
        expected = (
            f"null, since no reduction is known for the law {in_words(law)}; there is one for "
            f"{', '.join(RADII)}, with more than one dimension in a part"
        )
        raise problem(expected, ("statics",))
    if statics.deltas is not None and not hasattr(law, "delta"):
        raise problem(f"null, since the law {law.kind} has no delta", ("statics", "deltas"))
    radii = RADII[law.kind]
    names = radii if neuron.kind == "ridge" else ("a", "b", *radii)
    for name in statics.box:
        if name not in names:
            expected = (
                f"one of {', '.join(names)}, the invariants for the law {law.kind} and the neuron "
                f"{neuron.kind}"
            )
            raise problem(expected, ("statics", "box", name))
    bounded = {name: "it has no natural range" for name in names if name in ("a", "b")}
    if why := _unsettled(neuron):
        bounded |= dict.fromkeys(radii, why)
    for name, reason in bounded.items():
        if name not in statics.box:
            raise problem(f"ends of {name} as well: {reason}", ("statics", "box"))


def on_a_line(law: LawSettings) -> bool:
    """Return whether each part of the data has one dimension, so that a sphere is two points."""
    return law.kind == "anisotropic_gaussians" and law.dimension == 2


def in_words(law: LawSettings) -> str:
    """Return a law's name, and its dimensions if it lies on a line."""
    return f"{law.kind} with dimension 2 and informative 1" if on_a_line(law) else law.kind


def _unsettled(neuron: NeuronSettings) -> str:
    """Return why features have no limit as a radius grows that a grid can show; empty if one."""
    if neuron.kind == "relu":
        return "the mean of the neuron relu grows without bound"
    sigma: ActivationSettings = neuron.activation
    match sigma.kind:
        case "piecewise_linear":
            grows = sigma.left_slope != sigma.right_slope
        case "leaky_relu":
            grows = sigma.slope != 1
        case "cosine":
            return "the mean of a cosine oscillates up to infinity, finer than any grid"
        case _:
            grows = sigma.kind in ("relu", "softplus", "gelu")
    return f"the mean of the activation {sigma.kind} grows without bound" if grows else ""
