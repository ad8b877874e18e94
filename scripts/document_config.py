"""Write what the settings models know into config/README.md and the JSON Schemas for editors.

In: the models of meanfield.config and meanfield.experiment, the stages' table of meanfield.points.
Out: config/README.md, workflow/schemas/config.schema.json, workflow/schemas/experiment.schema.json.

    python scripts/document_config.py            writes them
    python scripts/document_config.py --check    exits 1 if they are out of step, and writes nothing
"""

import argparse
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from meanfield.config import Config
from meanfield.experiment import SWEPT_SECTIONS, Experiment
from meanfield.points import STAGE_READS
from meanfield.settings_fields import Section, entries_of, kind_of, sections_of

ROOT = Path(__file__).resolve().parent.parent

INTRODUCTION = """\
# Settings

<!-- Written by scripts/document_config.py from the settings models; edit those. -->

`config.yaml` says what to run. Each file of `experiments/` is one experiment and needs no code.
`quick.yaml` runs everything at toy size: `snakemake --cores all --configfile config/quick.yaml`.
A key that is not listed here, or a value out of its range, stops the workflow before its first job;
the message names the file, the key, the value and what is allowed.

## Add an experiment

Put a file into `experiments/`. Its name, a lower-case letter followed by lower-case letters, digits
and `_`, becomes the name of the experiment and of its results. This one has an activation of its
own: −1 up to t = 0.25, a ramp to 1 at t = 1.25, then slowly rising.

```yaml
# yaml-language-server: $schema=../../workflow/schemas/experiment.schema.json
title: A ramp that does not quite saturate
law: {kind: isotropic_gaussians, dimension: 40, delta: 0.5}
neuron:
  kind: ridge
  activation:
    kind: piecewise_linear
    knots: [0.25, 1.25]
    values: [-1, 1]
    right_slope: 0.1
initial: {kind: gaussian, scale: 0.8}
time: {horizon: 5, snapshots: [0, 1, 5]}
sgd: {neurons: 400, step_size: 1e-5}
```

Numbers may be written `1e-6` or `0.000001`. The first line lets an editor check the file while
it is written.

## Sweep over a setting

`sweep` maps dotted keys to lists. The experiment is run at every combination of the listed values:
here at six points.

```yaml
sweep:
  law.delta: [0.2, 0.5, 0.8]
  sgd.neurons: [400, 800]
```

Any key below SECTIONS can be swept,
and so can a whole section. A result's name holds the swept settings that its stage reads, as in
`delta-0.5_neurons-400`, and a stage runs once for all points that it cannot tell apart: the two
widths above share one run of the limit.

## Leave out what is not needed

SGD, its limit and the minimum of the risk are asked for by the sections `sgd`, `dd` and `statics`;
one that is null is not run. Theory alone needs neither times nor a start. This minimises the risk
at 181 values of Δ in one job of some seconds, where a sweep would take a job each:

```yaml
title: The least risk against Δ
law: {kind: isotropic_gaussians, dimension: 40, delta: 0.5}
neuron:
  kind: ridge
  activation: {kind: piecewise_linear, knots: [0.5, 1.5], values: [-2.5, 7.5]}
initial: null
time: null
sgd: null
dd: null
statics: {deltas: {start: 0, stop: 0.9, count: 181}}
```

## Override an experiment

`overrides` in a config file changes an experiment and leaves its file alone. Mappings are merged
key by key; lists are replaced.

```yaml
overrides:
  figure_1:
    sgd: {step_size: 1e-5}
    sweep: {law.delta: [0.4, 0.8]}
```

A file given with `--configfile` is merged onto `config.yaml` by the same rule, so its overrides add
to those there.
"""

MARKS = """
Where the values of the figures come from is marked: **[P n%]** as published by Mei, Montanari and
Nguyen (PNAS 2018), quoted from knowledge of the article with that confidence; **[D]** derived, and
checked along two routes; **[C]** chosen here.
Everything is dimensionless: 1 is the unit of a pure number.
"""

