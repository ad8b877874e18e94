"""What may stand in a file of config/experiments: every key with range, unit, symbol and meaning.

The models here, in the modules settings_*.py and in config.py are the one source of that knowledge.
The messages about wrong settings, the tables of config/README.md and the JSON Schemas for editors
are all made from them.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from meanfield.settings_dynamics import Dd, Sgd, Time
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
from meanfield.settings_initial import InitialSettings
from meanfield.settings_laws import LawSettings
from meanfield.settings_limit import check_limit
from meanfield.settings_neurons import NeuronSettings

SWEPT_SECTIONS = ("law", "neuron", "initial", "time", "sgd", "dd")


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
    law: LawSettings = setting(
        "The law of the data.", allowed="the keys of `law`", symbol="P", discriminator="kind"
    )
    neuron: NeuronSettings = setting(
        "The neurons.", allowed="the keys of `neuron`", symbol="σ*", discriminator="kind"
    )
    initial: InitialSettings = setting(
        "The start: the law of w, or, with `kind: product`, those of a, b and w.",
        allowed="the keys of `initial`",
        symbol="ρ₀",
        discriminator="kind",
    )
    time: Time = setting("The times looked at.", allowed="the keys of `time`", symbol="t")
    sgd: Sgd = setting("The run of SGD.", allowed="the keys of `sgd`")
    dd: Dd | None = setting(
        "The run of its limit; null for SGD alone. It is known without weight decay and noise.",
        allowed="the keys of `dd`, or null",
        default=Dd(),
        symbol="DD",
    )
    figure: Figure | None = setting(
        "The drawing; without it the experiment ends with its aggregate.",
        allowed="the keys of `figure`, or null; null if `dd` is null",
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

    @model_validator(mode="after")
    def _check_start(self) -> "Experiment":
        product = self.initial.kind == "product"
        if self.neuron.kind == "ridge" and product:
            expected = "the law of w alone, since a neuron `ridge` has no other parameters"
            raise problem(expected.replace("`", ""), ("initial", "kind"))
        if self.neuron.kind != "ridge" and not product:
            expected = (
                f"product, with laws of a, b and w, since a neuron {self.neuron.kind} has them"
            )
            raise problem(expected, ("initial", "kind"))
        return self

    @model_validator(mode="after")
    def _check_limit(self) -> "Experiment":
        if self.dd is None:
            if self.figure is not None:
                raise problem("null: it draws the limit, and dd is null", ("figure",))
            return self
        check_limit(self.law, self.neuron, self.initial, self.sgd, self.dd)
        one_radius = self.law.kind == "isotropic_gaussians" and self.neuron.kind == "ridge"
        if self.figure is not None and not (one_radius and self.dd.problem == "reduced"):
            expected = (
                "null: figure_1 draws the law of r, for the law isotropic_gaussians, ridge neurons "
                "and the reduced problem"
            )
            raise problem(expected, ("figure",))
        return self
