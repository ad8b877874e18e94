"""From times to tables: the fastest variants, ratios, slopes, and the files that hold them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.rounds import Timing

ENGINE = "engine_with_data"
COLUMNS = ("neurons", "dimension", "implementation", "variant", "round", "us_per_step")
_SIZE = ["neurons", "dimension"]


def rounds_table(
    neurons: int, dimension: int, timings: Mapping[tuple[str, str], Timing], steps: int
) -> pd.DataFrame:
    """Return one row per implementation, variant and round, for one size.

    Args:
        neurons: N.
        dimension: d.
        timings: (implementation, variant) -> seconds of one unit of work.
        steps: steps of a unit.
    """
    rows = [
        (neurons, dimension, implementation, variant, index, seconds / steps * 1e6)
        for (implementation, variant), timing in timings.items()
        for index, seconds in enumerate(timing.seconds)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def medians(rounds: pd.DataFrame) -> pd.DataFrame:
    """Return median, min and max over the rounds, a row per size, implementation and variant."""
    keys = [*_SIZE, "implementation", "variant"]
    values = rounds.groupby(keys, sort=False)["us_per_step"]
    return values.agg(["median", "min", "max"]).reset_index()


def fastest(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the variant with the smallest median of every implementation at every size."""
    best = table.groupby([*_SIZE, "implementation"], sort=False)["median"].idxmin()
    return table.loc[best].reset_index(drop=True)


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the first variant of every implementation at every size."""
    return table.drop_duplicates([*_SIZE, "implementation"]).reset_index(drop=True)


def ratios(table: pd.DataFrame, base: str = ENGINE) -> pd.DataFrame:
    """Return median / median of `base`, a row per implementation and a column per size.

    Args:
        table: one variant per implementation and size.
        base: implementation that is divided by.

    Raises:
        ValueError: the base was not measured.
    """
    wide = table.pivot_table(index="implementation", columns=_SIZE, values="median", sort=False)
    if base not in wide.index:
        raise ValueError(f"{base!r} was not measured, only {sorted(wide.index)}")
    return wide.div(wide.loc[base], axis="columns").drop(index=base)


def document(machine: Any, gflops: float, best: pd.DataFrame) -> dict[str, Any]:
    """Return the content of sgd.json.

    Args:
        machine: description of the machine.
        gflops: rate of SGEMM in GFLOP/s.
        best: one variant per implementation and size.
    """
    return {
        "machine": machine,
        "sgemm_gflops": round(gflops, 2),
        "rows": [
            {
                "neurons": int(row["neurons"]),
                "dimension": int(row["dimension"]),
                "implementation": str(row["implementation"]),
                "us_per_step": round(float(row["median"]), 4),
            }
            for row in best.to_dict("records")
        ],
    }


def format_size(table: pd.DataFrame, gflops: float) -> str:
    """Lay out the rows of one size: times, rate, rate against SGEMM, ratio to the engine.

    Args:
        table: rows of `medians` for one size.
        gflops: rate of SGEMM in the same rounds.
    """
    neurons, dimension = (int(value) for value in table[_SIZE].iloc[0])
    base = table.loc[table["implementation"] == ENGINE, "median"].min()
    best = set(table.groupby("implementation")["median"].idxmin())
    lines = [
        f"(N, d) = ({neurons}, {dimension}); 4 N d operations a step; SGEMM {gflops:.1f} GFLOP/s",
        f"{'implementation':20}{'variant':22}{'us/step':>9}{'min':>9}{'max':>9}"
        f"{'GFLOP/s':>9}{'of SGEMM':>9}{'ratio':>8}",
    ]
    for index, row in zip(table.index, table.to_dict("records"), strict=True):
        rate = 4e-3 * neurons * dimension / row["median"]
        lines.append(
            f"{row['implementation']:20}{row['variant']:20}{'*' if index in best else '':2}"
            f"{row['median']:9.2f}{row['min']:9.2f}{row['max']:9.2f}"
            f"{rate:9.1f}{rate / gflops:9.0%}{row['median'] / base:8.2f}"
        )
    return "\n".join(lines)


def format_ratios(table: pd.DataFrame, title: str) -> str:
    """Lay out the table of `ratios` under a title."""
    lines = [f"{title:22}" + "".join(f"{size!s:>14}" for size in table.columns)]
    for name, values in zip(table.index, table.to_numpy(), strict=True):
        lines.append(f"{name:22}" + "".join(f"{value:14.2f}" for value in values))
    return "\n".join(lines)


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the exponent p of y = C x^p by least squares in the logarithms.

    Raises:
        ValueError: fewer than two points, or one that is not positive.
    """
    if len(x) != len(y) or len(x) < 2 or min(*x, *y) <= 0:
        raise ValueError(f"a slope needs two or more positive points, got x={x}, y={y}")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def busy(shares: Iterable[float]) -> str:
    """Return a warning if the processor was shared with other work, else nothing."""
    least = min(shares)
    return "" if least > 0.97 else f"The machine was busy: {least:.0%} of it at the worst."
