"""The benchmark of a GPU, as far as it goes without one: it refuses, and its networks are right."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import command, gpu, gpu_cases, gpu_checks, gpu_peers, gpu_speed, gpu_tests
from benchmarks.agreement import AGREEMENT
from benchmarks.gpu_problem import Networks, largest_disagreement, make_replicas
from benchmarks.plot_gpu import draw
from benchmarks.rounds import Timing
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
    [
        [],
        ["--part", "none"],
        ["--part", "speed", "--rounds", "0"],
        ["--part", "tests", "--limit=0"],
    ],
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
    for name in ("cupy", "cupy-cuda12x", "cupy-cuda13x", "nvidia-cuda-nvrtc"):
        assert re.fullmatch(gpu.LIBRARIES, name)
    assert not re.fullmatch(gpu.LIBRARIES, "numpy-typing-compat")


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
    forms = {case.name: gpu_cases.form_of(case) for case in gpu_cases.SMALL_CASES}
    assert set(forms.values()) == gpu_cases.FORMS
    for name, (form, samples) in forms.items():
        assert (form == "memory") == ("from memory" in name)
        assert (form != "resident") == name.startswith("blocks")
        assert (samples == "given") == ("samples of the host" in name)


@pytest.mark.parametrize("cases", [gpu_cases.AGREEMENT_CASES, gpu_cases.SMALL_CASES])
def test_the_checks_meet_every_activation_and_the_recurrence_from_memory(
    cases: tuple[gpu_cases.Case, ...],
) -> None:
    assert {type(case.neuron.activation) for case in cases} >= {ReLU, Tanh, Erf}
    assert {form for form, _ in map(gpu_cases.form_of, cases)} == {
        "resident", "registers", "memory"
    }  # fmt: skip
    assert {samples for _, samples in map(gpu_cases.form_of, cases)} == {"drawn", "given"}


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


@pytest.mark.parametrize(("capability", "cores"), [((9, 0), 128), ((8, 0), 64)])
def test_the_rate_is_that_of_all_cores(
    capability: tuple[int, int], cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    major, minor = capability
    properties = {
        "major": major,
        "minor": minor,
        "multiProcessorCount": 132,
        "clockRate": 1_980_000,
    }
    runtime = SimpleNamespace(getDevice=lambda: 3, getDeviceProperties={3: properties}.get)
    cuda = SimpleNamespace(runtime=runtime)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    assert gpu_speed.peak_flops() == 2 * 132 * cores * 1.98e9


def test_speed_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers fail at every stage, the limit passes after one size, and the file has the rest."""

    def networks(problem: Any, fails_at: float = np.inf) -> Networks:
        calls = iter(range(10**6))

        def advance(passes: int) -> None:
            if next(calls) >= fails_at:
                raise RuntimeError("of the peer")

        return Networks(advance, lambda: problem.theta0)

    def unmade(problem: Any) -> Networks:
        raise MemoryError("too large")

    def in_turn(works: Any, rounds: int, *_: Any, **__: Any) -> Any:
        for work in list(works.values()) * rounds:
            work(1)
        return {name: Timing((0.5,) * rounds, 1.0) for name in works}

    def disagreement(problem: Any, weights: Any) -> float:
        return 0.0 if weights.size else np.nan

    fails = {2: np.inf, 3: 0}
    makers: dict[str, Any] = {
        "kernels": networks, "unmade": unmade,
        "at once": lambda problem: networks(problem, 0),
        "off": lambda problem: networks(problem)._replace(weights=lambda: np.zeros(0)),
        "when compiled": lambda problem: networks(problem, fails[len(problem.theta0)]),
        "later": lambda problem: networks(problem, 2),
    }  # fmt: skip
    monkeypatch.setattr(gpu_speed, "MAKERS", makers)
    monkeypatch.setattr(gpu_speed, "interleave", in_turn)
    monkeypatch.setattr(gpu_speed, "peak_flops", lambda: 1e12)
    monkeypatch.setattr(gpu_speed, "free_memory", lambda: None)
    monkeypatch.setattr(gpu_speed, "largest_disagreement", disagreement)
    clock = iter([0.0, 0.0, 4.0, 4.0, 8.0, 8.0])
    monkeypatch.setattr(gpu_speed, "perf_counter", lambda: next(clock))
    file = tmp_path / "made" / "gpu-toy.json"
    found = gpu_speed.speed(
        2, 1e-5, 11.0, lambda found: gpu.add(file, {"speed": found}), [(4, 2)], (3, 2, 1)
    )
    assert json.loads(file.read_text()) == {"speed": json.loads(json.dumps(found))}
    assert found["ok"]
    timed = [(row["implementation"], row["replicas"]) for row in found["rows"]]
    assert timed == [("kernels", 3), ("kernels", 2), ("when compiled", 2)]
    assert found["left_out"] == [((4, 2), 1)]
    off = found["missing"].pop("off (4, 2) x 2")
    assert "off is off the float64 reference by nan" in off
    assert found["missing"] == {
        "unmade (4, 2) x 2": "MemoryError: too large",
        "at once (4, 2) x 2": "RuntimeError: of the peer",
        "when compiled (4, 2) x 3": "RuntimeError: of the peer",
        "later (4, 2) x 3": "RuntimeError: of the peer",
        "later (4, 2) x 2": "RuntimeError: of the peer",
    }
    # Nor do others wait for this project's kernels.
    monkeypatch.setitem(makers, "kernels", unmade)
    clock = iter([0.0, 0.0, 0.0])
    found = gpu_speed.speed(2, 1e-5, 11.0, print, [(4, 2)], (2,))
    assert {row["implementation"] for row in found["rows"]} == {"when compiled"}
    assert found["missing"]["kernels (4, 2) x 2"] == "MemoryError: too large"
    assert not found["ok"]


