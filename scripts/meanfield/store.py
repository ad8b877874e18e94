"""NetCDF files: names and units of every variable, and the record of how a file was made."""

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import xarray as xr

from meanfield.digests import settings_digest
from meanfield.large_arrays import Pieces, append
from meanfield.provenance import cpu_device, git_commit, library_versions, processor
from meanfield.whole_file import whole_file

DIGEST_ATTRIBUTE = "result_digest"
"""Name under which every file, of whatever format, carries the digest of all that made it."""

VARIABLES: dict[str, tuple[str, str]] = {
    # name: (long name, units); "1" is a pure number in CF. Times are step size times steps.
    "point": ("identifier of a point of the experiment's sweep", "1"),
    "seed": ("key of the random stream", "1"),
    "time": ("time t; SGD reaches it to within half a step", "1"),
    "snapshot": ("time at which measures are compared", "1"),
    "invariant": ("coordinate of a neuron that the symmetry of the data leaves", "1"),
    "neuron": ("number of the neuron", "1"),
    "parameter": ("number of the parameter of a neuron", "1"),
    "coordinate": ("number of the coordinate of an input", "1"),
    "sample": ("number of the test sample", "1"),
    "atom": ("number of the atom of the measure", "1"),
    "radius": ("norm of a neuron's weight vector, r = |w|", "1"),
    "probe": ("norm r at which the potential is given", "1"),
    "draw": ("number of the set of independent draws", "1"),
    "x": ("input of a test sample", "1"),
    "y": ("label of a test sample", "1"),
    "theta": ("parameters of the neurons, theta_i", "1"),
    "theta_path": ("parameters of the neurons at every time, theta_i", "1"),
    "mean_square_residual": ("mean of (y - yhat)^2 over the steps since the last time", "1"),
    "omega": ("invariants of the neurons, omega", "1"),
    "mass": ("mass of an atom", "1"),
    "level": ("level u of the quantile function at an atom", "1"),
    "density": ("density of the radii, rho_t(r), averaged over a cell", "1"),
    "risk": ("population risk, R", "1"),
    "risk_stderr": ("standard error of the risk over the test set", "1"),
    "reduced_risk": ("risk R of the empirical measure of the invariants", "1"),
    "fluctuation": ("finite-width part of the risk, E Var(yhat | s, y)", "1"),
    "fluctuation_stderr": ("standard error of the finite-width part over the test set", "1"),
    "dissipation": ("rate of decrease of the risk, -(dR/dt) / xi = 4 int |grad Psi|^2 d rho", "1"),
    "dissipation_error": ("R(rho_0) - R(rho_t) - int_0^t xi dissipation dt; 0 if exact", "1"),
    "mass_at_origin": ("mass of the neurons at r = 0", "1"),
    "quadrature_error": ("change of the risk when the quadrature nodes are fourfold", "1"),
    "width_coefficient": ("K, with E R_N = R + K/N for N independent draws", "1"),
    "fluctuation_coefficient": ("part of K that E Var(yhat | s, y) contributes", "1"),
    "wasserstein": ("W1 distance from an invariant of SGD's neurons to its law in DD", "1"),
    "kolmogorov": ("Kolmogorov-Smirnov distance from an invariant of SGD's neurons to DD", "1"),
    "wasserstein_draws": ("W1 distance from N independent draws of DD to the law of DD", "1"),
    "kolmogorov_draws": ("Kolmogorov-Smirnov distance from N independent draws to DD", "1"),
    "sgd_mean": ("mean of an invariant over the neurons of SGD", "1"),
    "dd_mean": ("mean of an invariant over the law of DD", "1"),
    "delta": ("separation Delta of the two classes", "1"),
    "risk_min": ("least risk over all measures, inf R, as the stored measure has it", "1"),
    "gap": ("certified bound on the stored measure's risk less inf R", "1"),
    "sphere_risk": ("least risk of a point mass, R(delta_{r*})", "1"),
    "sphere_radius": ("place of the point mass of least risk, r*", "1"),
    "sphere_margin": ("least Psi(.; delta_{r*}) away from r* less that at r*; >= 0: optimal", "1"),
    "potential": ("potential Psi(r; .) of the stored measure: rho_t, or the minimiser", "1"),
    "potential_infinity": ("potential of the minimiser at r = inf", "1"),
    "sphere_potential": ("potential Psi(r; delta_{r*}) of the best point mass", "1"),
    "sphere_potential_infinity": ("potential of the best point mass at r = inf", "1"),
    "delta_low": ("Delta^l, the least Delta at which the best sphere is optimal", "1"),
    "delta_high": ("Delta^h, the largest Delta at which the best sphere is optimal", "1"),
    "delta_stable": ("Delta^s, the Delta above which the best sphere is unstable", "1"),
    "steps": ("steps of the time integrator that were accepted", "1"),
    "rejected_steps": ("steps of the time integrator that were rejected", "1"),
    "right_hand_sides": ("evaluations of the velocity field", "1"),
}