HEADER = "| key | type and range | default | unit | symbol | meaning |\n|---|---|---|---|---|---|"


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the documents below `root`, or with `--check` compare them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if out of step")
    check = parser.parse_args(arguments).check
    status = 0
    for name, text in documents().items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            print(f"{name} is out of step: run python scripts/document_config.py", file=sys.stderr)
            status = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return status


def documents() -> dict[str, str]:
    """Return the text of every generated file by its path below the project folder."""
    return {
        "config/README.md": readme(),
        "workflow/schemas/config.schema.json": schema(Config),
        "workflow/schemas/experiment.schema.json": schema(Experiment),
    }


def schema(model: type[Section]) -> str:
    """Return the JSON Schema of a settings file."""
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(content | model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def readme() -> str:
    """Return the guide to the settings with a table for each level."""
    *sections, last = (f"`{name}`" for name in SWEPT_SECTIONS)
    lines = [INTRODUCTION.replace("SECTIONS", f"{', '.join(sections)} and {last}"), "## All keys"]
    lines += [MARKS, "### `config.yaml`\n", _table(Config), ""]
    lines += ["### `experiments/<name>.yaml`\n", _table(Experiment), ""]
    homes = _homes()
    places: dict[str, tuple[type[Section], ...]] = {}
    for owner, at, key, below in _places(Experiment, ""):
        if homes.get(owner, "") == at:
            places[key] = tuple(dict.fromkeys((*places.get(key, ()), *below)))
    for key, below in places.items():
        lines += _place(key, below, homes)
    lines += ["## What each stage reads\n"]
    lines += ["A changed key makes a stage run again only if it is below one of these.\n"]
    lines += ["| stage | reads |\n|---|---|"]
    lines += [f"| `{s}` | {', '.join(f'`{k}`' for k in keys)} |" for s, keys in STAGE_READS.items()]
    return "\n".join(lines) + "\n"


def _places(
    section: type[Section], at: str
) -> Iterator[tuple[type[Section], str, str, tuple[type[Section], ...]]]:
    """Yield (owner, its key, key below, sections there) for all that holds sections."""
    prefix = f"{at}." if at else ""
    for name, field in section.model_fields.items():
        for key, below in (
            (f"{prefix}{name}", sections_of(field.annotation)),
            (f"{prefix}{name}[]", entries_of(field.annotation)),
        ):
            if below:
                yield section, at, key, below
                for each in below:
                    yield from _places(each, key)


def _homes() -> dict[type[Section], str]:
    """Return the key at which the guide describes a section: the outermost, of those the last."""
    homes: dict[type[Section], str] = {}
    for _, _, key, sections in _places(Experiment, ""):
        for section in sections:
            if section not in homes or key.count(".") <= homes[section].count("."):
                homes[section] = key
    return homes


def _place(
    key: str, sections: tuple[type[Section], ...], homes: dict[type[Section], str]
) -> list[str]:
    own = [section for section in sections if homes[section] == key]
    lines = [f"### `{key}`\n"]
    if len(sections) > 1:
        kinds = ", ".join(f"`{kind_of(section)}`" for section in sections)
        lines += [f"One of the kinds {kinds}.\n"]
    for home in dict.fromkeys(homes[section] for section in sections if section not in own):
        there = ", ".join(f"`{kind_of(each)}`" for each in sections if homes[each] == home)
        lines += [f"{there}: see `{home}`.\n"]
    for section in own:
        lines += [f"#### `kind: {kind_of(section)}`\n"] if len(sections) > 1 else []
        lines += [f"{inspect.cleandoc(section.__doc__ or '')}\n", _table(section), ""]
    return lines


def _table(section: type[Section]) -> str:
    return "\n".join([HEADER, *(_row(*each) for each in section.model_fields.items())])


def _row(name: str, field: FieldInfo) -> str:
    extra: Any = field.json_schema_extra
    meaning = " ".join(filter(None, [field.description, extra.get("provenance")]))
    unit = "–" if extra["unit"] == "none" else extra["unit"]
    cells = [f"`{name}`", extra["allowed"], _default(field), unit, extra["symbol"] or "–", meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, Section):
        kind = getattr(field.default, "kind", None)
        return f"`kind: {kind}`" if kind else "those of its keys"
    if isinstance(field.default, str):
        return f"`{field.default}`"
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    sys.exit(main())
