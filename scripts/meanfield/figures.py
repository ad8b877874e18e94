"""One look for all figures: sizes, fonts, palette, panel letters, and files with their origin."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from meanfield.store import stamp
from meanfield.whole_file import whole_file

COLUMN_WIDTH = 3.4
"""Width in inches of a figure that fills one column of a journal page."""

PAGE_WIDTH = 7.0
"""Width in inches of a figure that fills the page."""

# After Okabe and Ito, told apart by the colour-blind; lightness L* 70, 44, 58, 33 keeps them apart
# in grey, and the line styles below do where two come close.
PALETTE = {"sgd": "#56B4E9", "dd": "#B8420B", "prediction": "#009E73", "neutral": "#4D4D4D"}
"""Colour of each role; a role keeps its colour in every figure."""

DASHES = {"sgd": "-", "dd": "-", "prediction": (0, (4, 1.5)), "neutral": ":"}
"""Line style of each role, so that colour is never the only difference."""


def use_style() -> None:
    """Set seaborn's theme to the project's: ticks, small type, editable text in PDF."""
    mpl.use("agg")
    sns.set_theme(
        context="paper",
        style="ticks",
        rc={
            "font.size": 8,
            "axes.labelsize": 8,
            "axes.titlesize": 8,
            "legend.fontsize": 7,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "axes.linewidth": 0.6,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "xtick.minor.width": 0.4,
            "ytick.minor.width": 0.4,
            "lines.linewidth": 1.3,
            "legend.frameon": False,
            "mathtext.fontset": "dejavusans",
            "pdf.fonttype": 42,
            # As outlines: viewers disagree on combining characters and fonts in SVG text.
            "svg.fonttype": "path",
            # Names in an SVG are hashes; without a salt they differ from run to run.
            "svg.hashsalt": "meanfield",
            "savefig.dpi": 300,
        },
    )


def letter(axes: Axes, text: str) -> None:
    """Put a bold panel letter outside the upper left corner of the axes."""
    axes.annotate(
        text,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(-24, 6),
        textcoords="offset points",
        weight="bold",
        size=9,
    )


def save_drawing(
    figure: Figure,
    data: pd.DataFrame,
    words: str,
    *,
    pictures: Sequence[str | Path],
    table: str | Path,
    alt_text: str | Path,
    digest: str,
) -> None:
    """Write a figure in every format asked for, the data that it shows, and it in words."""
    save_figure(figure, pictures, digest=digest, alt_text=words)
    save_table(data, table, digest=digest)
    save_alt_text(words, alt_text, digest=digest)


def save_figure(
    figure: Figure, pictures: Sequence[str | Path], *, digest: str, alt_text: str
) -> None:
    """Write a figure in every format asked for, each with its origin and alternative text.

    No date is written, so that equal figures are equal files.

    Args:
        figure: what to write.
        pictures: paths; the suffix (pdf, svg or png) gives the format.
        digest: digest of all that the figure was made from.
        alt_text: the figure in words.

    Raises:
        ValueError: a suffix is not a known format.
    """
    description = f"{alt_text} [{stamp(digest)}]"
    metadata: Mapping[str, Mapping[str, Any]] = {
        ".pdf": {"Subject": alt_text, "Keywords": stamp(digest), "CreationDate": None},
        ".svg": {"Description": description, "Date": None},
        ".png": {"Description": description, "Software": None},
    }
    for picture in map(Path, pictures):
        if picture.suffix not in metadata:
            raise ValueError(f"{picture}: unknown format, expected one of {sorted(metadata)}")
        with whole_file(picture) as partial:
            figure.savefig(partial, metadata=metadata[picture.suffix])


def save_table(table: pd.DataFrame, path: str | Path, *, digest: str) -> None:
    """Write the plotted data as CSV, under one comment line that says what they were made from."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(f"# {stamp(digest)}\n")
        table.to_csv(file, index=False, float_format="%.9g")


def save_alt_text(alt_text: str, path: str | Path, *, digest: str) -> None:
    """Write the figure in words."""
    with whole_file(path) as partial:
        partial.write_text(f"{alt_text}\n\n{stamp(digest)}\n", encoding="utf-8")