@dataclass(frozen=True)
class Origin:
    """What a result is made from: with the same library versions, the same numbers.

    Attributes:
        stage: rule that makes the result.
        experiment: name of the experiment.
        point: identifier of the point of its sweep.
        settings: the resolved settings that the stage reads, as plain JSON values.
        code: digest of the stage's script and of the modules that it imports.
        digest: digest of code, settings and the digests of all inputs.
        law_file: digest of the file that `law.file` of the settings names; empty if there is none.
    """

    stage: str
    experiment: str
    point: str
    settings: Mapping[str, Any]
    code: str
    digest: str
    law_file: str = ""


def write(
    data: xr.Dataset | xr.DataTree,
    path: str | Path,
    *,
    title: str,
    origin: Origin,
    backend: str,
    device: str = "",
    large: Mapping[str, Pieces] | None = None,
) -> None:
    """Write a data set with the record of how it was made, whole or not at all.

    Attributes follow CF-1.11 and ACDD-1.3; values are strings or numbers, and structures are JSON
    text. No time of writing is stored: equal results of one commit and machine are equal files.

    Args:
        data: variables that are all named in `VARIABLES`; their attributes are filled in here.
        path: where the file goes; it appears there only when complete.
        title: what the file holds, one line.
        origin: what it was made from.
        backend: what computed it, for example "numba", "numpy" or "cupy".
        device: on which device; empty for the CPU.
        large: further variables of the root group.

    Raises:
        ValueError: a variable has no entry in `VARIABLES`.
    """
    large = large or {}
    tree = data if isinstance(data, xr.DataTree) else xr.DataTree(data)
    names = {str(name) for node in tree.subtree for name in node.variables}
    if unknown := sorted(names.union(large) - VARIABLES.keys()):
        raise ValueError(
            f"{path}: no long name and units for variable {unknown[0]!r}; "
            f"known: {', '.join(sorted(VARIABLES))}"
        )
    for node in tree.subtree:
        for name in map(str, node.variables):
            node[name].attrs.update(_described(name))
    tree.attrs.update(_attributes(title, origin, backend, device or cpu_device()))
    with whole_file(path) as partial:
        tree.to_netcdf(partial, engine="netcdf4")
        for name, variable in large.items():
            append(partial, name, variable, _described(name))


def _described(name: str) -> dict[str, str]:
    long_name, units = VARIABLES[name]
    return {"long_name": long_name, "units": units}


def _attributes(title: str, origin: Origin, backend: str, device: str) -> dict[str, str]:
    return {
        "Conventions": "CF-1.11, ACDD-1.3",
        "title": title,
        "source": "meanfield pipeline: mean-field theory of two-layer neural networks",
        "references": "Mei, Montanari and Nguyen (2018), arXiv:1804.06561",
        "license": "CC-BY-4.0",
        "stage": origin.stage,
        "experiment": origin.experiment,
        "point": origin.point,
        "settings": json.dumps(origin.settings, sort_keys=True),
        "settings_digest": settings_digest(origin.settings),
        "seeds": json.dumps(origin.settings.get("seeds", [])),
        "code_digest": origin.code,
        DIGEST_ATTRIBUTE: origin.digest,
        "git_commit": git_commit(),
        "backend": backend,
        "device": device,
        "cpu_features": processor()[1],
        "python_version": platform.python_version(),
        "library_versions": json.dumps(library_versions(), sort_keys=True),
    }


def read(path: str | Path, without: Sequence[str] = ()) -> xr.Dataset:
    """Read the root group of a file into memory, so that the file can be replaced at once.

    Args:
        path: the file.
        without: names of variables that are left out.
    """
    with xr.open_dataset(path, engine="netcdf4", drop_variables=list(without)) as dataset:
        return dataset.load()


def read_tree(path: str | Path) -> xr.DataTree:
    """Read a file with all its groups into memory."""
    with xr.open_datatree(path, engine="netcdf4") as tree:
        return tree.load()


def stamp(digest: str) -> str:
    """Return the text by which files other than NetCDF carry their digest."""
    return f"{DIGEST_ATTRIBUTE}={digest}"


def recorded_digest(path: str | Path) -> str | None:
    """Return the digest that a result carries, or None when it carries none.

    NetCDF files carry it as an attribute, figures and tables as the text of `stamp` in their
    metadata, which PDF, SVG, PNG, GIF and CSV all keep uncompressed.
    """
    file = Path(path)
    if file.suffix == ".nc":
        try:
            with netCDF4.Dataset(file) as dataset:  # xarray looks at the variables, too
                return getattr(dataset, DIGEST_ATTRIBUTE, None)
        except OSError:  # not a NetCDF file at all: cut short, or something else
            return None
    found = re.search(rb"%s=([0-9a-f]+)" % DIGEST_ATTRIBUTE.encode(), file.read_bytes())
    return found.group(1).decode() if found else None
