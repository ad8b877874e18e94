"""The limits that the benchmark of the flow solves: Figures 1, 3 and 4, and all of Figure 2."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.activations import PiecewiseLinear
from meanfield.flow import Flow, solve
from meanfield.initial_measure import initial_measure
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians, Law
from meanfield.measure import Measure
from meanfield.neurons import Neuron, Perceptron, Ridge
from meanfield.problem import Dimension, Problem, make_problem
from meanfield.schedules import Constant, Power, Schedule

Floats = NDArray[np.float64]

RAMP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
DIP = PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5))
RELU = PiecewiseLinear((0.0,), (0.0,), right_slope=1.0)
ONE = {"kind": "point", "value": 1.0}


def gaussian(scale: float) -> dict[str, Any]:
    """Return the settings of a Gaussian start of w."""
    return {"kind": "gaussian", "scale": scale}


@dataclass(frozen=True)
class Case:
    """A limit and how finely it is solved.

    Attributes:
        name: of the figure.
        law, neuron, initial, schedule, horizon: what is solved.
        atoms, nodes, tolerance: how finely.
        finer: atoms and nodes of the solution that errors are measured against.
        dimension: finite or infinite.
    """

    name: str
    law: Law
    neuron: Neuron
    initial: dict[str, Any]
    schedule: Schedule
    horizon: float
    atoms: int | tuple[int, ...]
    nodes: int
    tolerance: float
    finer: tuple[int | tuple[int, ...], int]
    dimension: Dimension = "finite"

    def problem(self, nodes: int | None = None) -> Problem:
        """Return the problem."""
        return make_problem(self.law, self.neuron, nodes or self.nodes, dimension=self.dimension)

    def start(self, atoms: int | tuple[int, ...] | None = None) -> Measure:
        """Return the measure at time 0."""
        infinite = self.dimension == "infinite"
        chosen = atoms or self.atoms
        return initial_measure(self.initial, self.law, chosen, infinite=infinite).measure

    @property
    def times(self) -> Floats:
        """Return 101 output times in tau."""
        if isinstance(self.schedule, Power):
            times = np.geomspace(1e-3 * self.horizon, self.horizon, 100)
            return self.schedule.integral(np.concatenate([[0.0], times]))
        return np.linspace(0, self.horizon, 101)

    def solve(self, tolerance: float | None = None) -> Flow:
        """Solve the limit."""
        chosen = tolerance or self.tolerance
        return solve(self.problem(), self.start(), self.times, tolerance=chosen)

    def reference(self) -> Flow:
        """Solve the limit as well as can be."""
        atoms, nodes = self.finer
        return solve(self.problem(nodes), self.start(atoms), self.times, tolerance=1e-9)


_FIGURE_3: dict[str, Any] = {
    "law": AnisotropicGaussians(320, 60, 0.5),
    "neuron": Perceptron(RELU),
    "initial": {"kind": "product", "a": ONE, "b": ONE, "w": gaussian(0.8)},
    "schedule": Power(1.0, 0.0, 0.25),
    "horizon": 31.9,
    "nodes": 6,
    "tolerance": 1e-6,
}
_FIGURE_4: dict[str, Any] = {
    "law": IsotropicGaussians(320, 0.5),
    "neuron": Ridge(DIP),
    "schedule": Constant(),
    "horizon": 10.0,
    "atoms": 800,
    "nodes": 10,
    "tolerance": 1e-6,
    "finer": (3200, 20),
}

CASES = (
    Case(
        "figure 1", IsotropicGaussians(40, 0.8), Ridge(RAMP), gaussian(0.8), Constant(), 10.0,
        atoms=800, nodes=10, tolerance=2e-6, finer=(3200, 20),
    ),
    Case("figure 3", **_FIGURE_3, atoms=(24, 8), finer=((48, 32), 8)),
    Case("figure 3, d = inf", **_FIGURE_3, atoms=2, finer=(2, 6), dimension="infinite"),
    Case("figure 4, kappa = 0.1", initial=gaussian(0.1), **_FIGURE_4),
    Case("figure 4, kappa = 0.4", initial=gaussian(0.4), **_FIGURE_4),
)  # fmt: skip

FIGURE_2 = tuple(
    Case(
        f"figure 2, Delta = {delta}", IsotropicGaussians(40, delta), Ridge(RAMP), gaussian(0.8),
        Constant(), 100.0, atoms=1600, nodes=12, tolerance=2e-6, finer=(3200, 24),
    )
    for delta in (0.0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9)
)  # fmt: skip
"""As many values of Delta as Figure 2 has."""
