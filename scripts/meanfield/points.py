"""A point of an experiment: what each stage reads of it, and the name that its results get."""

import re
from typing import Any, NamedTuple

from meanfield.digests import settings_digest
from meanfield.experiment import SWEPT_SECTIONS, Experiment
from meanfield.nested import ABSENT, lookup, with_value

# What each stage reads, and so what decides whether two points share its result. A stage reads all
# that the stages before it read: its input differs wherever theirs did. The limit knows neither the
# width, the step nor the seeds, but the schedule.
STAGE_READS: dict[str, tuple[str, ...]] = {
    "generate_data": (
        "law",
        "initial",
        "sgd.neurons",
        "sgd.precision",
        "sgd.test_samples",
        "seeds",
    ),
    "run_sgd": ("law", "neuron", "initial", "time", "sgd", "seeds"),
    "solve_dd": ("law", "neuron", "initial", "time", "sgd.schedule", "dd"),
    "minimize_risk": ("law", "neuron", "statics"),
    "aggregate_runs": (*SWEPT_SECTIONS, "seeds"),
}


class Point(NamedTuple):
    """One combination of an experiment's swept values, with every setting resolved.

    Attributes:
        experiment: name of the experiment.
        settings: all its settings at this point; their own `sweep` is empty.
        swept: value of each swept key, as plain JSON types, in the order of the sweep.
        seeds: keys of the random numbers, one run of SGD each.

    """

    experiment: str
    settings: Experiment
    swept: dict[str, Any]
    seeds: tuple[int, ...]


def stage_settings(point: Point, stage: str) -> dict[str, Any]:
    """Return, as plain JSON types, the settings of a point that a stage reads, and no others.

    Raises:
        ValueError: There is no such stage.

    """
    if stage not in STAGE_READS:
        raise ValueError(f"stage is {stage!r}; expected one of {', '.join(STAGE_READS)}")
    plain = point.settings.model_dump(mode="json") | {"seeds": list(point.seeds)}
    read: dict[str, Any] = {}
    for prefix in STAGE_READS[stage]:
        key = tuple(prefix.split("."))
        if (value := lookup(plain, key)) is not ABSENT:  # as in a section that is null
            read = with_value(read, key, value)
    # A list of Deltas takes the place of the law's own, so a sweep over that shares one result.
    if stage == "minimize_risk" and lookup(read, ("statics", "deltas"), None) is not None:
        read["law"] = {key: value for key, value in read["law"].items() if key != "delta"}
    return read


def point_id(point: Point, stage: str) -> str:
    """Return a name, fit for a file, for the swept settings that a stage reads.

    Points that agree in all that the stage reads share the name, others do not. Numbers and words
    stand in it as they are, as in `delta-0.8_step_size-1e-06`; lists and mappings as a hash.
    """
    read = stage_settings(point, stage)
    lasts = [key.rpartition(".")[2] for key in point.swept]
    pieces = []
    for key, last in zip(point.swept, lasts, strict=True):
        value = lookup(read, tuple(key.split(".")))
        if value is not ABSENT:
            pieces.append(f"{key if lasts.count(last) > 1 else last}-{_in_id(value)}")
    return "_".join(pieces) or "base"


def _in_id(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    # A word with - could be read as the start of the next piece.
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9.+_]+", value):
        return value
    return settings_digest({"value": value})[:8]
