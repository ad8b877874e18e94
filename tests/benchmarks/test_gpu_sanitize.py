"""What is made of compute-sanitizer, with a stand-in for it."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import gpu_cases, gpu_sanitize
from meanfield.sgd import cuda_kernels


def test_races_are_looked_for_in_the_kernels_that_run() -> None:
    assert {"resident", "recurrence", "draw"} < set(gpu_sanitize.KERNELS)
    assert len(set(gpu_sanitize.KERNELS)) == len(gpu_sanitize.KERNELS) > 3
    files = Path(cuda_kernels.__file__).with_name("kernels").glob("*.cu")
    heads = sum(file.read_text().count("__global__") for file in files)
    assert len(gpu_sanitize.KERNELS) == heads
    head = "__global__ void\n    __launch_bounds__(THREADS, 1)\n    on_three_lines(float *x)"
    assert gpu_sanitize._KERNEL.findall(head) == ["on_three_lines"]


def test_without_the_sanitizer_nothing_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = gpu_sanitize.sanitize(60.0, tmp_path / "gpu-toy", lambda found: None)
    assert "not on the PATH" in found["left_out"]
    assert found["ok"] is False


def test_the_sanitizer_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "compute-sanitizer"
    tool.write_text('#!/bin/sh\necho "done: ridge"\n[ $2 = memcheck ] && echo done: noise\n')
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    saved: list[Any] = []
    found = gpu_sanitize.sanitize(60.0, tmp_path / "gpu-toy", lambda found: saved.append([*found]))
    assert found["memcheck"]["done"] == ["ridge", "noise"]
    assert found["racecheck"]["done"] == ["ridge"]
    assert (found["memcheck"]["status"], found["racecheck"]["status"]) == (0, 1)
    assert not found["ok"]
    assert [len(names) for names in saved] == [2, 3]
    assert (tmp_path / "gpu-toy-racecheck.log").read_text() == "done: ridge\n"


def test_a_small_network_that_fails_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand = SimpleNamespace(cuda=SimpleNamespace(set_allocator=lambda allocator: None))
    monkeypatch.setitem(sys.modules, "cupy", stand)
    count = len(gpu_cases.SMALL_CASES)
    errors = iter([ArithmeticError("wrong"), *[None] * (count - 1), *[None] * count])

    def run(theta0: Any, **_: Any) -> None:
        error = next(errors)
        if error:
            raise error

    monkeypatch.setattr(gpu_sanitize.cuda, "run", run)
    with pytest.raises(RuntimeError, match=r"^ridge: ArithmeticError: wrong$"):
        gpu_sanitize.small()
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [f"done: {case.name}" for case in gpu_cases.SMALL_CASES[1:]]
    gpu_sanitize.small()
