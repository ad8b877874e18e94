"""Which assumptions of the theorems an experiment meets, and why.

    A1  xi is bounded and Lipschitz.
    A2  sigma_* and y are bounded, and grad sigma_* is sub-Gaussian uniformly in theta.
    A3  grad V and grad U are bounded and Lipschitz.
    A4  V and U are four times continuously differentiable; asked of noisy SGD only.

With V(theta) = -E[y sigma_*(x; theta)], U(theta, theta') = E[sigma_*(x; theta) sigma_*(x; theta')].

Derivations, for a ridge neuron sigma(<w, x>) with bounded sigma':

- A Gaussian <w, x> of standard deviation v smooths a knot c of sigma: the second derivatives of V
  and U contain the density of <w, x> at c, at most of the size exp(-c^2 / 2 v^2) / v. For c != 0 it
  vanishes as w -> 0 with all that it is multiplied by; for c = 0 it does not, and grad U(., w')
  jumps at w = 0, its one-sided values being E[1{<e, x> > 0} sigma(<w', x>) x] times the jump of
  sigma' for every direction e (grad V does as well if the two classes differ).
- Rows of data do not smooth: V and U have the kinks of sigma on the planes <w, x_i> = c.
- If sigma grows, grad_w U(w, w') = E[sigma'(<w, x>) sigma(<w', x>) x] grows with w'.
- U(w, w') with a knot is never in C^4: with e the angle between w and w', of one length, it has a
  term |e|^3, as a product of two ReLUs has.
- With an output weight a, sigma_* and grad U grow with a.

Source: Mei, Montanari and Nguyen (2018), assumptions A1 to A4 [P 85%]; the derivations [D].
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from meanfield.activations import Activation, Cosine, Pieces, make_activation
from meanfield.neurons import Ridge, make_neuron
from meanfield.schedules import Constant, Piecewise, Power, Schedule, make_schedule


class Assumption(NamedTuple):
    """One assumption.

    Attributes:
        name: A1 to A4.
        holds: whether it holds; None if that depends on what is not known.
        reason: why, in a clause.
    """

    name: str
    holds: bool | None
    reason: str

    def __str__(self) -> str:
        """Return the assumption in words, as in `A1 holds: xi is constant`."""
        verdict = {True: "holds", False: "does not hold", None: "is not known to hold"}
        return f"{self.name} {verdict[self.holds]}: {self.reason}"


def assumptions(settings: Mapping[str, Any]) -> list[Assumption]:
    """Return which assumptions an experiment meets.

    Args:
        settings: resolved settings, of which `law`, `neuron` and `sgd` are read; without `sgd` (the
            limit or a minimum alone) the schedule is constant and there is no noise.

    Returns:
        A1, A2, A3, and with noise A4.
    """
    law, neuron = settings["law"], make_neuron(settings["neuron"])
    sgd = settings.get("sgd") or {}
    schedule = make_schedule(sgd["schedule"]) if "schedule" in sgd else Constant()
    weighted = not isinstance(neuron, Ridge)
    found = [
        _about_schedule(schedule),
        _about_bounds(law, neuron.activation, weighted),
        _about_gradients(law, neuron.activation, weighted),
    ]
    if sgd.get("inverse_temperature") is not None:
        found.append(_about_smoothness(law, neuron.activation))
    return found


def in_words(by_point: Mapping[str, Sequence[Assumption]]) -> str:
    """Return the assumptions of all points of an experiment in words, points alike together."""
    points: dict[str, list[str]] = {}
    for point, found in by_point.items():
        points.setdefault("; ".join(map(str, found)), []).append(point)
    if len(points) == 1:
        return next(iter(points))
    return ". ".join(f"At {', '.join(names)}: {words}" for words, names in points.items())


def _about_schedule(schedule: Schedule) -> Assumption:
    if schedule.singular:
        return Assumption("A1", False, "xi is infinite at t = 0")
    if isinstance(schedule, Piecewise) and len(set(schedule.values)) > 1:
        return Assumption("A1", False, "xi jumps")
    varies = isinstance(schedule, Power) and schedule.p > 0
    return Assumption("A1", True, "xi is smooth and falls" if varies else "xi is constant")


def _about_bounds(law: Mapping[str, Any], activation: Activation, weighted: bool) -> Assumption:
    against = []
    if weighted:
        against.append("sigma_* grows with the output weight a")
    elif _grows(activation):
        against.append("sigma is not bounded")
    label, why = _label_bounded(law)
    if label is False:
        against.append(why)
    if against:
        return Assumption("A2", False, " and ".join(against))
    if label is None:
        return Assumption("A2", None, why)
    return Assumption("A2", True, "sigma, sigma' and y are bounded, and x is sub-Gaussian")


def _label_bounded(law: Mapping[str, Any]) -> tuple[bool | None, str]:
    """Return whether the labels are bounded, and if not, or if that is not known, why."""
    if law["kind"] == "python":
        return None, "the law is a function of the user's"
    if law["kind"] == "gaussian_teacher":
        if law["noise"] > 0:
            return False, "y has Gaussian noise"
        if _grows(make_activation(law["link"])) and any(law["coefficients"]):
            return False, "y grows with the teacher's link"
    return True, ""


def _about_gradients(law: Mapping[str, Any], activation: Activation, weighted: bool) -> Assumption:
    if weighted:
        return Assumption("A3", False, "grad U grows with the output weight a")
    if _grows(activation):
        return Assumption("A3", False, "grad U grows with w, since sigma is not bounded")
    knots = _knots(activation)
    if law["kind"] == "python":
        open_question = (
            "whether x has a density that smooths the knots of sigma"
            if knots
            else "which moments x and y have"
        )
        return Assumption("A3", None, f"{open_question} is not known of the user's law")
    if not knots:
        return Assumption("A3", True, "sigma is bounded and smooth")
    if law["kind"] == "data_set":
        return Assumption(
            "A3", False, "grad V and grad U jump where <w, x> of a row is at a knot of sigma"
        )
    if 0.0 in knots:
        return Assumption(
            "A3", False, "sigma has a knot at 0, so grad U jumps at w = 0 (and only there)"
        )
    return Assumption(
        "A3", True, "sigma is bounded, and Gaussian x smooth its knots, none of which is at 0"
    )


def _about_smoothness(law: Mapping[str, Any], activation: Activation) -> Assumption:
    if _knots(activation):
        return Assumption("A4", False, "sigma has knots: U has a kink of third order at w = w'")
    if law["kind"] == "python":
        return Assumption("A4", None, "which moments x and y have is not known of the user's law")
    return Assumption("A4", True, "sigma is smooth")


def _grows(activation: Activation) -> bool:
    """Return whether sigma is unbounded; a cosine has no limits, and is bounded."""
    if isinstance(activation, Cosine):
        return False
    return bool(np.isinf(activation.limits).any())


def _knots(activation: Activation) -> list[float]:
    """Return where sigma' jumps."""
    if not isinstance(activation, Pieces):
        return []
    # Slopes that were meant to be equal may differ by rounding.
    rounding = 1e-9 * np.abs(activation.slopes).max()
    pairs = zip(activation.knots, activation.jumps, strict=True)
    return [knot for knot, jump in pairs if abs(jump) > rounding]
