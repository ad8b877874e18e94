"""The limit that settings ask for: its problem, its start, and the invariants of its atoms."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.initial_measure import initial_measure
from meanfield.laws import Law
from meanfield.measure import Measure
from meanfield.neurons import Neuron
from meanfield.problem import Dimension, Problem, make_problem

Floats = NDArray[np.float64]


class Limit(NamedTuple):
    """A flow to solve.

    Args:
        problem: the problem.
        finer: the same with four times the quadrature nodes; None where it has no quadrature.
        start: rho at time 0.
        levels: levels at which the atoms are a quantile function, shape (J,), for one radius;
            else None.
        names: names of the invariants.
        invariants: takes atoms (..., J, k) to invariants (..., J, n).
    """

    problem: Problem
    finer: Problem | None
    start: Measure
    levels: Floats | None
    names: tuple[str, ...]
    invariants: Callable[[Floats], Floats]


def make_limit(
    law: Law, neuron: Neuron, initial: Mapping[str, Any], dd: Mapping[str, Any]
) -> Limit:
    """Make the limit of an experiment.

    Args:
        law: the data law.
        neuron: the neuron.
        initial: settings of the start.
        dd: settings of the limit.

    Returns:
        The limit.

    Raises:
        ValueError: if no reduction of the combination is known.
    """
    infinite = dd["dimension"] != "finite"
    dimension: Dimension = "infinite" if infinite else "finite"
    problem = make_problem(law, neuron, dd["nodes"], dimension=dimension)
    start, levels = initial_measure(
        initial, law, dd["atoms"], infinite=dd["dimension"] == "infinite"
    )
    finer = None
    if not infinite:
        # The nodes of several norms are a product rule.
        norms = len(problem.invariant_names) - (2 if "a" in problem.invariant_names else 0)
        finer = make_problem(law, neuron, dd["nodes"] * (4 if norms == 1 else 2))
    return Limit(problem, finer, start, levels, problem.invariant_names, lambda omega: omega)
