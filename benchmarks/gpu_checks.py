"""Checks of the GPU's results: samples, iterates and flows against the CPU's, and memory errors."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.agreement import disagreement
from benchmarks.flow_cases import CASES
from benchmarks.flow_together import together
from benchmarks.sgd_problem import ACTIVATION
from meanfield.activations import Erf, ReLU, Tanh
from meanfield.arrays import choose_backend, from_backend, to_backend
from meanfield.flow import solve
from meanfield.initial import Gaussian, Initial
from meanfield.laws import AnisotropicGaussians, GaussianTeacher, IsotropicGaussians, Law
from meanfield.neurons import Neuron, Perceptron, Ridge
from meanfield.random import SAMPLE
from meanfield.sampling import sample
from meanfield.schedules import Constant
from meanfield.sgd import cuda, engine
from meanfield.sgd.cuda_blocked import Blocked, block_of
from meanfield.sgd.cuda_device import CupyDevice
from meanfield.sgd.cuda_job import Job, make_job
from meanfield.sgd.cuda_kernels import recurrence_shape, resident_shape

ROOT = Path(__file__).resolve().parents[1]

STEPS = 10_000
_SEEDS = (1, 2)
_ROUNDING = 3.0
"""The GPU may be so many times as far from float64 as the CPU's float32 is: sums have other orders,
and a z within rounding of a knot may fall on either side."""
_FLOW_ERROR = 1e-8


@dataclass(frozen=True)
class Case:
    """A run of SGD that both devices make."""

    name: str
    neuron: Neuron
    law: Law
    neurons: int
    step_size: float = 1e-6
    decay: float = 0.0
    inverse_temperature: float = np.inf

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that the CPU and the GPU share."""
        return {
            "neuron": self.neuron, "law": self.law, "schedule": Constant(),
            "step_size": self.step_size, "decay": self.decay,
            "inverse_temperature": self.inverse_temperature,
        }  # fmt: skip

    def theta0(self) -> Any:
        """Return initial parameters (R, N, D), float32."""
        size = self.neuron.parameters(self.law.dimension)
        start = Initial(Gaussian(0.8))
        drawn = [start.draw(seed, self.neurons, size) for seed in _SEEDS]
        return np.stack(drawn).astype(np.float32)


def teacher(dimension: int) -> GaussianTeacher:
    """Return a law that the kernels do not draw from: the host gives them the samples."""
    return GaussianTeacher(dimension, Tanh(), (1.0, -0.5), 0.1)


RIDGE, PERCEPTRON = Ridge(ACTIVATION), Perceptron(ReLU())
ISOTROPIC, WIDE = IsotropicGaussians(40, 0.8), AnisotropicGaussians(320, 60, 0.5)
MANY = IsotropicGaussians(100, 0.8)
"""With 5000 neurons, as with 10,000, the pre-activations of a block exceed the registers."""
AGREEMENT_CASES = (
    Case("Figure 1", RIDGE, ISOTROPIC, 800),
    Case("Figure 3", PERCEPTRON, WIDE, 800, step_size=2e-5),
    Case("Figure 4", RIDGE, IsotropicGaussians(320, 0.5), 800),
    Case("noise, decay, tanh", Ridge(Tanh()), ISOTROPIC, 400, 1e-4, 0.01, 50.0),
    Case("blocks from memory", RIDGE, MANY, 5000),
    Case("samples of the host, erf", Perceptron(Erf()), teacher(40), 400, 1e-4),
    Case("blocks, samples of the host, decay, erf", Ridge(Erf()), teacher(320), 800, 1e-5, 0.01),
)
SMALL_CASES = (
    Case("ridge", RIDGE, IsotropicGaussians(9, 0.8), 45, 1e-4),
    Case("perceptron", PERCEPTRON, AnisotropicGaussians(11, 4, 0.6), 45, 1e-4, 0.3),
    Case("noise", RIDGE, IsotropicGaussians(9, 0.8), 45, 1e-4, 0.3, 2.0),
    Case("blocks", RIDGE, IsotropicGaussians(320, 0.8), 600, 1e-6),
    Case("blocks, noise", PERCEPTRON, WIDE, 600, 1e-6, 0.0, 2.0),
    Case("blocks from memory", RIDGE, MANY, 5000),
    Case("samples of the host, erf", Perceptron(Erf()), teacher(9), 45, 1e-4),
    Case("blocks, samples of the host, decay, tanh", Ridge(Tanh()), teacher(320), 600, 1e-5, 0.3),
)
FORMS = {
    ("resident", "drawn"), ("resident", "given"), ("registers", "drawn"), ("registers", "given"),
    ("memory", "drawn"),
}  # fmt: skip
"""What the small networks must meet, as `form_of` says it."""


def agreement() -> dict[str, Any]:
    """Compare the GPU with the CPU: bits of samples, iterates after STEPS steps, flows.

    Returns:
        Rows, and `ok`.
    """
    runs = [_compare(case) for case in AGREEMENT_CASES]
    drawn = dict.fromkeys(case.law for case in AGREEMENT_CASES if job_of(case).kind.drawn)
    samples = [_different_samples(law) for law in drawn]
    flows = [_compare_flows(case) for case in CASES if "inf" not in case.name]
    sweep = together(3, choose_backend("cupy"))
    ok = (
        all(row["gpu_error"] <= _ROUNDING * row["cpu_error"] for row in runs)
        and not any(samples)
        and all(row["largest_difference"] <= _FLOW_ERROR for row in [*flows, sweep])
    )
    return {
        "sgd": runs, "different_samples": samples, "flows": flows, "sweep_of_flows": sweep, "ok": ok
    }  # fmt: skip


