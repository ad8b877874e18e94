"""A finished workflow: what runs again, to what bits, and what the audit says."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from meanfield.arrays import GpuError, choose_backend
from meanfield.store import read, read_tree
from quick_project import (
    QUICK,
    edit,
    override,
    planned,
    quick_figure_1,
    result,
    run,
    snakemake,
    target,
)

AFTER_SGD = {"run_sgd", "aggregate_runs", "plot_figure_1", "render_film"}
AFTER_DD = {"solve_dd", "aggregate_runs", "plot_figure_1", "render_film"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a finished project and a copy of it to start each test from."""
    folder = tmp_path_factory.mktemp("workflow")
    project = quick_figure_1(folder / "project")
    with pytest.MonkeyPatch.context() as patch:
        # Machine code depends on the path of its source: one path and one cache for all tests.
        patch.setenv("MEANFIELD_NUMBA_CACHE", str(folder / "numba"))
        run(project)
        shutil.copytree(project, folder / "finished", symlinks=True)
        yield folder


@pytest.fixture
def project(folder: Path) -> Path:
    """Return a project whose quick results are complete, as by ``cp -a`` of a finished tree."""
    shutil.rmtree(folder / "project")
    return Path(shutil.copytree(folder / "finished", folder / "project", symlinks=True))


def test_finished_tree_copied_elsewhere_has_nothing_to_do(folder: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(folder / "finished", tmp_path / "elsewhere", symlinks=True))
    assert planned(elsewhere) == set()
    status, output = snakemake(elsewhere, "audit", *QUICK, "--cores", "1")
    assert status == 0
    assert "results are up to date" in output
    override(elsewhere, "sgd.step_size", 3e-5)
    assert planned(elsewhere) == AFTER_SGD
    override(elsewhere, "sgd.step_size", 1e-5)
    edit(
        elsewhere / "scripts/meanfield/flow_control.py",
        "# The proportional",
        "_UNUSED = 1\n# The prop",
    )
    assert planned(elsewhere) == AFTER_DD


def test_quick_run_stays_in_its_folder(project: Path) -> None:
    made = {path.name for path in (project / "results").iterdir()}
    assert made == {"quick"}
    figures = {path.name for path in (project / "results/quick/figures").iterdir()}
    assert figures == {f"figure_1.{suffix}" for suffix in ("png", "csv", "txt")}


def test_editing_a_module_reruns_who_imports_it_and_changes_the_numbers(project: Path) -> None:
    before = read(result(project, "solve_dd")).risk.values
    sgd_written = result(project, "run_sgd").stat().st_mtime_ns
    edit(project / "scripts/meanfield/measure.py", "scale * np.sqrt(2", "1.01 * scale * np.sqrt(2")
    assert planned(project) == AFTER_DD | {"run_sgd"}
    edit(project / "scripts/meanfield/measure.py", "1.01 * scale", "scale")
    assert planned(project) == set()
    edit(project / "scripts/meanfield/flow_control.py", "_SAFETY, _PROP", "_SAFETY_, _PROP")
    edit(
        project / "scripts/meanfield/flow_control.py",
        "# The proportional",
        "_SAFETY = 0.5\n# The prop",
    )
    assert planned(project) == AFTER_DD
    run(project)
    assert (read(result(project, "solve_dd")).risk.values != before).any()
    assert result(project, "run_sgd").stat().st_mtime_ns == sgd_written


def test_editing_a_kernel_changes_compiled_code(project: Path) -> None:
    """The edit is in a module that the kernels import, where numba alone would not look."""
    before = read(result(project, "run_sgd"))
    edit(project / "scripts/meanfield/random.py", "LABEL = 2", "LABEL = 7")
    # The limit of a data law without symmetry draws from it, so solve_dd imports the module too.
    assert planned(project) == {"generate_data", "solve_dd"} | AFTER_SGD
    run(project, target(project, "run_sgd"))
    after = read(result(project, "run_sgd"))
    assert (after.theta.values != before.theta.values).any()
    assert (after.omega.isel(time=0).values == before.omega.isel(time=0).values).all()


