"""Train networks by one-pass SGD: all seeds of a point, one thread a seed or all on one GPU.

In: initial parameters and test set (generate_data); settings of law, neuron, times and SGD.
Out: NetCDF with omega(seed, time, neuron, invariant), theta(seed, neuron, parameter) at the end,
and, each (seed, time), the risk with its parts and the mean squared residual of the steps between.

A run that was killed continues from its checkpoints, beside the output, and ends the same if the
backend is the same.
"""

import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import xarray as xr

from meanfield.arrays import choose_backend
from meanfield.evaluation import TestSet
from meanfield.large_arrays import read_rows
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians, make_law
from meanfield.neurons import make_neuron
from meanfield.problem import has_reduction, is_quick, make_problem
from meanfield.progress import Progress
from meanfield.schedules import make_schedule
from meanfield.seeds import against_gpu, run_on_cpu, run_on_gpu
from meanfield.sgd_results import as_dataset
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read, write
from meanfield.timeline import output_times, steps_at
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
) -> None:
    """Run SGD for every seed and store the trajectories."""
    started = perf_counter()
    initial = read(data, without=["theta"])  # large, and read seed by seed
    times = output_times(settings["time"])
    # Output times closer than a step share one.
    steps, outputs = np.unique(steps_at(times, settings["sgd"]["step_size"]), return_inverse=True)
    setup = make_setup(settings, steps.tolist(), initial)
    seeds = settings["seeds"]
    chosen = choose_backend(backend, LOG.info, against=against_gpu(setup))
    folder = Path(runs).with_suffix(".checkpoints")
    run_seeds = run_on_cpu if chosen.name == "cpu" else run_on_gpu
    with closing(Progress(len(seeds) * int(steps[-1]), LOG)) as progress:
        trajectories = run_seeds(
            lambda seed: read_rows(data, "theta", setup.precision, seed=seed),
            seeds,
            setup,
            folder=folder,
            identity=origin.digest,
            progress=progress,
            threads=threads,
            log=LOG,
        )
    dataset, large = as_dataset(trajectories, outputs, setup)
    write(
        dataset.assign_coords(seed=np.asarray(seeds, dtype=np.uint64), time=times),
        runs,
        title="One-pass SGD",
        origin=origin,
        backend="numba" if chosen.name == "cpu" else chosen.name,
        device=chosen.device,
        large=large,
    )
    shutil.rmtree(folder, ignore_errors=True)  # partial files of killed runs included
    LOG.info(
        "ran %d seeds of %d steps in %.1f s on %s into %s",
        len(seeds),
        steps[-1],
        perf_counter() - started,
        chosen.device,
        runs,
    )


def make_setup(settings: Mapping[str, Any], steps: list[int], initial: xr.Dataset) -> Setup:
    """Return all of a run but its seed."""
    law, neuron, sgd = make_law(settings["law"]), make_neuron(settings["neuron"]), settings["sgd"]
    problem, s = None, None
    if isinstance(law, IsotropicGaussians | AnisotropicGaussians) and has_reduction(law, neuron):
        reduced = make_problem(law, neuron, REDUCED_NODES[len(law.spheres)])
        if is_quick(reduced):
            problem, s = reduced, law.invariants(initial.x.values)
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
        test_set=TestSet(initial.x.values, initial.y.values, s),
        keep_theta=sgd["store_path"],
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
