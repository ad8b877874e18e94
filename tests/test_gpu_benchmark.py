"""The benchmark of a GPU, as far as it goes without one: it refuses, and its networks are right."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import gpu, gpu_checks, gpu_peers
from benchmarks.agreement import AGREEMENT
from benchmarks.gpu_problem import largest_disagreement, make_replicas
from benchmarks.plot_gpu import draw
from cuda_host import HostDevice
from meanfield.activations import Erf, ReLU, Tanh
from meanfield.arrays import GpuError, choose_backend

ROOT = Path(__file__).parents[1]


def test_it_refuses_without_a_gpu(tmp_path: Path) -> None:
    try:
        choose_backend("cupy")
    except GpuError as error:
        expected = f"benchmarks/gpu.py: {error}\n"
    else:
        pytest.skip("there is a GPU")
    command = [sys.executable, "benchmarks/gpu.py", "--part", "speed", "--results", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [[], ["--part", "all"], ["--part", "speed", "--rounds", "0"], ["--part", "tests", "--limit=0"]],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        gpu.parse(arguments)
    assert "error:" in capsys.readouterr().err


def test_every_part_can_be_asked_for() -> None:
    assert [gpu.parse(["--part", part]).part for part in gpu.PARTS] == list(gpu.PARTS)
    assert gpu.short_name("GPU NVIDIA H100 80GB HBM3, compute capability 9.0") == "h100-80gb-hbm3"
    assert "numpy" in gpu.installed()


@pytest.mark.parametrize("implementation", ["kernels", "plain_cupy"])
def test_the_networks_are_those_of_the_reference(
    implementation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NumPy and a CPU in place of CuPy and a GPU."""
    stream = SimpleNamespace(synchronize=lambda: None)
    stand = SimpleNamespace(
        **{name: getattr(np, name) for name in ("array", "asarray", "matmul", "clip", "where")},
        float32=np.float32,
        asnumpy=np.asarray,
        cuda=SimpleNamespace(get_current_stream=lambda: stream),
    )
    monkeypatch.setattr(gpu_peers, "CupyDevice", HostDevice)
    monkeypatch.setitem(sys.modules, "cupy", stand)
    problem = make_replicas(2, 40, 8, step_size=5e-5, steps=200)
    networks = gpu_peers.MAKERS[implementation](problem)
    networks.advance(1)
    assert largest_disagreement(problem, networks.weights()) < AGREEMENT
    assert largest_disagreement(problem, problem.theta0) > 0.5


def test_the_small_networks_meet_all_forms_of_the_kernels() -> None:
    forms = {case.name: gpu_checks.form_of(case) for case in gpu_checks.SMALL_CASES}
    assert set(forms.values()) == gpu_checks.FORMS
    for name, (form, samples) in forms.items():
        assert (form == "memory") == ("from memory" in name)
        assert (form != "resident") == name.startswith("blocks")
        assert (samples == "given") == ("samples of the host" in name)


@pytest.mark.parametrize("cases", [gpu_checks.AGREEMENT_CASES, gpu_checks.SMALL_CASES])
def test_the_checks_meet_every_activation_and_the_recurrence_from_memory(
    cases: tuple[gpu_checks.Case, ...],
) -> None:
    assert {type(case.neuron.activation) for case in cases} >= {ReLU, Tanh, Erf}
    assert {form for form, _ in map(gpu_checks.form_of, cases)} == {
        "resident", "registers", "memory"
    }  # fmt: skip
    assert {samples for _, samples in map(gpu_checks.form_of, cases)} == {"drawn", "given"}


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    rows = [
        {
            "implementation": name, "neurons": neurons, "dimension": 40, "replicas": count,
            "ns_per_replica_step": 10.0 / count, "bound_ns": 2.0,
        }
        for name in gpu_peers.MAKERS
        for neurons in (800, 1600)
        for count in (1, 16)
    ]  # fmt: skip
    file = tmp_path / "gpu-toy.json"
    file.write_text(json.dumps({"device": "GPU Toy", "speed": {"rows": rows}}))
    draw(file)
    assert {path.name for path in tmp_path.iterdir()} == {f"gpu-toy.{s}" for s in
                                                         ("json", "png", "svg")}  # fmt: skip
