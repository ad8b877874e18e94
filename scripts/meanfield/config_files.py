"""From settings files to the points that the workflow computes.

An experiment's file, changed by the overrides of the config files, is checked as a whole at every
combination of its swept values. Whatever is wrong is reported at once, each line with the file that
set the value.
"""

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from meanfield.config import Config
from meanfield.config_errors import (
    ConfigError,
    Layer,
    known,
    messages,
    place_of,
    shown,
    shown_path,
)
from meanfield.digests import settings_digest
from meanfield.experiment import Experiment
from meanfield.nested import Key, difference, lookup, merge, with_value
from meanfield.points import STAGE_READS, Point, point_id, stage_settings


class Settings(NamedTuple):
    """All that the workflow needs to know: the config and the points of each experiment."""

    config: Config
    experiments: dict[str, tuple[Point, ...]]


# --- reading -----------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (first := lines.get((key.tag, key.value))) is not None:
                    reason = f"the key {key.value!r} stands twice, first on line {first}"
                    raise yaml.composer.ComposerError(None, None, reason, key.start_mark)
                lines[key.tag, key.value] = key.start_mark.line + 1
        return node


# YAML 1.1 wants a dot and a sign in a float's exponent form: without this, 1e-6 is a string.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def load_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping; an empty file is an empty mapping.

    Raises:
        FileNotFoundError: There is no such file.
        ConfigError: The file cannot be read, is not YAML, repeats a key or holds no mapping.

    """
    path = Path(path)
    name = shown_path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{name}{place}: not valid YAML: {reason}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: got {shown(content)}; expected a mapping from keys to values")
    return content


# --- the settings of a run ---------------------------------------------------------------------


def load_settings(
    config: Mapping[str, Any],
    config_files: Sequence[Path],
    experiments_dir: Path,
    reserved_names: Collection[str] = (),
) -> Settings:
    """Check the merged config and every experiment that it asks for.

    Args:
        config: The config as Snakemake merged it from its files and the command line.
        config_files: Those files, in the order in which they were merged.
        experiments_dir: Folder of the experiments, one YAML file each.
        reserved_names: Names that no experiment may have, such as targets of the workflow.

    Returns:
        The checked config, and the points of each experiment in the order of its sweep.

    Raises:
        ConfigError: Something is wrong; the message lists everything that is.

    """
    layers = [Layer(shown_path(path), (), load_yaml(path)) for path in config_files]
    in_files: dict[str, Any] = {}
    for layer in layers:
        in_files = merge(in_files, layer.content)
    layers.append(Layer("the command line (--config)", (), difference(config, in_files)))

    try:
        settings = Config.model_validate(dict(config))
    except ValidationError as error:
        raise ConfigError(*messages(error, Config, layers)) from None
    files = _discover(experiments_dir, reserved_names)
    named = [] if settings.experiments == "all" else list(enumerate(settings.experiments))
    problems = [_no_such(name, ("experiments", i), files, layers) for i, name in named]
    problems += [_no_such(name, ("overrides", name), files, layers) for name in settings.overrides]
    if any(problems):
        raise ConfigError(*filter(None, problems))

    experiments: dict[str, tuple[Point, ...]] = {}
    problems = []
    for name in files if settings.experiments == "all" else settings.experiments:
        where: Key = ("overrides", name)
        changes = [Layer(each.name, where, lookup(each.content, where, {})) for each in layers]
        try:
            own = Layer(shown_path(files[name]), (), load_yaml(files[name]))
            raw = merge(own.content, settings.overrides.get(name, {}))
            experiments[name] = _points(name, raw, [own, *changes], settings.seeds)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return Settings(settings, experiments)


def _discover(folder: Path, reserved_names: Collection[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    problems = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        name, shown = path.stem, shown_path(path)
        if name.startswith("."):  # an editor's lock or backup
            continue
        if name in files:
            other = shown_path(files[name])
            problems.append(f"{shown}: {other} is an experiment of the same name; rename one")
        elif not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            allowed = "a lower-case letter, then lower-case letters, digits and _"
            problems.append(f"{shown}: got the name {name!r}; expected {allowed}")
        elif name in reserved_names:
            problems.append(f"{shown}: the workflow has a target {name!r} already; rename the file")
        files[name] = path
    if not files:
        problems.append(f"{shown_path(folder)}: no experiment there; expected a *.yaml file")
    if problems:
        raise ConfigError(*problems)
    return files


def _no_such(name: str, key: Key, names: Collection[str], layers: Sequence[Layer]) -> str:
    if name in names:
        return ""
    return f"{place_of(key, layers)[0]}: no experiment {name!r}{known(name, names)}"


# --- the points of a sweep ---------------------------------------------------------------------


def _points(
    name: str, raw: dict[str, Any], layers: Sequence[Layer], seeds: tuple[int, ...]
) -> tuple[Point, ...]:
    try:
        sweep = Experiment.model_validate(raw).sweep
    except ValidationError as error:
        # With a sound sweep only the points count: the base may lack what is swept.
        in_sweep = any(problem["loc"][:1] == ("sweep",) for problem in error.errors())
        sweep = {} if in_sweep else raw.get("sweep", {})
        if not sweep:
            raise ConfigError(*messages(error, Experiment, layers)) from None

    points: list[Point] = []
    faults: dict[str, list[str]] = {}  # message: points at which it holds
    combinations = list(itertools.product(*(range(len(values)) for values in sweep.values())))
    for chosen in combinations:
        indices = dict(zip(sweep, chosen, strict=True))
        at_point: dict[str, Any] = {**raw, "sweep": {}}
        for key, index in indices.items():
            at_point = with_value(at_point, tuple(key.split(".")), sweep[key][index])
        try:
            settings = Experiment.model_validate(at_point)
        except ValidationError as error:
            values = ", ".join(f"{key} = {shown(sweep[key][i])}" for key, i in indices.items())
            for text in messages(error, Experiment, layers, indices):
                faults.setdefault(text, []).append(values)
            continue
        plain = settings.model_dump(mode="json")
        swept = {key: lookup(plain, tuple(key.split("."))) for key in sweep}
        own_seeds = seeds if settings.seeds is None else settings.seeds
        points.append(Point(name, settings, swept, own_seeds))
    # The key at fault may be sound but for the sweep, which may stand in another file.
    problems = [
        text if len(where) == len(combinations) else f"{text}; at the sweep's point {where[0]}"
        for text, where in faults.items()
    ]
    if not problems:
        problems = _repeated(points, sweep, layers) or _not_drawn(points, layers)
    if problems:
        raise ConfigError(*problems)
    return tuple(points)


def _repeated(
    points: Sequence[Point], sweep: Mapping[str, list[Any]], layers: Sequence[Layer]
) -> list[str]:
    problems = []
    for key, values in sweep.items():
        if len({settings_digest({key: point.swept[key]}) for point in points}) < len(values):
            place, got = place_of(("sweep", key), layers)
            problems.append(f"{place}: got {shown(got)}; expected each value only once")
    for stage in STAGE_READS:
        owners: dict[str, str] = {}
        for point in points:
            digest = settings_digest(stage_settings(point, stage))
            if owners.setdefault(point_id(point, stage), digest) != digest:
                problems.append(
                    f"{place_of(('sweep',), layers)[0]}: two points have the id "
                    f"{point_id(point, stage)!r}; sweep other values or write a section out in keys"
                )
    return problems


def _not_drawn(points: Sequence[Point], layers: Sequence[Layer]) -> list[str]:
    """Return what a figure or a film misses in the sweep, and what it cannot draw of it."""
    problems = []
    settings, swept = points[0].settings, points[0].swept
    figure = settings.figure
    for key in figure.sweeps if figure else ():
        if key not in swept:
            place, got = place_of(("figure", "kind"), layers)
            problems.append(f"{place}: got {shown(got)}, which draws a sweep over {key}; add one")
    if figure and figure.tells_apart is not None:
        drawn = (*figure.sweeps, *figure.tells_apart)
        for key in swept:
            if key not in drawn:
                place, got = place_of(("sweep", key), layers)
                problems.append(
                    f"{place}: got {shown(got)}; expected no such sweep, since {figure.kind} tells "
                    f"runs apart by {', '.join(drawn)} alone; sweep it in another experiment"
                )
    names = [point_id(point, "aggregate_runs") for point in points]
    for index, name in enumerate((settings.film and settings.film.points) or ()):
        if name not in names:
            place, got = place_of(("film", "points", index), layers)
            problems.append(f"{place}: no point {shown(got)}{known(name, names)}")
    return problems
