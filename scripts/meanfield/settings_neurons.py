"""What may stand below `neuron`, and wherever an activation is asked for."""

from typing import Literal

from pydantic import field_validator, model_validator

from meanfield.settings_fields import Number, Numbers, Section, increasing, problem, setting


class PiecewiseLinearSettings(Section):
    """Straight lines between knots, and one on each side of them; continuous."""

    kind: Literal["piecewise_linear"] = setting(
        "The form of the activation.", allowed="`piecewise_linear`", symbol="σ"
    )
    knots: Numbers = setting(
        "Arguments at which the slope changes.",
        allowed="a list of strictly increasing numbers, at least one",
        unit="1",
        symbol="t",
        provenance="Figures 1 and 2: 0.5, 1.5; 4: 0, 0.5, 1.5 [P 85%]",
        min_length=1,
    )
    values: Numbers = setting(
        "Value of the activation at each knot.",
        allowed="a list of as many numbers as there are knots",
        unit="1",
        symbol="σ(t)",
        provenance="Figures 1 and 2: −2.5, 7.5; 4: −2.5, −4, 7.5 [P 85%]",
        min_length=1,
    )
    left_slope: Number = setting(
        "Slope to the left of the first knot.",
        allowed="a number",
        unit="1",
        symbol="σ'(−∞)",
        default=0.0,
        provenance="Figures 1, 2 and 4: 0 [P 85%]",
    )
    right_slope: Number = setting(
        "Slope to the right of the last knot.",
        allowed="a number",
        unit="1",
        symbol="σ'(∞)",
        default=0.0,
        provenance="Figures 1, 2 and 4: 0 [P 85%]",
    )

    @field_validator("knots")
    @classmethod
    def _check_knots(cls, knots: Numbers) -> Numbers:
        return increasing(knots)

    @model_validator(mode="after")
    def _check_lengths(self) -> "PiecewiseLinearSettings":
        if len(self.values) != len(self.knots):
            raise problem(f"{len(self.knots)} numbers, one a knot", ("values",))
        return self


class ReluSettings(Section):
    """σ(t) = max(t, 0)."""

    kind: Literal["relu"] = setting("The form of the activation.", allowed="`relu`", symbol="σ")


class LeakyReluSettings(Section):
    """σ(t) = t for t > 0, a line of another slope for t < 0."""

    kind: Literal["leaky_relu"] = setting(
        "The form of the activation.", allowed="`leaky_relu`", symbol="σ"
    )
    slope: Number = setting(
        "Slope for t < 0.", allowed="a number", unit="1", symbol="σ'(−∞)", default=0.01
    )


class TanhSettings(Section):
    """The hyperbolic tangent."""

    kind: Literal["tanh"] = setting("The form of the activation.", allowed="`tanh`", symbol="σ")


class ErfSettings(Section):
    """The error function."""

    kind: Literal["erf"] = setting("The form of the activation.", allowed="`erf`", symbol="σ")


class SigmoidSettings(Section):
    """The logistic function, σ(t) = 1 / (1 + e^(−t))."""

    kind: Literal["sigmoid"] = setting(
        "The form of the activation.", allowed="`sigmoid`", symbol="σ"
    )


class SoftplusSettings(Section):
    """σ(t) = log(1 + e^t)."""

    kind: Literal["softplus"] = setting(
        "The form of the activation.", allowed="`softplus`", symbol="σ"
    )


class GeluSettings(Section):
    """σ(t) = t Φ(t), Φ the distribution function of N(0, 1)."""

    kind: Literal["gelu"] = setting("The form of the activation.", allowed="`gelu`", symbol="σ")


class CosineSettings(Section):
    """σ(t) = cos t."""

    kind: Literal["cosine"] = setting("The form of the activation.", allowed="`cosine`", symbol="σ")


ActivationSettings = (
    PiecewiseLinearSettings
    | ReluSettings
    | LeakyReluSettings
    | TanhSettings
    | ErfSettings
    | SigmoidSettings
    | SoftplusSettings
    | GeluSettings
    | CosineSettings
)


class RidgeSettings(Section):
    """A neuron σ(⟨w, x⟩) with trained w."""

    kind: Literal["ridge"] = setting(
        "The form of a neuron.",
        allowed="`ridge`",
        symbol="σ*",
        provenance="Figures 1, 2 and 4: ridge [P 85%]",
    )
    activation: ActivationSettings = setting(
        "The activation of every neuron.",
        allowed="the keys of `neuron.activation`",
        symbol="σ",
        discriminator="kind",
    )


class PerceptronSettings(Section):
    """A neuron a σ(⟨w, x⟩ + b) with trained a, b and w."""

    kind: Literal["perceptron"] = setting(
        "The form of a neuron.", allowed="`perceptron`", symbol="σ*"
    )
    activation: ActivationSettings = setting(
        "The activation of every neuron.",
        allowed="the keys of `neuron.activation`",
        symbol="σ",
        discriminator="kind",
    )


class ReluNeuronSettings(Section):
    """A neuron a (⟨w, x⟩ + b)₊ with trained a, b and w: `perceptron` with `relu`."""

    kind: Literal["relu"] = setting(
        "The form of a neuron.",
        allowed="`relu`",
        symbol="σ*",
        provenance="Figure 3: ReLU [P 85%]",
    )


NeuronSettings = RidgeSettings | PerceptronSettings | ReluNeuronSettings
