"""A GPU is used only when a kernel ran on it; if it cannot be, the error says what is missing."""

import dataclasses
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import array_api_strict as strict
import numpy as np
import pytest

from fake_cupy import ADDRESS, fake_cupy
from meanfield import arrays
from meanfield.activations import GELU, PiecewiseLinear
from meanfield.arrays import Backend, GpuError, choose_backend, from_backend, to_backend
from meanfield.config import Config
from meanfield.digests import SCRIPTS
from meanfield.flow import Flow
from meanfield.laws import IsotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import make_problem


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Return what puts a module, or an error, in CuPy's place."""

    def put(module: Any) -> None:
        def find(name: str) -> Any:
            assert name == "cupy"
            if isinstance(module, Exception):
                raise module
            return module

        monkeypatch.setattr(importlib, "import_module", find)

    return put


def test_the_cpu_is_used_without_a_look_at_the_gpu(install: Callable[[Any], None]) -> None:
    install(AssertionError("looked"))
    said: list[str] = []
    backend = choose_backend("cpu", said.append)
    assert (backend.name, backend.xp) == ("cpu", np)
    assert said == [f"backend cpu on {backend.device}"]
    choose_backend("auto", said.append, against="float64")
    assert said[1:] == [f"backend cpu on {backend.device} (float64)"]


@pytest.mark.parametrize("setting", ["auto", "cupy"])
def test_a_gpu_that_works_is_used(setting: str, install: Callable[[Any], None]) -> None:
    cupy = fake_cupy()
    install(cupy)
    said: list[str] = []
    backend = choose_backend(setting, said.append)
    device = "GPU Toy, compute capability 9.0, driver for CUDA 12.8, CuPy 14.2.0"
    assert backend == Backend("cupy", cupy, device)
    assert said == [f"backend cupy on {device}"]


@pytest.mark.parametrize("broken", ["", "compile"])
def test_a_gpu_is_claimed_before_anything_runs_on_it(
    broken: str, install: Callable[[Any], None]
) -> None:
    class Claimed(Exception):  # noqa: N818
        pass

    def claim(address: str) -> None:
        assert address == ADDRESS
        raise Claimed

    install(fake_cupy(broken))
    with pytest.raises(Claimed):
        choose_backend("auto", claim=claim)
    assert choose_backend("cpu", claim=claim).name == "cpu"
    assert choose_backend("auto", against="float64", claim=claim).name == "cpu"


@pytest.mark.parametrize(
    ("broken", "missing", "reason", "remedy"),
    [
        ("driver fails", "driver", "driver fails (RuntimeError: driver fails is", "nvidia-smi"),
        ("no driver", "driver", "there is no NVIDIA driver", "nvidia-smi"),
        ("no device", "device", "CUDA 12.8, shows no device (RuntimeError: no de", "nvidia-smi"),
        ("none visible", "device", "the driver shows no device", "CUDA_VISIBLE_DEVICES"),
        ("nvrtc", "NVRTC", "compiler, cannot be loaded (RuntimeError: nvrtc is", "gpu.lock"),
        ("no answer", "device", "the device fails (RuntimeError: no answer is", "nvidia-smi"),
        ("compile", "kernel", "did not compile or run (RuntimeError: compile is", "another"),
        ("wrong", "kernel", "a test kernel gave wrong numbers", "nvidia-smi"),
        ("elementwise", "kernel", "an elementwise test kernel did not compile", "gpu.lock"),
        ("wrong sum", "kernel", "an elementwise test kernel gave wrong numbers", "nvidia-smi"),
        ("cuBLAS", "cuBLAS", "product of matrices did not compile or run (ImportError", "gpu.lock"),
        ("wrong product", "cuBLAS", "product of matrices gave wrong numbers", "nvidia-smi"),
    ],
)
def test_what_is_missing_is_said(
    broken: str, missing: str, reason: str, remedy: str, install: Callable[[Any], None]
) -> None:
    install(fake_cupy(broken))
    with pytest.raises(GpuError) as caught:
        choose_backend("cupy")
    assert caught.value.missing == missing
    message = str(caught.value)
    assert reason in message
    assert remedy in message
    assert "and much more" not in message
    assert message.endswith("or set backend: auto or cpu")
    said: list[str] = []
    assert choose_backend("auto", said.append).name == "cpu"
    assert f"(no GPU can be used: {caught.value.reason})" in said[0]


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'cupy'"), OSError("")])
def test_cupy_may_be_missing_or_broken(error: Exception, install: Callable[[Any], None]) -> None:
    install(error)
    with pytest.raises(GpuError, match=r"CuPy cannot be imported \(\w+.*; install envs/gpu.lock"):
        choose_backend("cupy")
    assert choose_backend("auto").name == "cpu"


def test_nothing_is_tried_at_import(tmp_path: Path) -> None:
    (tmp_path / "cupy.py").write_text("raise SystemExit('looked')\n")
    path = os.pathsep.join([str(tmp_path), str(SCRIPTS)])
    subprocess.run(
        [sys.executable, "-c", "import run_sgd, solve_dd"],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )


def test_other_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="one of auto, cpu, cupy, got 'gpu'"):
        choose_backend("gpu")
    assert get_args(Config.model_fields["backend"].annotation) == arrays.CHOICES


def test_problems_and_measures_are_moved_whole() -> None:
    backend = Backend("cupy", strict, "")
    neuron = Ridge(PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)))
    problem: Any = make_problem(IsotropicGaussians(40, 0.5), neuron, 3)
    moved = to_backend(problem, backend)
    assert type(moved) is type(problem)
    assert moved.mean.mean is problem.mean.mean  # the closed form stays on the host
    for value in (moved.labels, moved.weights, moved.norms, moved.mean.coefficients):
        assert isinstance(value, type(strict.asarray(0.0)))
    measure = to_backend(Measure(np.ones((2, 1)), np.full(2, 0.5)), backend)
    assert isinstance(measure.omega, type(strict.asarray(0.0)))
    assert to_backend(problem, Backend("cpu", np, "")) is problem
    ones = strict.ones(2)
    path = Flow(ones, ones, ones, ones, ones, 1, 2, 3)
    back = from_backend(path)
    assert isinstance(back.omega, np.ndarray)
    assert back[-3:] == (1, 2, 3)
    assert dataclasses.is_dataclass(moved)


def test_what_problems_share_is_moved_once_and_still_shared() -> None:
    copied: list[Any] = []

    def asarray(array: Any) -> Any:
        copied.append(array)
        return strict.asarray(array)

    neuron, laws = Perceptron(GELU()), [IsotropicGaussians(40, delta) for delta in (0.2, 0.5, 0.8)]
    problems: Any = tuple(make_problem(law, neuron, 3) for law in laws)
    start = Measure(np.ones((2, 3)), np.full(2, 0.5))
    device: Any = SimpleNamespace(asarray=asarray)
    moved, starts = to_backend((problems, (start,) * 3), Backend("cupy", device, ""))
    # Labels, weights, scales and units of each; one table; atoms and masses.
    assert len(copied) == 3 * 4 + 1 + 2
    assert len({id(array) for array in copied}) == len(copied)
    assert {id(problem.mean) for problem in moved} == {id(moved[0].mean)}
    assert starts[0] is starts[1] is starts[2]
    for problem, original in zip(moved, problems, strict=True):
        np.testing.assert_array_equal(np.asarray(problem.scales), original.scales)
