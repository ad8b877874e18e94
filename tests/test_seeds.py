"""All seeds of a point on a GPU or on the CPU, and what one finds that the other began."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from meanfield import seeds as all_seeds
from meanfield.activations import GELU
from meanfield.checkpoint import Pace
from meanfield.neurons import Ridge
from meanfield.seeds import PointRun, against_gpu
from meanfield.training import Setup
from meanfield.trajectory import Trajectory
from runs_in_step import LOG, SEEDS, STEPS, theta0, together
from stand_in_gpu import KilledError, in_step
from trajectories import Arrays, check_same, make_setup, whole


@pytest.fixture(scope="module")
def setup() -> Setup:
    return make_setup(STEPS, 1e-3)


@pytest.fixture(scope="module")
def undisturbed(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> list[Arrays]:
    return together(tmp_path_factory.mktemp("together"), setup)


def test_the_gpu_runs_all_seeds_and_keeps_no_checkpoint_of_other_seeds(
    undisturbed: list[Arrays],
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(all_seeds.cuda, "run", in_step)
    for name in ("seed-4.npz", "gpu-seed-4.npz", "gpu-seed-4.0.npz"):
        (tmp_path / name).touch()
    with caplog.at_level(logging.INFO):
        found = all_seeds.run_on_gpu(
            [PointRun("base", theta0, SEEDS, setup, tmp_path, "digest")],
            device="GPU Toy", threads=1, log=LOG,
        )  # fmt: skip
    check_same([whole(each) for each in found], undisturbed)
    assert caplog.text.count("seed-4.npz: it belongs to no seed of this run") == 2
    assert "begun on another backend" not in caplog.text
    names = {f"gpu-seed-{seed}" for seed in SEEDS}
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}{suffix}" for name in names for suffix in (".npz", ".0.npz")
    }


def test_what_another_backend_began_is_left_in_place(
    undisturbed: list[Arrays],
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As when a GPU cannot be used for a while: a later job still continues what it began."""
    point = PointRun("base", theta0, SEEDS, setup, tmp_path, "digest")
    monkeypatch.setattr(Pace, "is_due", True)

    def on_gpu() -> list[Trajectory]:
        return all_seeds.run_on_gpu([point], device="GPU Toy", threads=1, log=LOG)

    monkeypatch.setattr(all_seeds.cuda, "run", partial(in_step, kill_at=3200))
    with pytest.raises(KilledError):
        on_gpu()
    begun = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with caplog.at_level(logging.INFO):
        all_seeds.run_on_cpu(point, threads=1, log=LOG)
    assert caplog.messages[0] == (
        f"{tmp_path}: the run was begun on another backend, and starts anew on this"
    )
    assert {path: path.read_bytes() for path in begun} == begun
    caplog.clear()
    monkeypatch.setattr(all_seeds.cuda, "run", in_step)
    with caplog.at_level(logging.INFO):
        check_same([whole(each) for each in on_gpu()], undisturbed)
    assert "3 of 3 networks: continued from step 3200" in caplog.messages
    assert (tmp_path / "seed-5.npz").exists()


def test_why_a_run_is_not_for_a_gpu(setup: Setup) -> None:
    assert against_gpu(setup) == ""
    assert "not in float64" in against_gpu(replace(setup, precision="float64"))
    assert "GELU" in against_gpu(replace(setup, neuron=Ridge(GELU())))
