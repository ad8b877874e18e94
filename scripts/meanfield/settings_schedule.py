"""What may stand below `sgd.schedule`: how the step of SGD changes with time."""

from math import log
from typing import Literal

from pydantic import field_validator, model_validator

from meanfield.settings_fields import Number, Numbers, Section, increasing, problem, setting


class ConstantSettings(Section):
    """A constant: ξ(t) = value."""

    kind: Literal["constant"] = setting("The form of the schedule.", allowed="`constant`")
    value: Number = setting(
        "The constant.",
        allowed="a number above 0",
        unit="1",
        symbol="ξ",
        default=1.0,
        provenance="Figures 1, 2 and 4: 1 [P 85%]",
        gt=0,
    )


class PowerSettings(Section):
    """A power of time: ξ(t) = c (t + t₀)^(−p).

    With t₀ = 0 it is infinite at t = 0; step k then takes ξ at time (k + 1)ε.
    """

    kind: Literal["power"] = setting("The form of the schedule.", allowed="`power`")
    c: Number = setting(
        "Factor.",
        allowed="a number above 0",
        unit="1",
        symbol="c",
        default=1.0,
        provenance="Figure 3: 1 [P 85%]",
        gt=0,
    )
    t0: Number = setting(
        "Offset of time.",
        allowed="0, or a number at least 1e-100",
        unit="1",
        symbol="t₀",
        default=0.0,
        provenance="Figure 3: 0 [P 85%]",
    )
    p: Number = setting(
        "Exponent.",
        allowed="a number, at least 0; below 1 if t0 is 0",
        unit="1",
        symbol="p",
        provenance="Figure 3: 1/4 [P 85%]",
        ge=0,
        le=100,
    )

    @model_validator(mode="after")
    def _check_singularity(self) -> "PowerSettings":
        if not (self.t0 == 0 or self.t0 >= 1e-100):
            raise problem("0, or a number at least 1e-100", ("t0",))
        if self.t0 == 0 and self.p >= 1:
            raise problem("a number below 1: with t0 = 0, ξ has no integral otherwise", ("p",))
        if self.t0 > 0 and not self.p * abs(log(self.t0)) < 600:
            raise problem("a number for which t0^(-p) is neither huge nor tiny", ("p",))
        return self


class PiecewiseSettings(Section):
    """A constant on each of several intervals of time."""

    kind: Literal["piecewise"] = setting("The form of the schedule.", allowed="`piecewise`")
    times: Numbers = setting(
        "Times at which the intervals begin.",
        allowed="a list of strictly increasing numbers, the first 0",
        unit="1",
        symbol="t",
        min_length=1,
    )
    values: Numbers = setting(
        "Value on each interval.",
        allowed="a list of numbers above 0, as many as there are times",
        unit="1",
        symbol="ξ",
        min_length=1,
    )

    @field_validator("times")
    @classmethod
    def _check_times(cls, times: Numbers) -> Numbers:
        if times[0] != 0:
            raise problem("0, where time begins", (0,))
        return increasing(times)

    @field_validator("values")
    @classmethod
    def _check_values(cls, values: Numbers) -> Numbers:
        for index, value in enumerate(values):
            if not value > 0:
                raise problem("a number above 0", (index,))
        return values

    @model_validator(mode="after")
    def _check_lengths(self) -> "PiecewiseSettings":
        if len(self.values) != len(self.times):
            raise problem(f"{len(self.times)} numbers, one a time", ("values",))
        return self


ScheduleSettings = ConstantSettings | PowerSettings | PiecewiseSettings
