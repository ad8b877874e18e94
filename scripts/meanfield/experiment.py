"""What may stand in a file of config/experiments: every key with range, unit, symbol and meaning.

The models here and in config.py are the one source of that knowledge. The messages about wrong
settings, the tables of config/README.md and the JSON Schemas for editors are all made from them.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from meanfield.settings_fields import (
    Number,
    Numbers,
    Section,
    Whole,
    dotted_keys,
    increasing,
    problem,
    setting,
)

SWEPT_SECTIONS = ("law", "neuron", "initial", "time", "sgd", "dd")


class Law(Section):
    """The law of a label and its data point: y = ±1 evenly, x given y ~ N(0, (1 + yΔ)² I_d)."""

    kind: Literal["isotropic_gaussians"] = setting(
        "The law of the data.",
        allowed="`isotropic_gaussians`",
        provenance="Figure 1: isotropic [P 85%]",
    )
    dimension: Whole = setting(
        "Number of coordinates of a data point.",
        allowed="a whole number, at least 2",
        unit="count",
        symbol="d",
        provenance="Figure 1: 40 [P 85%]",
        ge=2,
    )
    delta: Number = setting(
        "How far apart the two classes are: their standard deviations are 1 + Δ and 1 − Δ.",
        allowed="a number, 0 <= delta < 1",
        unit="1",
        symbol="Δ",
        provenance="Figure 1: 0.8 [P 85%]",
        ge=0,
        lt=1,
    )


class Activation(Section):
    """A continuous activation made of straight lines between its knots."""

    kind: Literal["piecewise_linear"] = setting(
        "The form of the activation.", allowed="`piecewise_linear`", symbol="σ"
    )
    knots: Numbers = setting(
        "Arguments at which the slope changes.",
        allowed="a list of strictly increasing numbers, at least one, none of them 0",
        unit="1",
        symbol="t",
        provenance="Figure 1: 0.5, 1.5 [P 85%]",
        min_length=1,
    )
    values: Numbers = setting(
        "Value of the activation at each knot.",
        allowed="a list of as many numbers as there are knots",
        unit="1",
        symbol="σ(t)",
        provenance="Figure 1: −2.5, 7.5 [P 85%]",
        min_length=1,
    )
    left_slope: Number = setting(
        "Slope to the left of the first knot.",
        allowed="a number",
        unit="1",
        symbol="σ'(−∞)",
        default=0.0,
        provenance="Figure 1: 0 [P 85%]",
    )
    right_slope: Number = setting(
        "Slope to the right of the last knot.",
        allowed="a number",
        unit="1",
        symbol="σ'(∞)",
        default=0.0,
        provenance="Figure 1: 0 [P 85%]",
    )

    @field_validator("knots")
    @classmethod
    def _check_knots(cls, knots: Numbers) -> Numbers:
        if 0.0 in knots:
            expected = (
                "a knot other than 0: with one there the force on a neuron jumps at w = 0, and the "
                "sticky point r = 0 that this makes is not supported yet"
            )
            raise problem(expected, (knots.index(0.0),))
        return increasing(knots)

    @model_validator(mode="after")
    def _check_lengths(self) -> "Activation":
        if len(self.values) != len(self.knots):
            raise problem(f"{len(self.knots)} numbers, one a knot", ("values",))
        return self


class Neuron(Section):
    """What one neuron computes: σ(⟨w, x⟩)."""

    kind: Literal["ridge"] = setting(
        "The form of a neuron.",
        allowed="`ridge`",
        symbol="σ*",
        provenance="Figure 1: ridge [P 85%]",
    )
    activation: Activation = setting(
        "The activation of every neuron.", allowed="the keys of `neuron.activation`", symbol="σ"
    )


class Initial(Section):
    """The law from which the weights start: w ~ N(0, κ²/d I_d)."""

    kind: Literal["gaussian"] = setting("The law of the initial weights.", allowed="`gaussian`")
    scale: Number = setting(
        "Initial length of a weight vector: the root mean square of ‖w‖.",
        allowed="a number above 0, at most 1e6",
        unit="1",
        symbol="κ",
        provenance="Figure 1: 0.8 [P 85%]",
        gt=0,
        le=1e6,
    )


class Time(Section):
    """Where on the axis t = kε the two dynamics are looked at."""

    horizon: Number = setting(
        "Time at which both dynamics end.",
        allowed="a number above 0",
        unit="1",
        symbol="T",
        provenance="Figure 1: 10 [C]",
        gt=0,
    )
    snapshots: Numbers = setting(
        "Times at which the law of SGD's neurons is compared with its limit.",
        allowed="a list of strictly increasing numbers, at least one, each in [0, horizon]",
        unit="1",
        symbol="t",
        min_length=1,
        provenance="Figure 1: these times [C]",
    )
    curve_points: Whole = setting(
        "Number of equally spaced times from 0 to the horizon at which both dynamics are stored, "
        "beside the snapshots.",
        allowed="a whole number, at least 2",
        unit="count",
        default=101,
        ge=2,
    )

    @field_validator("snapshots")
    @classmethod
    def _check_order(cls, snapshots: Numbers) -> Numbers:
        return increasing(snapshots)

    @model_validator(mode="after")
    def _check_range(self) -> "Time":
        for index, time in enumerate(self.snapshots):
            if not 0 <= time <= self.horizon:
                expected = f"a time in [0, horizon], that is [0, {self.horizon!r}]"
                raise problem(expected, ("snapshots", index))
        return self


class Sgd(Section):
    """Stochastic gradient descent with a fresh data point at every step."""

    neurons: Whole = setting(
        "Width of the network.",
        allowed="a whole number, at least 1",
        unit="count",
        symbol="N",
        provenance="Figure 1: 800 [P 85%]",
        ge=1,
    )
    step_size: Number = setting(
        "Time that one step advances: θ moves by 2ε(y − ŷ)∇σ*, and t = kε after k steps.",
        allowed="a number above 0, such that horizon / step_size < 2^63 and the snapshots fall on "
        "different steps",
        unit="1",
        symbol="ε",
        provenance="Figure 1: 1e-6 [P 85%]",
        gt=0,
    )
    precision: Literal["float32", "float64"] = setting(
        "Floating-point type of the weights during the run.",
        allowed="`float32` or `float64`",
        default="float32",
    )
    test_samples: Whole = setting(
        "Number of fresh data points from which the part of the risk that the neurons' radii do "
        "not determine is estimated.",
        allowed="a whole number, at least 2",
        unit="count",
        default=10000,
        ge=2,
    )


class Dd(Section):
    """The distributional dynamics, the limit of SGD for many neurons and small steps."""

    atoms: Whole = setting(
        "Number of points that carry the measure over neurons.",
        allowed="a whole number, at least 2",
        unit="count",
        symbol="J",
        default=800,
        ge=2,
    )
    nodes: Whole = setting(
        "Number of quadrature nodes per label for the length of a data point.",
        allowed="a whole number, at least 1",
        unit="count",
        symbol="Q/2",
        default=24,
        ge=1,
    )
    tolerance: Number = setting(
        "Error allowed in one step of the time integration, relative to the size of the state.",
        allowed="a number, 1e-13 <= tolerance <= 1e-2",
        unit="1",
        default=1e-6,
        ge=1e-13,
        le=1e-2,
    )


class Figure(Section):
    """How the aggregate of an experiment is drawn."""

    layout: Literal["figure_1"] = setting("The kind of drawing.", allowed="`figure_1`")
    histogram_times: Numbers = setting(
        "Times whose histograms of ‖w‖ are drawn, one panel each.",
        allowed="a list of 1 to 6 strictly increasing numbers, each among the snapshots",
        unit="1",
        symbol="t",
        min_length=1,
        max_length=6,
        provenance="Figure 1: these times [C]",
    )
    bins: Whole = setting(
        "Number of bins of a histogram.",
        allowed="a whole number, at least 1",
        unit="count",
        default=40,
        ge=1,
    )

    inner_radius: Number | None = setting(
        "The mass below this norm is written into the histograms, and its peak, which would dwarf "
        "the rest, does not set their vertical scale; null: there is no such mass.",
        allowed="a number above 0, or null",
        unit="1",
        symbol="r",
        default=None,
        gt=0,
        provenance="Figure 1: 0.25 [C]",
    )

    @field_validator("histogram_times")
    @classmethod
    def _check_order(cls, times: Numbers) -> Numbers:
        return increasing(times)


class Experiment(Section):
    """One file of config/experiments: a setting of the theory, or a sweep over several."""

    title: str = setting(
        "What the experiment shows, in a line; it opens the alternative text of figures.",
        allowed="a text that is not empty",
        min_length=1,
    )
    law: Law = setting("The law of the data.", allowed="the keys of `law`", symbol="P")
    neuron: Neuron = setting("The neurons.", allowed="the keys of `neuron`", symbol="σ*")
    initial: Initial = setting("The start.", allowed="the keys of `initial`", symbol="ρ₀")
    time: Time = setting("The times looked at.", allowed="the keys of `time`", symbol="t")
    sgd: Sgd = setting("The run of SGD.", allowed="the keys of `sgd`")
    dd: Dd = setting("The run of its limit.", allowed="the keys of `dd`", default=Dd(), symbol="DD")
    figure: Figure | None = setting(
        "The drawing; without it the experiment ends with its aggregate.",
        allowed="the keys of `figure`, or null",
        default=None,
    )
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = setting(
        "Settings to vary. The experiment is run at every combination of the listed values.",
        allowed="a mapping from dotted keys (as in `law.delta`) below "
        + ", ".join(SWEPT_SECTIONS)
        + " to lists of distinct values, none empty",
        default={},
    )

    @field_validator("sweep")
    @classmethod
    def _check_sweep(cls, sweep: dict[str, list[Any]]) -> dict[str, list[Any]]:
        sections = tuple(f"{name}." for name in SWEPT_SECTIONS)
        known = tuple(key for key in dotted_keys(cls) if f"{key}.".startswith(sections))
        for key in sweep:
            if key not in known:
                expected = f"a dotted key below one of {', '.join(SWEPT_SECTIONS)}"
                raise problem(expected, (key,), known)
            for other in sweep:
                if key.startswith(other + "."):
                    raise problem(f"a key outside {other!r}, which is swept as well", (key,))
        return sweep

    @model_validator(mode="after")
    def _check_steps(self) -> "Experiment":
        step, horizon, snapshots = self.sgd.step_size, self.time.horizon, self.time.snapshots
        where = ("sgd", "step_size")
        if not horizon / step < 2**63:
            raise problem(f"a step such that {horizon!r} / step_size < 2^63", where)
        if round(horizon / step) < 1:
            raise problem(f"a step no longer than the horizon, {horizon!r}", where)
        for low, high in pairwise(snapshots):
            if round(low / step) == round(high / step):
                expected = (
                    f"a step so small that the snapshots {low!r} and {high!r} fall on different "
                    "steps"
                )
                raise problem(expected, where)
        return self

    @model_validator(mode="after")
    def _check_histogram_times(self) -> "Experiment":
        for index, time in enumerate(self.figure.histogram_times if self.figure else ()):
            if time not in self.time.snapshots:
                expected = f"one of the snapshots, {', '.join(map(repr, self.time.snapshots))}"
                raise problem(expected, ("figure", "histogram_times", index))
        return self
