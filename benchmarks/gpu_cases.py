"""The runs of SGD by which a GPU is checked, and the forms of the kernels that they meet."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.sgd_problem import ACTIVATION
from meanfield.activations import Erf, ReLU, Tanh
from meanfield.initial import Gaussian, Initial
from meanfield.laws import AnisotropicGaussians, GaussianTeacher, IsotropicGaussians, Law
from meanfield.neurons import Neuron, Perceptron, Ridge
from meanfield.schedules import Constant
from meanfield.sgd.cuda_blocked import block_of
from meanfield.sgd.cuda_job import Job, make_job
from meanfield.sgd.cuda_kernels import recurrence_shape, resident_shape

SEEDS = (1, 2)


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
        drawn = [start.draw(seed, self.neurons, size) for seed in SEEDS]
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


def job_of(case: Case) -> Job:
    """Return what the kernels of a case are made from."""
    return make_job(
        case.neuron, case.neurons, [case.law] * len(SEEDS), Constant(),
        [case.step_size] * len(SEEDS), case.decay, case.inverse_temperature, SEEDS,
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