def test_editing_a_comment_or_docstring_reruns_nothing(project: Path) -> None:
    for name in ("sgd/blocks.py", "flow.py", "store.py", "digests.py"):
        path = project / "scripts/meanfield" / name
        path.write_text("# A new first line.\n" + path.read_text().replace('"""', '"""New. ', 1))
    assert planned(project) == set()


def test_step_size_reruns_sgd_and_not_the_limit_there_and_back(project: Path) -> None:
    before = result(project, "run_sgd").read_bytes()
    original = yaml.safe_load((project / "config/quick.yaml").read_text())
    step_size = original["overrides"]["figure_1"]["sgd"]["step_size"]
    override(project, "sgd.step_size", 2 * float(step_size))
    assert planned(project) == AFTER_SGD
    run(project, target(project, "run_sgd"))
    assert result(project, "run_sgd").read_bytes() != before
    override(project, "sgd.step_size", step_size)
    assert planned(project) == AFTER_SGD
    run(project, target(project, "run_sgd"))
    assert result(project, "run_sgd").read_bytes() == before  # the same bits again


def test_forced_stage_gives_the_same_bits(project: Path) -> None:
    before = result(project, "solve_dd").read_bytes()
    run(project, target(project, "solve_dd"), "--forcerun", "solve_dd")
    assert result(project, "solve_dd").read_bytes() == before


def test_audit_names_every_stale_file_without_metadata(project: Path) -> None:
    shutil.rmtree(project / ".snakemake/metadata")
    override(project, "sgd.step_size", 3e-5)
    (project / "results/quick/figures/figure_1.csv").unlink()
    status, output = snakemake(project, "audit", *QUICK, "--cores", "1")
    assert status != 0
    results = "results/quick"
    stale = [f"{results}/figure_1.nc", f"{results}/runs/figure_1/run_sgd/base.nc"]
    stale += [f"{results}/figures/figure_1.{suffix}" for suffix in ("png", "txt")]
    stale += [f"{results}/films/figure_1.{suffix}" for suffix in ("gif", "png", "csv", "txt")]
    listed = set(re.findall(r"^(\w+) +(results/\S+)$", output, re.MULTILINE))
    assert listed == {("stale", path) for path in stale} | {
        ("missing", f"{results}/figures/figure_1.csv")
    }


def test_audit_follows_an_edited_module_without_metadata(project: Path) -> None:
    shutil.rmtree(project / ".snakemake/metadata")
    edit(
        project / "scripts/meanfield/flow_control.py",
        "# The proportional",
        "_UNUSED = 1\n# The prop",
    )
    status, output = snakemake(project, "audit", *QUICK, "--cores", "1")
    assert status != 0
    assert "stale    results/quick/runs/figure_1/solve_dd/base.nc" in output
    assert "runs/figure_1/run_sgd" not in output
    assert "--configfile config/quick.yaml --forcerun solve_dd aggregate_runs plot_fig" in output


def test_the_remedy_of_audit_restores_a_lost_intermediate(project: Path) -> None:
    lost = result(project, "solve_dd")
    before = lost.read_bytes()
    lost.unlink()
    status, output = snakemake(project, "audit", *QUICK, "--cores", "1")
    assert status != 0
    remedy = re.search(r"^  snakemake (--cores all .*)$", output, re.MULTILINE)
    assert remedy
    status, output = snakemake(project, *remedy.group(1).split())
    assert status == 0, output
    assert lost.read_bytes() == before


