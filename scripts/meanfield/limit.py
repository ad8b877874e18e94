"""The limit that settings ask for: its problem, its start, and the invariants of its atoms."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.empirical import make_empirical_problem
from meanfield.initial import make_initial
from meanfield.initial_measure import initial_measure
from meanfield.invariants import invariant_names, invariants
from meanfield.laws import Law
from meanfield.measure import Measure
from meanfield.neurons import Neuron
from meanfield.problem import Dimension, Problem, make_problem
from meanfield.width import WidthCoefficients, row_coefficients, width_coefficients

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
        width: takes a measure to its finite-width coefficients.
    """

    problem: Problem
    finer: Problem | None
    start: Measure
    levels: Floats | None
    names: tuple[str, ...]
    invariants: Callable[[Floats], Floats]
    width: Callable[[Measure], WidthCoefficients]


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
        The limit: reduced, or, with ``problem`` "empirical", for ``rows`` samples of the law, or
        all rows of a data set, and ``atoms`` neurons drawn from the start.

    Raises:
        ValueError: if no reduction of the combination is known.
    """
    return (_empirical if dd["problem"] == "empirical" else _reduced)(law, neuron, initial, dd)


def _reduced(law: Law, neuron: Neuron, initial: Mapping[str, Any], dd: Mapping[str, Any]) -> Limit:
    infinite = dd["dimension"] != "finite"
    dimension: Dimension = "infinite" if infinite else "finite"
    problem = make_problem(law, neuron, dd["nodes"], dimension=dimension)
    start, levels = initial_measure(
        initial, law, dd["atoms"], infinite=dd["dimension"] == "infinite"
    )
    finer = None
    if not infinite:
        # The nodes of several norms are a product rule.
        norms = sum(name.startswith("r") for name in problem.invariant_names)
        finer = make_problem(law, neuron, dd["nodes"] * (4 if norms == 1 else 2))
    return Limit(
        problem=problem,
        finer=finer,
        start=start,
        levels=levels,
        names=problem.invariant_names,
        invariants=lambda omega: omega,
        width=partial(width_coefficients, problem, law=law, neuron=neuron),
    )


def _empirical(
    law: Law, neuron: Neuron, initial: Mapping[str, Any], dd: Mapping[str, Any]
) -> Limit:
    problem = make_empirical_problem(law, neuron, dd["rows"] or 0, seed=dd["seed"])
    theta = make_initial(initial).draw(dd["seed"], dd["atoms"], law.dimension)
    return Limit(
        problem=problem,
        finer=None,
        start=Measure(theta, np.full(len(theta), 1 / len(theta))),
        levels=None,
        names=invariant_names(law, neuron),
        invariants=partial(invariants, law, neuron),
        width=partial(row_coefficients, problem),
    )
