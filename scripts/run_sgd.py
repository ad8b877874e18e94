"""Train networks by one-pass SGD: all seeds of a point, one thread a seed.

In: initial weights and test set (generate_data); settings of law, neuron, times and SGD.
Out: NetCDF with omega(seed, time, neuron, invariant), theta(seed, neuron, parameter) at the end,
and the risk with its parts, each (seed, time).
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from meanfield.evaluation import RiskEstimate, TestSet, estimate_risk
from meanfield.laws import make_law
from meanfield.neurons import make_neuron
from meanfield.problem import make_problem
from meanfield.schedules import Constant
from meanfield.sgd import engine
from meanfield.sgd.prediction import network
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read, write
from meanfield.timeline import output_times, steps_at

REDUCED_NODES = 48
"""Nodes per label for the reduced risk: converged, and not the solver's, so that a change of the
solver's accuracy leaves SGD alone."""


class Trajectory(NamedTuple):
    """One seed's run: invariants (T, N, k), risks at T times, and parameters (N, D) at the end."""

    omega: np.ndarray
    risks: list[RiskEstimate]
    theta: np.ndarray


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    threads: int,
    data: str | Path,
    runs: str | Path,
) -> None:
    """Run SGD for every seed and store the trajectories."""
    started = perf_counter()
    law, neuron = make_law(settings["law"]), make_neuron(settings["neuron"])
    problem = make_problem(law, neuron, REDUCED_NODES)
    initial = read(data)
    test_set = TestSet(initial.x.values, initial.y.values, law)
    times = output_times(settings["time"])
    # Output times closer than a step share one.
    steps, outputs = np.unique(steps_at(times, settings["sgd"]["step_size"]), return_inverse=True)

    def trajectory(seed: int) -> Trajectory:
        omega: list[np.ndarray] = []
        risks: list[RiskEstimate] = []

        def record(step: int, theta: np.ndarray, mean_square_residual: float) -> None:
            omega.append(neuron.invariants(theta))
            output = network(theta, test_set.x, neuron)
            risks.append(estimate_risk(output, omega[-1], test_set, problem))
            LOG.info("seed %d: step %d of %d, risk %.4f", seed, step, steps[-1], risks[-1].risk)

        theta = engine.run(
            initial.theta.sel(seed=seed).values,
            neuron=neuron,
            law=law,
            schedule=Constant(),
            step_size=settings["sgd"]["step_size"],
            snapshot_steps=steps.tolist(),
            seed=seed,
            precision=settings["sgd"]["precision"],
            record=record,
        )
        return Trajectory(np.stack(omega)[outputs], [risks[k] for k in outputs], theta)

    seeds = settings["seeds"]
    with ThreadPoolExecutor(max_workers=min(threads, len(seeds))) as pool:
        trajectories = list(pool.map(trajectory, seeds))
    dataset = xr.Dataset(
        {
            "omega": (
                ("seed", "time", "neuron", "invariant"),
                np.stack([run.omega for run in trajectories]),
            ),
            "theta": (("seed", "neuron", "parameter"), np.stack([t.theta for t in trajectories])),
            **{
                name: (
                    ("seed", "time"),
                    np.array([[getattr(risk, name) for risk in run.risks] for run in trajectories]),
                )
                for name in RiskEstimate._fields
            },
        },
        coords={
            "seed": np.asarray(seeds, dtype=np.uint64),
            "time": times,
            "invariant": list(problem.invariant_names),
        },
    )
    write(dataset, runs, title="One-pass SGD", origin=origin, backend="numba")
    LOG.info(
        "ran %d seeds of %d steps in %.1f s into %s",
        len(seeds),
        steps[-1],
        perf_counter() - started,
        runs,
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