def _compare(case: Case) -> dict[str, Any]:
    """Return how far both devices are from float64, in what SGD moved the neurons."""
    theta0, given = case.theta0(), case.arguments()
    start = perf_counter()
    gpu = cuda.run(theta0, seeds=_SEEDS, snapshot_steps=(STEPS,), record=_ignore, **given)
    seconds = perf_counter() - start
    errors: dict[str, list[float]] = {"gpu": [], "cpu": []}
    for index, seed in enumerate(_SEEDS):
        more = {"seed": seed, "snapshot_steps": (STEPS,), "record": _ignore, **given}
        exact = engine.run(theta0[index], precision="float64", **more)
        single = engine.run(theta0[index], precision="float32", **more)
        errors["gpu"].append(disagreement(gpu[index], exact, theta0[index]))
        errors["cpu"].append(disagreement(single, exact, theta0[index]))
    return {
        "case": case.name, "steps": STEPS, "gpu_error": max(errors["gpu"]),
        "cpu_error": max(errors["cpu"]), "gpu_seconds_with_compilation": seconds,
    }  # fmt: skip


def _different_samples(law: Law) -> int:
    """Return how many numbers drawn by the GPU differ from the CPU's in any bit."""
    device = CupyDevice()
    blocked = Blocked(job_of(Case("samples", RIDGE, law, 32)), device)
    count = 4
    x, y, _ = (device.to_host(each) for each in blocked._samples(0, count))
    different = 0
    for index, seed in enumerate(_SEEDS):
        expected = sample(law, seed, 0, count * blocked.unit, SAMPLE)
        mine = x[:, index].reshape(-1, law.dimension)
        different += int(np.sum(mine.view(np.uint32) != expected.x.view(np.uint32)))
        different += int(np.sum(y[:, index].ravel() != expected.y))
    return different


def _compare_flows(case: Any) -> dict[str, Any]:
    """Return how far the flow on the GPU is from that on the CPU, and the seconds of both."""
    gpu = choose_backend("cupy")
    problem, start = case.problem(), case.start()
    begin = perf_counter()
    cpu_path = solve(problem, start, case.times, tolerance=case.tolerance)
    cpu_seconds = perf_counter() - begin
    moved, there = to_backend(problem, gpu), to_backend(start, gpu)
    solve(moved, there, case.times[:2], tolerance=case.tolerance)  # compile
    begin = perf_counter()
    path = from_backend(solve(moved, there, case.times, tolerance=case.tolerance))
    gpu_seconds = perf_counter() - begin
    return {
        "case": case.name, "largest_difference": float(np.max(np.abs(path.risk - cpu_path.risk))),
        "cpu_seconds": cpu_seconds, "gpu_seconds": gpu_seconds,
    }  # fmt: skip


def job_of(case: Case) -> Job:
    """Return what the kernels of a case are made from."""
    return make_job(
        case.neuron, case.neurons, [case.law] * len(_SEEDS), Constant(),
        [case.step_size] * len(_SEEDS), case.decay, case.inverse_temperature, _SEEDS,
    )  # fmt: skip


def form_of(case: Case) -> tuple[str, str]:
    """Return the form of the kernels that a case takes, and where its samples come from.

    Returns:
        "resident", or the place of the pre-activations in the blocked form, "registers" or
        "memory"; and "drawn" by the kernels, or "given" to them by the host.
    """
    job = job_of(case)
    samples = "drawn" if job.kind.drawn else "given"
    if resident_shape(case.neurons, job.kind):
        return "resident", samples
    shape = recurrence_shape(case.neurons, job.kind, block_of(job))
    return "registers" if shape.neurons else "memory", samples


def small() -> None:
    """Run small networks in all forms of the kernels: what compute-sanitizer looks at."""
    import cupy

    cupy.cuda.set_allocator(None)  # a pool would hide what is read beyond an array
    forms = set()
    for case in SMALL_CASES:
        theta0 = case.theta0()
        cuda.run(theta0, seeds=_SEEDS, snapshot_steps=(0, 20, 41), record=_ignore,
                 **case.arguments())  # fmt: skip
        forms.add(form_of(case))
    if forms != FORMS:
        raise RuntimeError(f"the small networks are to meet {FORMS}, and meet {forms}")


def sanitize(seconds: float) -> dict[str, Any]:
    """Run the small networks under compute-sanitizer's memcheck and racecheck, if it is there."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return {"skipped": "compute-sanitizer is not on the PATH; it comes with the CUDA toolkit"}
    command = [sys.executable, "-c", "from benchmarks.gpu_checks import small; small()"]
    found: dict[str, Any] = {}
    for check in ("memcheck", "racecheck"):
        found[check] = call([tool, "--tool", check, "--error-exitcode", "9", *command], seconds / 2)
    return found | {"ok": all(each["status"] == 0 for each in found.values())}


def call(command: list[str], seconds: float) -> dict[str, Any]:
    """Run a command; return its status (None if it ran out of time), seconds and last lines."""
    start = perf_counter()
    try:
        done = subprocess.run(
            command, cwd=ROOT, timeout=seconds, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        status = None
    lines = output.strip().splitlines()[-15:]
    return {"status": status, "seconds": perf_counter() - start, "last_lines": lines}


def _ignore(step: int, theta: Any, mean_square_residual: Any) -> None:
    """Record nothing."""
