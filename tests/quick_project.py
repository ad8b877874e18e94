"""The quick configuration in a copy of the project, and what its own commands say there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
QUICK = ("--configfile", "config/quick.yaml")


def copy_project(target: Path) -> Path:
    """Copy what the workflow consists of, and no results."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("config", "envs", "profiles", "scripts", "workflow"):
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    shutil.copy2(ROOT / "Snakefile", target)
    return target


def snakemake(project: Path, *arguments: str, python: str = sys.executable) -> tuple[int, str]:
    """Run snakemake in the project; return its status and all that it printed."""
    done = subprocess.run(
        [python, "-m", "snakemake", *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def run(project: Path, *targets: str) -> str:
    status, output = snakemake(project, *QUICK, "--cores", "2", *targets)
    assert status == 0, output
    return output


def planned(project: Path, *targets: str) -> set[str]:
    """Return the rules that would run."""
    status, output = snakemake(project, *QUICK, "-n", *targets)
    assert status == 0, output
    table = re.search(r"Job stats:\n(.*?)\ntotal", output, re.DOTALL)
    if table is None:
        assert "Nothing to be done" in output, output
        return set()
    return set(re.findall(r"^(\w+) +\d+$", table.group(1), re.MULTILINE)) - {"all", "figure_1"}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new))


def only_figure_1(project: Path) -> None:
    """Leave the other experiments out of the quick configuration."""
    path = project / "config/quick.yaml"
    quick = yaml.safe_load(path.read_text())
    quick["overrides"] = {"figure_1": quick["overrides"]["figure_1"]}
    path.write_text(yaml.safe_dump(quick))


def override(project: Path, key: str, value: object) -> None:
    """Set one key of the quick configuration's figure_1."""
    path = project / "config/quick.yaml"
    quick = yaml.safe_load(path.read_text())
    section = quick["overrides"]["figure_1"]
    *above, last = key.split(".")
    for part in above:
        section = section.setdefault(part, {})
    section[last] = value
    path.write_text(yaml.safe_dump(quick))


def quick_figure_1(target: Path) -> Path:
    """Make a project of Figure 1 alone, at toy size."""
    project = copy_project(target)
    edit(project / "config/config.yaml", "[pdf, svg, png]", "[png]")  # the others take seconds
    edit(project / "config/config.yaml", "experiments: all", "experiments: [figure_1]")
    only_figure_1(project)
    override(project, "time.curve_points", 5)
    return project


def result(project: Path, stage: str) -> Path:
    return project / f"results/quick/runs/figure_1/{stage}/base.nc"


def target(project: Path, stage: str) -> str:
    """Return a result as it is asked for on the command line."""
    return str(result(project, stage).relative_to(project))
