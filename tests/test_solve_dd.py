"""The stage that solves the limit: what it stores, for one radius and for several coordinates."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import solve_dd
from meanfield.experiment import Experiment
from meanfield.store import Origin, read, write
from solve_dd import main
from stand_in_gpu import KilledError, solve_limits_elsewhere

FIGURE_4 = {"kind": "piecewise_linear", "knots": [0, 0.5, 1.5], "values": [-2.5, -4, 7.5]}
ISOTROPIC = {"kind": "isotropic_gaussians", "dimension": 320, "delta": 0.5}
ANISOTROPIC = {
    "kind": "anisotropic_gaussians", "dimension": 320, "informative": 60, "delta": 0.5
}  # fmt: skip
GAUSSIAN = {"kind": "gaussian", "scale": 0.1}
POINT = {"kind": "point", "value": 1}
TEACHER = {"kind": "gaussian_teacher", "dimension": 4, "link": {"kind": "tanh"}}
SINGULAR = {"kind": "power", "p": 0.25}


def solved(folder: Path, **sections: Any) -> xr.Dataset:
    """Run the stage with settings that were validated, and read its result."""
    settings = {
        "title": "One",
        "law": ISOTROPIC,
        "neuron": {"kind": "ridge", "activation": FIGURE_4},
        "initial": GAUSSIAN,
        "time": {"horizon": 1, "snapshots": [0, 0.5, 1], "curve_points": 5},
        "sgd": {"neurons": 8, "step_size": 1e-3},
        "dd": {"atoms": 40, "nodes": 6},
        **sections,
    }
    resolved = Experiment.model_validate(settings).model_dump(mode="json")
    origin = Origin("solve_dd", "test", "base", resolved, "code", "digest")
    (folder / "dd.nc").unlink(missing_ok=True)  # as Snakemake does before a job
    main(settings=resolved, origin=origin, limit=folder / "dd.nc")
    return read(folder / "dd.nc")


def test_mass_at_the_origin_is_stored(tmp_path: Path) -> None:
    dd = solved(tmp_path, time={"horizon": 1, "snapshots": [0, 0.005, 1], "curve_points": 11})
    assert dd.omega.dims == ("time", "atom", "invariant")
    assert list(dd.invariant.values) == ["r"]
    assert dd.mass_at_origin.sel(time=0) == 0
    assert 0 <= dd.mass_at_origin.sel(time=0.005) < 1
    assert dd.mass_at_origin.sel(time=1) == pytest.approx(1)
    assert dd.risk.sel(time=1) == pytest.approx(7.25)
    # All of the density is in the first cell, and no mass is lost on the way.
    cell = float(dd.radius[1] - dd.radius[0])
    assert dd.density.sel(time=1).values[0] * cell == pytest.approx(1)
    np.testing.assert_allclose(dd.density.sum("radius") * cell, 1, atol=1e-3)


def test_several_coordinates_from_a_singular_schedule(tmp_path: Path) -> None:
    sgd = {"neurons": 8, "step_size": 1e-4, "schedule": SINGULAR}
    time = {"horizon": 4, "snapshots": [0, 1, 4], "curve_points": 9, "curve_start": 1e-3}
    initial = {"kind": "product", "a": POINT, "b": POINT, "w": GAUSSIAN}
    dd = solved(
        tmp_path, law=ANISOTROPIC, neuron={"kind": "relu"}, initial=initial, sgd=sgd, time=time,
        dd={"atoms": [4, 3], "nodes": 6},
    )  # fmt: skip
    assert list(dd.invariant.values) == ["a", "b", "r1", "r2"]
    assert dd.omega.shape == (11, 12, 4)
    assert not {"level", "density", "mass_at_origin"} & set(dd.variables)
    assert np.all(np.diff(dd.risk) < 0)
    assert np.max(np.abs(dd.dissipation_error)) < 1e-5
    # R(t) = R(0) - D(0) tau with tau = 4/3 t^(3/4), to first order.
    first = dd.sel(time=1e-3, method="nearest")
    tau = 4 / 3 * 1e-3**0.75
    drop = dd.dissipation.sel(time=0) * tau
    assert dd.risk.sel(time=0) - first.risk == pytest.approx(float(drop), rel=0.1)


def test_infinite_dimension_starts_from_a_point(tmp_path: Path) -> None:
    dd = solved(
        tmp_path, dd={"atoms": 40, "dimension": "infinite"}, initial={**GAUSSIAN, "scale": 0.4}
    )
    np.testing.assert_allclose(dd.omega.sel(time=0), 0.4)
    assert np.all(dd.quadrature_error == 0)
    assert np.all(dd.width_coefficient > 0)


def test_a_coarse_tolerance_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    law = {**ISOTROPIC, "dimension": 4}
    solved(tmp_path, law=law, dd={"atoms": 40, "nodes": 1})
    assert "changes the risk by up to" in caplog.text


@pytest.mark.parametrize("law", [{**ISOTROPIC, "dimension": 6}, TEACHER])
def test_rows_of_any_law(tmp_path: Path, law: dict[str, Any]) -> None:
    neuron = {"kind": "ridge", "activation": {"kind": "tanh"}}
    dd = {"problem": "empirical", "rows": 50, "atoms": 20, "seed": 3}
    found = solved(tmp_path, law=law, neuron=neuron, dd=dd, initial={**GAUSSIAN, "scale": 0.8})
    names = ["r"] if law is not TEACHER else ["w1", "r"]
    assert list(found.invariant.values) == names
    assert found.omega.shape == (5, 20, len(names))
    assert not {"level", "density", "mass_at_origin"} & set(found.variables)
    assert np.all(np.diff(found.risk) < 0)
    assert np.all(found.width_coefficient > 0)
    assert np.max(np.abs(found.dissipation_error)) < 1e-4


def test_the_empirical_problem_tends_to_the_reduced_one(tmp_path: Path) -> None:
    """With many rows and neurons both give the same risk, to the fluctuations of the draws."""
    neuron = {"kind": "ridge", "activation": {"kind": "tanh"}}
    shared = {"law": {**ISOTROPIC, "dimension": 6}, "neuron": neuron}
    shared["initial"] = {**GAUSSIAN, "scale": 0.8}
    reduced = solved(tmp_path, **shared, dd={"atoms": 40, "nodes": 12})
    dd = {"problem": "empirical", "rows": 1500, "atoms": 200}
    rows = solved(tmp_path, **shared, dd=dd)
    np.testing.assert_allclose(rows.risk, reduced.risk, atol=0.05)
    assert rows.width_coefficient[0] == pytest.approx(float(reduced.width_coefficient[0]), rel=0.1)


def test_what_another_process_stored_is_not_solved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one does that went on when Snakemake was killed, while this one waited for it."""
    origin = Origin("solve_dd", "test", "base", {"time": {"horizon": 1}}, "code", "digest")
    result = tmp_path / "dd.nc"
    write(xr.Dataset(), result, title="Another's", origin=origin, backend="numpy")
    content = result.read_bytes()

    def work(*given: Any) -> None:
        raise KilledError

    monkeypatch.setattr(solve_dd, "make_point", work)
    with caplog.at_level(logging.INFO):
        main(settings=origin.settings, origin=origin, limit=result)
    assert caplog.messages == [f"{result}: another process has made it in the meantime"]
    assert result.read_bytes() == content
    assert list(tmp_path.iterdir()) == [result]
    other = replace(origin, digest="other")
    with pytest.raises(KilledError):
        main(settings=origin.settings, origin=other, limit=result)


def test_a_limit_on_another_device_is_the_same_and_says_where_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a strict array namespace in place of CuPy."""
    expected = solved(tmp_path)
    assert expected.attrs["backend"] == "numpy"
    assert expected.attrs["device"].startswith("CPU")
    solve_limits_elsewhere(monkeypatch)
    found = solved(tmp_path)
    assert (found.attrs["backend"], found.attrs["device"]) == ("cupy", "GPU Toy")
    assert found.keys() == expected.keys()
    for name in ("omega", "risk", "dissipation", "mass_at_origin"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-7, atol=1e-9)
