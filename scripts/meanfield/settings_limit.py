"""Which experiments have a limit that can be solved, and in what form."""

from meanfield.settings_dynamics import Dd, Sgd
from meanfield.settings_fields import problem
from meanfield.settings_initial import InitialSettings
from meanfield.settings_laws import LawSettings
from meanfield.settings_minimum import in_words, on_a_line
from meanfield.settings_neurons import NeuronSettings, PiecewiseLinearSettings
from meanfield.start_axes import SPREAD, points_per_axis, start_axes

WAYS_OUT = "dd: null, for SGD alone, or dd.problem: empirical, which needs no symmetry"


def check_limit(
    law: LawSettings, neuron: NeuronSettings, initial: InitialSettings, sgd: Sgd | None, dd: Dd
) -> None:
    """Raise unless the limit of an experiment can be solved as `dd` asks for.

    Raises:
        PydanticCustomError: says which key is wrong and what is expected there.
    """
    if sgd is not None and (sgd.decay or sgd.inverse_temperature is not None):
        raise problem("null, since the limit is not known with weight decay or noise", ("dd",))
    if dd.problem == "empirical":
        _check_empirical(law, dd)
    else:
        _check_reduced(law, neuron, initial, dd)


def _check_empirical(law: LawSettings, dd: Dd) -> None:
    if dd.dimension != "finite":
        raise problem("finite, since problem is empirical", ("dd", "dimension"))
    if (law.kind == "data_set") != (dd.rows is None):
        expected = (
            "null, since the law is a data set, whose rows are all taken"
            if law.kind == "data_set"
            else f"a whole number, since problem is empirical and the law, {law.kind}, is no data "
            "set"
        )
        raise problem(expected, ("dd", "rows"))
    if not isinstance(dd.atoms, int):
        raise problem("a lone whole number, since problem is empirical", ("dd", "atoms"))


def _check_reduced(
    law: LawSettings, neuron: NeuronSettings, initial: InitialSettings, dd: Dd
) -> None:
    if law.kind not in SPREAD or on_a_line(law):
        expected = (
            f"null, since no reduction is known for the law {in_words(law)}; there is one for "
            f"{', '.join(SPREAD)}, with more than one dimension in a part. Others have {WAYS_OUT}"
        )
        raise problem(expected, ("dd",))
    for name, unset in (("rows", None), ("seed", 1)):
        if getattr(dd, name) != unset:
            expected = f"{'null' if unset is None else unset}, unless problem is empirical"
            raise problem(expected, ("dd", name))
    if law.kind == "anisotropic_gaussians" and neuron.kind == "ridge":
        _check_smooth_origin(neuron.activation)
    try:
        axes = start_axes(
            initial.model_dump(mode="json"), law.kind, infinite=dd.dimension == "infinite"
        )
    except ValueError as error:
        raise problem(f"another law of w: {error}. Else {WAYS_OUT}", ("initial",)) from error
    try:
        points_per_axis(axes, dd.atoms)
    except ValueError as error:
        raise problem(str(error), ("dd", "atoms")) from error


def _check_smooth_origin(activation: object) -> None:
    """Raise for a knot at 0 where w has two radii: the cone at r1 = r2 = 0 is not resolved."""
    where: tuple[str | int, ...] = ("neuron", "activation", "kind")
    if isinstance(activation, PiecewiseLinearSettings):
        if 0.0 not in activation.knots:
            return
        where = ("neuron", "activation", "knots", activation.knots.index(0.0))
    elif getattr(activation, "kind", None) not in ("relu", "leaky_relu"):
        return
    expected = (
        "an activation without a knot at 0 for the law anisotropic_gaussians and ridge neurons: "
        "the force on a neuron jumps at w = 0, which is not resolved for two radii. Else "
        f"{WAYS_OUT}; or the neuron perceptron"
    )
    raise problem(expected, where)