@pytest.mark.parametrize(
    ("status", "last", "ok"),
    [
        (0, "47 passed, 2061 deselected in 60.1s", True),
        (0, "40 passed, 7 skipped in 60.1s", False),
        (1, "1 failed, 46 passed in 60.1s", False),
        (None, "", False),
    ],
)
def test_the_tests_are_those_of_a_gpu_and_none_may_be_skipped(
    status: int | None, last: str, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(command: list[str], seconds: float, log: Path) -> dict[str, Any]:
        assert command[1:6] == ["-m", "pytest", "-q", "-m", "gpu"]
        assert command[10:] == [str(file) for file in gpu_tests.files()]
        assert seconds == 180
        return {"status": status, "last_lines": [last] if last else []}

    monkeypatch.setattr(gpu_tests, "call", call)
    assert gpu_tests.run(180, Path("tests.log"))["ok"] is ok


def test_no_file_with_tests_of_a_gpu_is_passed_over(request: pytest.FixtureRequest) -> None:
    """Of the files of this session, which are all when all tests are run."""
    marked = {item.path for item in request.session.items if item.get_closest_marker("gpu")}
    found = set(gpu_tests.files())
    assert marked <= found
    # Pytest reads all files that it is given, which takes long.
    assert 6 < len(found) < 20


def test_a_check_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 4.0, 4.0, 9.0, 9.0, 10.0, 12.0])
    monkeypatch.setattr(gpu_checks, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(gpu_checks.traceback, "print_exc", lambda: None)
    saved: list[str] = []

    def raises() -> dict[str, Any]:
        raise ArithmeticError("wrong")

    checks: dict[str, gpu_checks.Check] = {
        "first": raises, "second": lambda: {"ok": True}, "third": lambda: {"ok": True},
        "last": lambda: {"ok": True},
    }  # fmt: skip
    found = gpu_checks.run_checks(checks, 11.0, lambda found: saved.append(json.dumps(found)))
    assert [row["check"] for row in found["rows"]] == ["first", "second", "third"]
    assert [row["ok"] for row in found["rows"]] == [False, True, True]
    assert [row["seconds"] for row in found["rows"]] == [4.0, 5.0, 1.0]
    assert found["rows"][0]["error"] == "ArithmeticError: wrong"
    assert found["left_out"] == ["last"]
    assert [len(json.loads(text)["rows"]) for text in saved] == [1, 2, 3]
    assert not found["ok"]


@pytest.mark.parametrize(("limit", "ok", "left"), [(1.0, True, []), (-1.0, False, ["one"])])
def test_only_checks_that_were_made_hold(limit: float, ok: bool, left: list[str]) -> None:
    found = gpu_checks.run_checks({"one": lambda: {"ok": True}}, limit, lambda found: None)
    assert (found["ok"], found["left_out"]) == (ok, left)


def test_every_pair_of_devices_is_checked_under_a_name_of_its_own() -> None:
    names = list(gpu_checks._checks())
    kinds = [name.split(" ")[0] for name in names]
    assert kinds == ["samples"] * 4 + ["SGD:"] * 5 + ["flow:"] * 4 + ["flows"] + ["SGD:"] * 2
    assert len(gpu_cases.AGREEMENT_CASES) == 7
    assert all(name.startswith("SGD: blocks") for name in names[-2:])


def test_all_parts_are_done_whatever_becomes_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, limits, given = [0.0], [], gpu.parse(["--part", "all", "--limit", "170", "--quick"])
    taken = {"agreement": 50.0, "tests": 10.0, "sanitize": 20.0, "speed": 30.0, "sweep": 60.0}

    def call(arguments: list[str], seconds: float, log: Path, grace: float) -> dict[str, Any]:
        # Else what does not end when asked outlives the part that started it.
        assert grace > command.GRACE
        part = log.stem.removeprefix("gpu-toy-all-")
        again = gpu.parse(arguments[2:])
        assert (again.part, again.quick, again.results) == (part, True, given.results.resolve())
        limits.append(again.limit)
        now[0] += taken[part]
        return {"status": None if part == "tests" else 0, "seconds": taken[part]}

    monkeypatch.setattr(command, "call", call)
    monkeypatch.setattr(gpu, "perf_counter", lambda: now[0])
    saved: list[Any] = []
    found = gpu.every(given, tmp_path / "gpu-toy-all", lambda found: saved.append(found))
    assert list(found["parts"]) == list(gpu.ORDER)
    assert limits == [36.0, 32.0, 20.0, 30.0, 60.0]
    assert len(saved) == 5
    assert not found["ok"]


def test_all_parts_end_within_ten_minutes() -> None:
    """The last one too, if it is late and has to be ended."""
    assert gpu.parse(["--part", "all"]).limit + gpu._LATE + 2 * command.GRACE < 600


def test_a_part_adds_itself_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gpu-toy.json"
    gpu.add(file, {"speed": {"rows": []}, "device": "old"})
    gpu.add(file, {"tests": {"ok": True}, "device": "new"})
    assert json.loads(file.read_text()) == {
        "speed": {"rows": []}, "tests": {"ok": True}, "device": "new"
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == [file]
