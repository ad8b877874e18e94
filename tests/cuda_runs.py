"""Short runs of SGD on replicas, on the CPU in place of a GPU: what its tests share."""

from typing import Any

import numpy as np

from cuda_host import HostDevice
from meanfield.activations import Erf, PiecewiseLinear, ReLU, Tanh
from meanfield.laws import AnisotropicGaussians, GaussianTeacher, IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from meanfield.schedules import Constant, Power
from meanfield.sgd import cuda, cuda_blocked, cuda_replicas, reference
from meanfield.sgd.cuda_kernels import Shape
from sgd_runs import STEP, initial

ISOTROPIC = IsotropicGaussians(9, 0.8)
TEACHER = GaussianTeacher(6, Tanh(), (1.0, -0.5), 0.1)
SEEDS = (5, 2**64 - 1)

CASES: dict[str, dict[str, Any]] = {
    "ridge": {"neuron": Ridge(STEP), "law": ISOTROPIC},
    "perceptron, decay, anisotropic": {
        "neuron": Perceptron(ReLU()), "law": AnisotropicGaussians(11, 4, 0.6), "decay": 0.25,
        "schedule": Power(1.0, 0.0, 0.25),
    },
    "ridge, noise": {"neuron": Ridge(Erf()), "law": ISOTROPIC, "inverse_temperature": 2.0},
    "perceptron, noise, decay": {
        "neuron": Perceptron(Tanh()), "law": ISOTROPIC, "inverse_temperature": 2.0, "decay": 0.25,
    },
    "ridge, samples of the host": {"neuron": Ridge(Tanh()), "law": TEACHER, "decay": 0.25},
    "perceptron, samples of the host": {"neuron": Perceptron(Tanh()), "law": TEACHER},
}  # fmt: skip
UNBOUNDED = Ridge(PiecewiseLinear((0.0, 1.0), (0.0, 1.5), left_slope=1.0, right_slope=1.5))


def thetas(neuron: Any, law: Any, neurons: int, seeds: Any) -> Any:
    """Draw initial parameters (R, N, D)."""
    return np.stack([initial(neuron, neurons, law.dimension, 3 + r) for r in range(len(seeds))])


def arguments_of(case: dict[str, Any]) -> dict[str, Any]:
    # 2 lambda s is a power of two: the rounding of a factor that all steps share would add up.
    given = {"schedule": Constant(), "step_size": 2.0**-12, "snapshot_steps": (0, 7, 61)}
    return given | case


def run_cuda(
    case: Any, *, neurons: int = 90, device: Any = None, seeds: Any = SEEDS, outputs: Any = None,
    **more: Any,
):  # fmt: skip
    """Return parameters and means at the snapshots, (T, R, N, D) and (T, R).

    A list ``outputs`` gets those of every snapshot, for which there must be ``inputs``.
    """
    arguments = arguments_of(case) | more
    seen, means = [], []

    def record(step, theta, mean, evaluated):
        seen.append(theta)
        means.append(mean)
        assert (evaluated is None) == (arguments.get("inputs") is None)
        if outputs is not None:
            outputs.append(evaluated)

    law = arguments["law"]
    theta = thetas(arguments["neuron"], law[0] if isinstance(law, list) else law, neurons, seeds)
    last = cuda.run(
        theta.astype(np.float32), seeds=seeds, record=record, device=device or HostDevice(),
        **arguments,
    )  # fmt: skip
    assert last.dtype == np.float32
    assert np.array_equal(last, seen[-1])
    return np.array(seen), np.array(means)


def run_reference(case: Any, *, neurons: int = 90, seeds: Any = SEEDS, **more: Any) -> Any:
    """Run the reference in float64, replica by replica, from the same float32 numbers."""
    arguments = arguments_of(case) | more
    laws, sizes = arguments.pop("law"), arguments.pop("step_size")
    laws = laws if isinstance(laws, list) else [laws] * len(seeds)
    sizes = sizes if isinstance(sizes, list) else [sizes] * len(seeds)
    theta = thetas(arguments["neuron"], laws[0], neurons, seeds).astype(np.float32)
    runs: list[list[Any]] = []
    for r, seed in enumerate(seeds):
        runs.append([])

        def record(step: int, units: Any, mean: float) -> None:
            runs[-1].append((units, mean))

        reference.run(
            theta[r], law=laws[r], step_size=sizes[r], seed=seed, precision="float64",
            record=record, **arguments,
        )  # fmt: skip
    steps = range(len(runs[0]))
    return (
        np.array([[each[t][0] for each in runs] for t in steps]),
        np.array([[each[t][1] for each in runs] for t in steps]),
    )


FORMS: dict[str, dict[str, Any]] = {
    "resident": {"resident_shape": Shape(64, 2)},
    "registers": {"resident_shape": None, "recurrence_shape": Shape(64, 2)},
    "memory": {"resident_shape": None, "recurrence_shape": Shape(64, 0)},
}


def choose_form(monkeypatch: Any, form: str) -> None:
    """Have all runs take one of the three forms of the kernels."""
    shapes = FORMS[form]
    monkeypatch.setattr(cuda_replicas, "resident_shape", lambda *a: shapes["resident_shape"])
    if "recurrence_shape" in shapes:
        monkeypatch.setattr(cuda_blocked, "recurrence_shape", lambda *a: shapes["recurrence_shape"])
