"""Short runs of SGD, by the engine or the reference: what its tests share."""

from typing import Any

import numpy as np

from meanfield.activations import GELU, PiecewiseLinear, ReLU, Softplus, Tanh
from meanfield.initial import Gaussian, Initial
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from meanfield.schedules import Constant, Piecewise, Power
from meanfield.sgd import engine

STEP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
HINGE = PiecewiseLinear((0.1,), (0.3,), left_slope=-0.2, right_slope=1.0)
FLAT = PiecewiseLinear((0.1,), (0.0,))

# Each compiles its own kernels, which takes seconds: both kinds of activation with both neurons.
# The kernels treat all activations of a kind alike, and test_special_kernels.py has every one.
NEURONS = (
    Ridge(STEP), Ridge(Tanh()), Ridge(GELU()), Perceptron(ReLU()), Perceptron(Softplus()),
)  # fmt: skip
NOISY_NEURONS = (Ridge(HINGE), Perceptron(ReLU()))
SCHEDULES = (Constant(), Power(1.0, 0.0, 0.25), Piecewise((0.0, 0.001), (1.0, 0.3)))


def initial(neuron: Any, neurons: int, dimension: int, seed: int) -> Any:
    """Draw theta (N, D): w as usual, then a and b of order 1 where the neuron has them."""
    weights = Initial(Gaussian(0.8)).draw(seed, neurons, dimension)
    extra = np.random.default_rng(seed).normal(size=(neurons, 2))
    return weights if isinstance(neuron, Ridge) else np.column_stack([extra, weights])


def run(
    module: Any = engine, *, neurons: int = 70, dimension: int = 9, neuron: Any = NEURONS[0],
    law: Any = None, schedule: Any = SCHEDULES[0], step_size: float = 2e-3, decay: float = 0.0,
    inverse_temperature: float = np.inf, snapshot_steps: Any = (101,), seed: int = 5,
    precision: str = "float64", **others: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Parameters and mean square residuals at the snapshots; `others` are the engine's alone."""
    law = law or IsotropicGaussians(dimension, 0.8)
    seen, means = [], []

    def record(step, theta, mean_square_residual):
        seen.append(theta)
        means.append(mean_square_residual)

    theta = initial(neuron, neurons, law.dimension, seed)
    last = module.run(
        theta, neuron=neuron, law=law, schedule=schedule, step_size=step_size, decay=decay,
        inverse_temperature=inverse_temperature, snapshot_steps=snapshot_steps, seed=seed,
        precision=precision, record=record, **others,
    )  # fmt: skip
    assert last.dtype == precision
    assert last.shape == theta.shape
    assert np.array_equal(last, seen[-1])
    return np.array(seen), np.array(means)


VARIANTS: list[dict[str, Any]] = [
    {"precision": "float32"},
    {"precision": "float64", "neuron": NEURONS[3], "decay": 0.3, "step_size": 2e-4},
    {"neuron": NOISY_NEURONS[0], "inverse_temperature": 2.0, "decay": 0.3},
]
