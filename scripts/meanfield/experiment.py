"""What may stand in a file of config/experiments: every key with range, unit, symbol and meaning.

The models here, in the modules settings_*.py and in config.py are the one source of that knowledge.
The messages about wrong settings, the tables of config/README.md and the JSON Schemas for editors
are all made from them.
"""

from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from meanfield.settings_dynamics import Dd, Sgd, Time
from meanfield.settings_fields import Section, Whole, dotted_keys, problem, seed_keys, setting
from meanfield.settings_figures import FigureSettings, FilmSettings
from meanfield.settings_initial import InitialSettings
from meanfield.settings_laws import LawSettings
from meanfield.settings_limit import check_limit
from meanfield.settings_minimum import check_minimum
from meanfield.settings_neurons import NeuronSettings
from meanfield.settings_statics import Statics

SWEPT_SECTIONS = ("law", "neuron", "initial", "time", "sgd", "dd", "statics")


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
    initial: InitialSettings | None = setting(
        "The start: the law of w, or, with `kind: product`, those of a, b and w.",
        allowed="the keys of `initial`, or null; null only if `sgd` and `dd` are",
        symbol="ρ₀",
        discriminator="kind",
    )
    time: Time | None = setting(
        "The times looked at.",
        allowed="the keys of `time`, or null; null only if `sgd` and `dd` are",
        symbol="t",
    )
    sgd: Sgd | None = setting(
        "The run of SGD; null for none. Its schedule is that of the limit too, which without it is "
        "ξ = 1.",
        allowed="the keys of `sgd`, or null",
    )
    dd: Dd | None = setting(
        "The run of its limit; null for SGD alone. It is known without weight decay and noise.",
        allowed="the keys of `dd`, or null",
        default=Dd(),
        symbol="DD",
    )
    statics: Statics | None = setting(
        "The minimum of the risk over all measures; null for none. It is known for "
        "`isotropic_gaussians` and `anisotropic_gaussians`, with every neuron.",
        allowed="the keys of `statics`, or null",
        default=None,
        symbol="inf R",
    )
    seeds: tuple[Whole, ...] | None = setting(
        "Keys of the random numbers, one run of SGD each; null: those of config.yaml.",
        allowed="a list of distinct whole numbers, at least one, 0 <= seed < 2^64, or null",
        default=None,
        min_length=1,
    )
    figure: FigureSettings | None = setting(
        "The drawing; without one the experiment ends with its aggregate.",
        allowed="the keys of `figure`, or null; null if `sgd` or `dd` is",
        default=None,
        discriminator="kind",
    )
    film: FilmSettings | None = setting(
        "A film of the law of ‖w‖; null: none.",
        allowed="the keys of `film`, or null; null if `sgd` or `dd` is",
        default=None,
    )
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = setting(
        "Settings to vary. The experiment is run at every combination of the listed values.",
        allowed="a mapping from dotted keys (as in `law.delta`) below "
        + ", ".join(SWEPT_SECTIONS)
        + " to lists of distinct values, none empty",
        default={},
    )

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...] | None) -> tuple[int, ...] | None:
        return seeds if seeds is None else seed_keys(seeds)

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
    def _check_present(self) -> "Experiment":
        if self.sgd is None and self.dd is None and self.statics is None:
            raise problem(
                "the keys of sgd: with sgd, dd and statics null, nothing is run", ("sgd",)
            )
        for name in ("initial", "time"):
            needing = [each for each in ("sgd", "dd") if getattr(self, each) is not None]
            if getattr(self, name) is None and needing:
                raise problem(f"the keys of {name}, since {needing[0]} is not null", (name,))
        for name in ("figure", "film"):
            if getattr(self, name) is not None and self.sgd is None:
                raise problem("null: it draws SGD, and sgd is null", (name,))
        return self

    @model_validator(mode="after")
    def _check_steps(self) -> "Experiment":
        if self.sgd is None or self.time is None:
            return self
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
    def _check_drawn_times(self) -> "Experiment":
        snapshots = self.time.snapshots if self.time else ()
        drawn = {
            ("figure", "histogram_times"): getattr(self.figure, "histogram_times", ()),
            ("film", "stills"): self.film.stills if self.film else (),
        }
        for key, times in drawn.items():
            for index, time in enumerate(times):
                if time not in snapshots:
                    expected = f"one of the snapshots, {', '.join(map(repr, snapshots))}"
                    raise problem(expected, (*key, index))
        return self

    @model_validator(mode="after")
    def _check_start(self) -> "Experiment":
        if self.initial is None:
            return self
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
            for name in ("figure", "film"):
                if getattr(self, name) is not None:
                    raise problem("null: it draws the limit, and dd is null", (name,))
            return self
        if self.initial is None:
            return self  # refused already
        check_limit(self.law, self.neuron, self.initial, self.sgd, self.dd)
        one_radius = self.law.kind == "isotropic_gaussians" and self.neuron.kind == "ridge"
        radial = {"film": "it"} if self.film else {}
        radial |= {"figure": self.figure.kind} if self.figure and self.figure.radial else {}
        for name, kind in radial.items():
            if not (one_radius and self.dd.problem == "reduced"):
                expected = (
                    f"null: {kind} draws the law of r, for the law isotropic_gaussians, ridge "
                    "neurons and the reduced problem"
                )
                raise problem(expected, (name,))
        return self

    @model_validator(mode="after")
    def _check_statics(self) -> "Experiment":
        if self.statics is None:
            if self.figure is not None and self.figure.minimum:
                expected = f"the keys of statics, since {self.figure.kind} draws the minimum"
                raise problem(expected, ("statics",))
            return self
        check_minimum(self.law, self.neuron, self.statics)
        return self
