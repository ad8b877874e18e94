"""Jobs of a toy sweep of SGD on a stand-in for a GPU, for the tests of sweeps."""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import xarray as xr

import generate_data
import run_sgd
from meanfield import seeds
from meanfield.arrays import Backend
from meanfield.digests import code_digest, settings_digest
from meanfield.siblings import Sibling, packed
from meanfield.store import Origin, read
from sample_settings import STEP, settings_of
from stand_in_gpu import in_step

BASE: dict[str, Any] = {
    "title": "Toy",
    "law": {"kind": "isotropic_gaussians", "dimension": 6, "delta": 0.5},
    "neuron": STEP,
    "initial": {"kind": "gaussian", "scale": 0.8},
    "time": {"horizon": 1.28, "snapshots": [0, 0.064, 1.28], "curve_points": 2},
    "sgd": {"neurons": 20, "step_size": 1e-3, "test_samples": 50},
}
_DATA = tempfile.TemporaryDirectory(prefix="sweep-")
SWEPT: dict[str, dict[str, Any]] = {
    "delta-0.3": {"law.delta": 0.3},
    "delta-0.5": {},
    "delta-0.8": {"law.delta": 0.8, "sgd.test_samples": 60},
    "start": {"initial.scale": 0.4},
    "step": {"sgd.step_size": 2e-3},
    "width": {"sgd.neurons": 24},
    "dimension": {"law.dimension": 8},
}
TOGETHER = ("delta-0.3", "delta-0.5", "delta-0.8", "start")


class Sweep(NamedTuple):
    """An experiment whose jobs are called one by one, as Snakemake does."""

    siblings: dict[str, Sibling]

    def run(self, name: str, *, batch: str = "sweep", backend: str = "cupy") -> xr.Dataset:
        """Do the job of a point, and return its result."""
        origin, result = self.siblings[name]
        data = Path(_DATA.name) / f"{origin.digest}.nc"
        if not data.exists():
            generate_data.main(settings=origin.settings, origin=origin, data=data)
        result.unlink(missing_ok=True)  # as Snakemake does before a job
        run_sgd.main(
            settings=origin.settings, origin=origin, threads=2, data=data, runs=result,
            backend=backend, siblings=packed(self.siblings.values()) if batch == "sweep" else b"",
        )  # fmt: skip
        return read(result)


def make_sweep(root: Path, **changes: dict[str, Any]) -> Sweep:
    """Return a sweep of seven points; four of them can share a launch."""
    siblings = {}
    for index, (name, change) in enumerate({**SWEPT, **changes}.items()):
        settings = settings_of(BASE, change)
        settings["seeds"] = [3, 1] if index % 2 else [1, 2, 4]
        digest = settings_digest(settings)
        origin = Origin("run_sgd", "toy", name, settings, code_digest("run_sgd.py"), digest)
        siblings[name] = Sibling(origin, root / "runs" / f"{name}.nc")
    return Sweep(siblings)


Calls = list[list[tuple[float, int]]]


def stand_in_for_a_gpu(
    patch: pytest.MonkeyPatch, seen: Calls, run: Callable[..., Any] = in_step
) -> None:
    def noted(theta0: Any, **arguments: Any) -> Any:
        deltas = [law.delta for law in arguments["law"]]
        seen.append(list(zip(deltas, arguments["seeds"], strict=True)))
        return run(theta0, **arguments)

    toy = Backend("cupy", np, "GPU Toy")
    patch.setattr(seeds, "use_backend", lambda *asked, **reasons: nullcontext(toy))
    patch.setattr(seeds.cuda, "run", noted)


def equal(found: xr.Dataset, expected: xr.Dataset) -> None:
    """Hold all of a result to another one, bit for bit."""
    xr.testing.assert_identical(found, expected)


def left_alone(folder: Path, names: Iterable[str]) -> dict[str, xr.Dataset]:
    """Return what the job of each point leaves by itself."""
    with pytest.MonkeyPatch.context() as patch:
        stand_in_for_a_gpu(patch, [])
        points = make_sweep(folder)
        return {name: points.run(name, batch="point") for name in names}
