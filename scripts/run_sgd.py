"""Train networks by one-pass SGD: all seeds of a point, one thread a seed or all on one GPU.

In: initial parameters and test set (generate_data); settings of law, neuron, times and SGD.
Out: NetCDF with omega(seed, time, neuron, invariant), theta(seed, neuron, parameter) at the end,
and, each (seed, time), the risk with its parts and the mean squared residual of the steps between.

A run that was killed continues from its checkpoints, beside the output, and ends the same if the
backend is the same; large networks on a GPU to rounding. On a GPU it can run other points of the
sweep in the same launch; what becomes of them it leaves in their checkpoints, for their own jobs.
"""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from meanfield.large_arrays import read_rows
from meanfield.laws import Law, make_law
from meanfield.locks import clear, held
from meanfield.sgd_results import as_dataset
from meanfield.siblings import checkpoints_of, was_made_since
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read, write
from meanfield.timeline import output_times, steps_of
from meanfield.trajectory import Outcome, finished, gpu_checkpoint


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    threads: int,
    data: str | Path,
    runs: str | Path,
    backend: str = "auto",
    siblings: bytes = b"",
) -> None:
    """Run SGD for every seed and store the trajectories."""
    started, seeds, folder = perf_counter(), settings["seeds"], checkpoints_of(runs)
    times, law = output_times(settings["time"]), make_law(settings["law"])
    steps, outputs = steps_of(times, settings["sgd"]["step_size"])
    with held(folder, LOG, wait=True):
        if was_made_since(runs, origin, LOG):
            return
        checkpoints = [gpu_checkpoint(folder, origin.digest, seed) for seed in seeds]
        found = finished(checkpoints) if backend != "cpu" else None
        if found is None:
            found = train(
                origin, law, steps, data, folder,
                threads=threads, backend=backend, siblings=siblings,
            )  # fmt: skip
        else:
            LOG.info("all %d seeds: were finished before, on %s", len(seeds), found.device)
        dataset, large = as_dataset(found.trajectories, outputs, settings, law)
        write(
            dataset.assign_coords(seed=np.asarray(seeds, dtype=np.uint64), time=times),
            runs,
            title="One-pass SGD",
            origin=origin,
            backend="numba" if found.backend == "cpu" else found.backend,
            device=found.device,
            large=large,
        )
        clear(folder)  # partial files of killed runs included
    LOG.info(
        "ran %d seeds of %d steps in %.1f s on %s, %d thread(s), into %s",
        len(seeds),
        steps[-1],
        perf_counter() - started,
        found.device,
        threads,
        runs,
    )


def train(
    origin: Origin,
    law: Law,
    steps: list[int],
    data: str | Path,
    folder: Path,
    *,
    threads: int,
    backend: str,
    siblings: bytes,
) -> Outcome:
    """Run SGD for every seed."""
    # Imported here, since it takes a second: of a sweep on a GPU, most jobs only store.
    from meanfield.sampling import Samples
    from meanfield.seeds import PointRun, run_point
    from meanfield.sgd_setup import make_setup
    from meanfield.sweep import other_points

    initial = read(data, without=["theta"])  # large, and read seed by seed
    setup = make_setup(origin.settings, law, steps, Samples(initial.x.values, initial.y.values))
    point = PointRun(
        origin.point,
        lambda seed: read_rows(data, "theta", setup.precision, seed=seed),
        origin.settings["seeds"],
        setup,
        folder,
        origin.digest,
    )
    others = other_points(siblings, origin, setup, LOG) if siblings else None
    return run_point(point, backend, others=others, threads=threads, log=LOG)


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
