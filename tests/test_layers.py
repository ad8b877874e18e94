"""Imports inside the library only go down, so that an edit touches no more than it must."""

from pathlib import Path

import pytest

from meanfield.digests import SCRIPTS, local_imports

# From the top to the bottom; modules of one line may not import one another, save the settings.
LAYERS = (
    ("plan",),
    ("sweep", "limit_sweep"),
    ("seeds",),
    ("together", "sgd_setup"),
    ("training", "stage", "sgd_results"),
    ("siblings", "trajectory"),
    ("radial_figure", "radial_film", "minima_figure", "path_figure", "trap_figure"),
    ("minima_data",),
    ("sweep_curves",),
    ("figures", "animation", "checkpoint", "progress"),
    ("store",),
    ("turns",),
    ("locks", "large_arrays"),
    ("arrays",),
    ("provenance",),
    ("config_files",),
    ("points", "config_errors"),
    ("config", "nested"),
    ("experiment",),
    ("settings_limit",),
    ("settings_minimum",),
    (
        "settings_laws",
        "settings_initial",
        "settings_dynamics",
        "settings_statics",
        "settings_figures",
    ),
    ("settings_neurons", "settings_schedule"),
    ("settings_fields",),
    ("limit",),
    ("sgd/engine", "sgd/cuda"),
    ("sgd/cuda_replicas",),
    ("sgd/cuda_resident", "sgd/cuda_blocked", "sgd/cuda_network"),
    ("sgd/cuda_job", "sgd/cuda_device"),
    ("sgd/cuda_kernels", "sgd/cuda_product"),
    ("sgd/reference", "sgd/draws", "sgd/noise", "sgd/prediction"),
    ("empirical", "initial_data"),
    ("sgd/blocks", "sgd/panels", "sampling"),
    ("sgd/forward", "sgd/pointwise"),
    ("sgd/microkernels", "sgd/activation_kernels"),
    ("sgd/special_kernels",),
    ("sgd/memory",),
    ("sgd/vectors",),
    ("initial",),
    ("choices",),
    ("random",),
    ("statics_results",),
    ("statics", "point_mass"),
    ("slide",),
    ("search",),
    ("flow", "width", "evaluation"),
    ("flow_control",),
    ("flow_step", "radial_results"),
    ("flow_attempt",),
    ("stack",),
    ("functionals", "sticky_origin"),
    ("comparison", "film_data"),
    ("marginals",),
    ("metrics", "timeline", "summaries", "assumptions", "domain", "initial_measure"),
    ("problem", "measure", "quantile_rule"),
    ("ridge_problem", "sphere_problem", "invariants", "bent_mean", "smooth_table", "cosine_mean"),
    ("tabulated_mean",),
    ("smooth_mean",),
    ("laws", "neurons", "schedules", "special", "overshoot_table", "smooth_kernel", "units"),
    ("tabulated_kernel",),
    ("bent_kernel", "ridge_kernel"),
    ("overshoot_plane",),
    ("plane_kernel",),
    ("overshoot_kernel",),
    ("overshoot",),
    ("activations", "quadrature", "data_files", "python_law", "portable", "sphere", "host"),
    ("compiled", "dormand_prince", "start_axes", "gpu_memory", "risk_estimate", "threads"),
    ("digests",),
    ("sources",),
    ("whole_file",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
LIBRARY = SCRIPTS / "meanfield"


def name_of(path: Path) -> str:
    return path.relative_to(LIBRARY).with_suffix("").as_posix()


MODULES = sorted(name_of(path) for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")


def test_every_module_has_its_layer() -> None:
    assert sorted(LEVEL) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    sources = local_imports(LIBRARY / f"{module}.py", SCRIPTS)
    used = {name_of(path) for path in sources if path.name != "__init__.py"}
    wrong = [name for name in used if LEVEL[name] <= LEVEL[module]]
    assert not wrong, f"{module} imports {wrong}, which are not below it"
