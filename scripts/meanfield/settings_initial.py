"""What may stand below `initial`: numbers of a size whose squares float32 can hold."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from meanfield.settings_fields import Number, Numbers, Section, problem, setting


class GaussianSettings(Section):
    """A Gaussian: N(0, κ²/n I_n) on n coordinates, so w ~ N(0, κ²/d I_d)."""

    kind: Literal["gaussian"] = setting("The law of the parameter.", allowed="`gaussian`")
    scale: Number = setting(
        "Initial length of a vector, such as the weights: the root mean square of its norm.",
        allowed="a number above 0, at most 1e6",
        unit="1",
        symbol="κ",
        provenance="Figures 1 and 3: 0.8 [P 85%]; 2: 0.8 [C]; 4: 0.1, 0.4 [P 85%]",
        gt=0,
        le=1e6,
    )


class SphereSettings(Section):
    """The uniform law on a sphere about 0; for one number, the two points −radius and radius."""

    kind: Literal["sphere"] = setting("The law of the parameter.", allowed="`sphere`")
    radius: Number = setting(
        "Radius of the sphere.", allowed="a number above 0, at most 1e6", unit="1", gt=0, le=1e6
    )


class UniformSettings(Section):
    """Independent coordinates, each uniform on an interval."""

    kind: Literal["uniform"] = setting("The law of the parameter.", allowed="`uniform`")
    low: Number = setting(
        "Lower end of the interval.",
        allowed="a number, -1e6 <= low < high",
        unit="1",
        ge=-1e6,
    )
    high: Number = setting(
        "Upper end of the interval.", allowed="a number above low, at most 1e6", unit="1", le=1e6
    )

    @model_validator(mode="after")
    def _check_order(self) -> "UniformSettings":
        if not self.low < self.high:
            raise problem(f"a number above low, {self.low!r}", ("high",))
        return self


class PointSettings(Section):
    """The same value for every neuron and coordinate."""

    kind: Literal["point"] = setting("The law of the parameter.", allowed="`point`")
    value: Number = setting(
        "The value.",
        allowed="a number, -1e6 <= value <= 1e6",
        unit="1",
        provenance="Figure 3: a = b = 1 [P 85%]",
        ge=-1e6,
        le=1e6,
    )


Component = GaussianSettings | SphereSettings | UniformSettings | PointSettings


class MixtureSettings(Section):
    """One of several laws for each neuron, chosen with given probabilities."""

    kind: Literal["mixture"] = setting("The law of the parameter.", allowed="`mixture`")
    weights: Numbers = setting(
        "Probabilities of the components; they are divided by their sum.",
        allowed="a list of numbers above 0, at least one",
        unit="1",
        min_length=1,
    )
    components: tuple[Annotated[Component, Field(discriminator="kind")], ...] = setting(
        "The laws.",
        allowed="a list of as many laws as there are weights, each with the keys of "
        "`initial.components[]`",
        min_length=1,
    )

    @field_validator("weights")
    @classmethod
    def _check_weights(cls, weights: Numbers) -> Numbers:
        for index, weight in enumerate(weights):
            if not weight > 0:
                raise problem("a number above 0", (index,))
        return weights

    @model_validator(mode="after")
    def _check_lengths(self) -> "MixtureSettings":
        if len(self.components) != len(self.weights):
            raise problem(f"{len(self.weights)} laws, one a weight", ("components",))
        return self


ParameterSettings = Component | MixtureSettings


class ProductSettings(Section):
    """Independent laws of a, b and w, for neurons with an output weight and an offset."""

    kind: Literal["product"] = setting("The law of all parameters.", allowed="`product`")
    a: ParameterSettings = setting(
        "The law of the output weights.",
        allowed="the keys of `initial.a`",
        symbol="a",
        discriminator="kind",
    )
    b: ParameterSettings = setting(
        "The law of the offsets.",
        allowed="the keys of `initial.b`",
        symbol="b",
        discriminator="kind",
    )
    w: ParameterSettings = setting(
        "The law of the weights.",
        allowed="the keys of `initial.w`",
        symbol="w",
        discriminator="kind",
    )


InitialSettings = ParameterSettings | ProductSettings
