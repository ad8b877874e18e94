"""Train networks by one-pass SGD: all seeds of a point, one thread a seed or all on one GPU.

In: initial parameters and test set (generate_data); settings of law, neuron, times and SGD.
Out: NetCDF with omega(seed, time, neuron, invariant), theta(seed, neuron, parameter) at the end,
and, each (seed, time), the risk with its parts and the mean squared residual of the steps between.

A run that was killed continues from its checkpoints, beside the output, and ends the same if the
backend is the same; large networks on a GPU to rounding. On a GPU it can run other points of the
sweep in the same launch; what becomes of them it leaves in their checkpoints, for their own jobs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from meanfield.evaluation import TestSet
from meanfield.large_arrays import read_rows
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians, make_law
from meanfield.locks import clear, held
from meanfield.neurons import make_neuron
from meanfield.problem import has_reduction, is_quick, make_problem
from meanfield.sampling import Samples
from meanfield.schedules import make_schedule
from meanfield.seeds import PointRun, run_point
from meanfield.sgd_results import as_dataset
from meanfield.siblings import Sibling, checkpoints_of, was_made_since
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read, write
from meanfield.sweep import other_points
from meanfield.timeline import output_times, steps_of
from meanfield.training import Setup

REDUCED_NODES = {1: 48, 2: 12}
"""Nodes per label and invariant for the reduced risk, by the number of invariants: converged, and
not the solver's, so that a change of the solver's accuracy leaves SGD alone."""


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    threads: int,
    data: str | Path,
    runs: str | Path,
    backend: str = "auto",
    siblings: Sequence[Sibling] = (),
) -> None:
    """Run SGD for every seed and store the trajectories."""
    started = perf_counter()
    initial = read(data, without=["theta"])  # large, and read seed by seed
    times = output_times(settings["time"])
    steps, outputs = steps_of(times, settings["sgd"]["step_size"])
    setup = make_setup(settings, steps, Samples(initial.x.values, initial.y.values))
    seeds, folder = settings["seeds"], checkpoints_of(runs)
    point = PointRun(
        origin.point,
        lambda seed: read_rows(data, "theta", setup.precision, seed=seed),
        seeds,
        setup,
        folder,
        origin.digest,
    )
    others = other_points(siblings, origin, make_setup, LOG) if siblings else None
    with held(folder, LOG, wait=True):
        if was_made_since(runs, origin, LOG):
            return
        trajectories, used, device = run_point(
            point, backend, others=others, threads=threads, log=LOG
        )
        dataset, large = as_dataset(trajectories, outputs, setup)
        write(
            dataset.assign_coords(seed=np.asarray(seeds, dtype=np.uint64), time=times),
            runs,
            title="One-pass SGD",
            origin=origin,
            backend="numba" if used == "cpu" else used,
            device=device,
            large=large,
        )
        clear(folder)  # partial files of killed runs included
    LOG.info(
        "ran %d seeds of %d steps in %.1f s on %s into %s",
        len(seeds),
        steps[-1],
        perf_counter() - started,
        device,
        runs,
    )


def make_setup(settings: Mapping[str, Any], steps: list[int], samples: Samples) -> Setup:
    """Return all of a run but its seed."""
    law, neuron, sgd = make_law(settings["law"]), make_neuron(settings["neuron"]), settings["sgd"]
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


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
