"""What a run of SGD needs beside its seed, made from settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meanfield.evaluation import TestSet
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians, Law
from meanfield.neurons import make_neuron
from meanfield.problem import has_reduction, is_quick, make_problem
from meanfield.sampling import Samples
from meanfield.schedules import make_schedule
from meanfield.training import Setup

REDUCED_NODES = {1: 48, 2: 12}
"""Nodes per label and invariant for the reduced risk, by the number of invariants: converged, and
not the solver's, so that a change of the solver's accuracy leaves SGD alone."""


def make_setup(
    settings: Mapping[str, Any], law: Law, steps: Sequence[int], samples: Samples
) -> Setup:
    """Return all of a run of SGD but its seed.

    Args:
        settings: of the point.
        law: its data law.
        steps: at which the network is looked at.
        samples: on which its risk is estimated.
    """
    neuron, sgd = make_neuron(settings["neuron"]), settings["sgd"]
    problem, s = None, None
    if isinstance(law, IsotropicGaussians | AnisotropicGaussians) and has_reduction(law, neuron):
        reduced = make_problem(law, neuron, REDUCED_NODES[len(law.spheres)])
        if is_quick(reduced):
            problem, s = reduced, law.invariants(samples.x)
    beta = sgd["inverse_temperature"]
    return Setup(
        neuron=neuron,
        law=law,
        schedule=make_schedule(sgd["schedule"]),
        step_size=sgd["step_size"],
        decay=sgd["decay"],
        inverse_temperature=np.inf if beta is None else beta,
        precision=sgd["precision"],
        snapshot_steps=steps,
        problem=problem,
        test_set=TestSet(samples.x, samples.y, s),
        keep_theta=sgd["store_path"],
    )