def test_a_sweep_over_width_is_gathered_and_drawn(project: Path) -> None:
    override(project, "sweep", {"sgd.neurons": [40, 56]})
    override(project, "sgd.step_size", 1e-3)
    override(project, "figure.histogram_times", [0, 10])
    override(project, "film.points", ["neurons-40"])
    # On the CPU `batch` counts nothing, but that it is noted; on a GPU these two share no launch.
    run(project, "--config", "batch=sweep")
    for point in ("neurons-40", "neurons-56"):
        log = (project / f"results/quick/logs/figure_1/run_sgd/{point}.log").read_text()
        assert "batch: sweep does not count on the CPU" in log or "backend cupy on GPU" in log
    assert planned(project) == set()
    tree = read_tree(project / "results/quick/figure_1.nc")
    assert list(tree["sgd"].point.values) == ["neurons-40", "neurons-56"]
    assert tree["sgd"].sizes["neuron"] == 56
    limits = project / "results/quick/runs/figure_1/solve_dd"
    assert [path.name for path in limits.iterdir()] == ["base.nc"]
    for point in ("neurons-40", "neurons-56"):
        text = (project / f"results/quick/figures/figure_1_{point}.txt").read_text()
        assert f"N = {point[-2:]}" in text
    films = (project / "results/quick/films").glob("figure_1_*.gif")
    assert [path.name for path in films] == ["figure_1_neurons-40.gif"]
    settings = json.loads(tree.attrs["settings"])
    assert [p["settings"]["run_sgd"]["sgd"]["neurons"] for p in settings["points"]] == [40, 56]


def test_sgd_is_as_close_to_its_limit_as_independent_draws(project: Path) -> None:
    """The criterion of Figure 1 at toy size: the mean over seeds, at every snapshot."""
    comparison = read_tree(project / "results/quick/figure_1.nc")["comparison"].to_dataset()
    comparison = comparison.sel(invariant="r")
    ratio = comparison.wasserstein.mean("seed") / comparison.wasserstein_draws.mean("draw")
    assert float(ratio.max()) <= 1.4


def test_an_edit_during_the_run_is_noticed(project: Path) -> None:
    """What a result says of its code must be the code that made it."""
    edit(
        project / "scripts/solve_dd.py",
        "    with held(",
        "    with open('scripts/meanfield/flow.py', 'a') as file:\n"
        "        file.write('EDITED = 1\\n')\n"
        "    with held(",
    )
    status, output = snakemake(project, target(project, "solve_dd"), *QUICK, "--cores", "1")
    assert status != 0
    assert "was edited while the workflow ran" in output
    assert not result(project, "solve_dd").exists()


def test_a_sweep_over_the_step_size_shares_one_limit_and_the_cores(project: Path) -> None:
    override(project, "sweep", {"sgd.step_size": [1e-5, 2e-5, 3e-5, 4e-5]})
    status, output = snakemake(project, *QUICK, "-n", "--cores", "2")
    assert status == 0, output
    counts = dict(re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE))
    assert counts["run_sgd"] == "4"
    assert "solve_dd" not in counts
    assert "generate_data" not in counts
    # Two seeds each; a run alone takes both cores.
    assert output.count(" on 1 thread(s)") == 4


def test_diverging_run_says_where_and_what_to_lower_and_writes_nothing(project: Path) -> None:
    old = result(project, "run_sgd")
    override(project, "neuron.activation.right_slope", 50.0)
    override(project, "sgd.step_size", 0.5)
    override(project, "time", {"horizon": 100, "snapshots": [0, 100], "curve_points": 2})
    override(project, "figure", None)
    override(project, "film", None)
    status, output = snakemake(project, target(project, "run_sgd"), *QUICK, "--cores", "1")
    assert status != 0
    assert re.search(r"Divergence: .*step \d+", output)
    assert "sgd.step_size" in output
    assert not old.exists()
    assert "Traceback" in (project / "results/quick/logs/figure_1/run_sgd/base.log").read_text()


def test_another_backend_makes_nothing_stale_and_a_missing_gpu_is_an_error(project: Path) -> None:
    sgd = read(result(project, "run_sgd"))
    assert planned(project, "--config", "backend=cupy", "batch=sweep") == set()
    try:
        choose_backend("cupy")
    except GpuError as error:
        expected = str(error)
    else:
        expected = ""
    status, output = snakemake(
        project, *QUICK, "--profile", "profiles/gpu", "--forcerun", "run_sgd"
    )
    if expected:
        assert status != 0
        assert f"run_sgd: GpuError: {expected}" in output
        assert sgd.attrs["backend"] == "numba"
        assert sgd.attrs["device"].startswith("CPU")
    else:
        again = read(result(project, "run_sgd"))
        assert again.attrs["backend"] == "cupy"
        assert again.attrs["device"].startswith("GPU")
        np.testing.assert_allclose(again.risk, sgd.risk, rtol=1e-2)
