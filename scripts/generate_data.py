"""Generate what SGD starts from: initial weights for every seed, and a test set.

In: settings of the law, the initial measure, the width, the test set and the seeds.
Out: NetCDF with theta(seed, neuron, parameter), x(sample, coordinate) and y(sample).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from meanfield.initial import make_initial
from meanfield.initial_data import draw_test_set, draw_weights
from meanfield.large_arrays import Pieces
from meanfield.laws import make_law
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, write


def main(*, settings: Mapping[str, Any], origin: Origin, data: str | Path) -> None:
    """Draw the initial weights and the test set, and store them."""
    law = make_law(settings["law"])
    sgd, seeds = settings["sgd"], settings["seeds"]
    theta = ((k, draw_weights(settings, law, seed)) for k, seed in enumerate(seeds))
    parameters = make_initial(settings["initial"]).parameters(law.dimension)
    shape = len(seeds), sgd["neurons"], parameters
    samples = draw_test_set(settings, law)
    dataset = xr.Dataset(
        {
            "x": (("sample", "coordinate"), samples.x),
            "y": ("sample", samples.y),
        },
        coords={"seed": np.asarray(seeds, dtype=np.uint64)},
    )
    write(
        dataset,
        data,
        title="Initial weights and test set",
        origin=origin,
        backend="numpy",
        # One seed's at a time; the conversion is the one that SGD would make.
        large={
            "theta": Pieces(("seed", "neuron", "parameter"), shape, sgd["precision"], theta),
        },
    )
    LOG.info(
        "drew %d initial weight matrices of %d neurons and %d test samples into %s",
        len(seeds),
        sgd["neurons"],
        sgd["test_samples"],
        data,
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
