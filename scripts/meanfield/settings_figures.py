"""What may stand below `figure` and `film`."""

from typing import ClassVar, Literal

from pydantic import field_validator

from meanfield.settings_fields import (
    Number,
    Numbers,
    Section,
    Whole,
    distinct,
    increasing,
    setting,
)

BINS = 40


class Picture(Section):
    """What all drawings have in common.

    Attributes:
        whole: whether all points of a sweep stand in one picture; else each has its own.
        radial: whether it draws the law of one radius r.
        minimum: whether it draws the least risk over all measures.
        sweeps: keys that must be swept, since the picture has them on an axis.
        tells_apart: other keys that may be swept, of whose values the picture tells the runs apart;
            None: any.
    """

    whole: ClassVar[bool] = True
    radial: ClassVar[bool] = True
    minimum: ClassVar[bool] = False
    sweeps: ClassVar[tuple[str, ...]] = ()
    tells_apart: ClassVar[tuple[str, ...] | None] = None


class Figure1Settings(Picture):
    """The law of ‖w‖ under SGD and its limit at several times, and the risk of both.

    One picture for each point of a sweep.
    """

    whole: ClassVar[bool] = False
    kind: Literal["figure_1"] = setting("The kind of drawing.", allowed="`figure_1`")
    histogram_times: Numbers = setting(
        "Times whose histograms of ‖w‖ are drawn, one panel each.",
        allowed="a list of 1 to 6 strictly increasing numbers, each among the snapshots",
        unit="1",
        symbol="t",
        min_length=1,
        max_length=6,
        provenance="Figure 1: 0, 1, 2, 4, 6, 10 [C]",
    )
    bins: Whole = setting(
        "Number of bins of a histogram.",
        allowed="a whole number, at least 1",
        unit="count",
        default=BINS,
        ge=1,
    )
    inner_radius: Number | None = setting(
        "The mass below this norm is written into the histograms, and its peak, which would dwarf "
        "the rest, does not set their vertical scale; null: there is no such mass.",
        allowed="a number above 0, or null",
        unit="1",
        symbol="r",
        default=None,
        gt=0,
        provenance="Figure 1: 0.25 [C]",
    )

    @field_validator("histogram_times")
    @classmethod
    def _check_order(cls, times: Numbers) -> Numbers:
        return increasing(times)


class Figure2Settings(Picture):
    """The risk that SGD reaches against Δ, beside the certified minimum and its minimiser.

    One picture for the whole sweep, over `law.delta` and perhaps `sgd.neurons` and `sgd.step_size`.
    """

    minimum: ClassVar[bool] = True
    sweeps: ClassVar[tuple[str, ...]] = ("law.delta",)
    tells_apart: ClassVar[tuple[str, ...] | None] = ("sgd.neurons", "sgd.step_size")
    kind: Literal["figure_2"] = setting("The kind of drawing.", allowed="`figure_2`")
    largest_radius: Number = setting(
        "Norm up to which the support of the minimiser is drawn; what lies beyond, ∞ included, "
        "stands on a line of its own above.",
        allowed="a number above 0",
        unit="1",
        symbol="r",
        default=4.0,
        gt=0,
        provenance="Figure 2: 6 [C]",
    )


class Figure3Settings(Picture):
    """The risk and the means of all invariants against log t, SGD and its limit.

    One picture for the whole sweep: a shade and dashes for each `sgd.step_size`, a colour and
    dashes for each limit (`dd.dimension`).
    """

    radial: ClassVar[bool] = False
    kind: Literal["figure_3"] = setting("The kind of drawing.", allowed="`figure_3`")


class Figure4Settings(Picture):
    """The risk and the mean of ‖w‖ from several starts against log t, and the potential at the end.

    One picture for the whole sweep, over `initial.scale` and perhaps `sgd.step_size`.
    """

    sweeps: ClassVar[tuple[str, ...]] = ("initial.scale",)
    kind: Literal["figure_4"] = setting("The kind of drawing.", allowed="`figure_4`")
    largest_radius: Number = setting(
        "Norm up to which the potential is drawn.",
        allowed="a number above 0",
        unit="1",
        symbol="r",
        default=3.0,
        gt=0,
        provenance="Figure 4: 3 [C]",
    )


FigureSettings = Figure1Settings | Figure2Settings | Figure3Settings | Figure4Settings


class FilmSettings(Section):
    """A film of the law of ‖w‖ under SGD and its limit: a GIF, and a strip of stills for paper.

    One film for each point of a sweep. Its frames are output times of the runs.
    """

    stills: Numbers = setting(
        "Times of the stills of the strip.",
        allowed="a list of 1 to 6 strictly increasing numbers, each among the snapshots",
        unit="1",
        symbol="t",
        min_length=1,
        max_length=6,
    )
    frames: Whole = setting(
        "Number of frames, spread evenly over the output times; all of these if there are fewer.",
        allowed="a whole number from 2 to 300",
        unit="count",
        default=100,
        ge=2,
        le=300,
    )
    rate: Number = setting(
        "Frames shown in a second.",
        allowed="a number from 1 to 50",
        unit="1/s",
        default=12.5,
        ge=1,
        le=50,
    )
    bins: Whole = setting(
        "Number of bins of the histogram, over the norms that occur in the frame.",
        allowed="a whole number, at least 1",
        unit="count",
        default=60,
        ge=1,
    )
    inner_radius: Number | None = setting(
        "Peaks below this norm, which would dwarf the rest, do not set the vertical scale; the "
        "mass there is written into the frame. Null: there is no such mass.",
        allowed="a number above 0, or null",
        unit="1",
        symbol="r",
        default=None,
        gt=0,
    )
    zoom: bool = setting(
        "Whether each still shows only the radii where its laws are; else all share one scale.",
        allowed="`true` or `false`",
        default=False,
        strict=True,
    )
    points: tuple[str, ...] | None = setting(
        "Points of the sweep to film, by the names that their results have; null: all.",
        allowed="a list of distinct names of points, at least one, or null",
        default=None,
        min_length=1,
    )

    @field_validator("stills")
    @classmethod
    def _check_order(cls, times: Numbers) -> Numbers:
        return increasing(times)

    @field_validator("points")
    @classmethod
    def _check_points(cls, points: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return points if points is None else distinct(points)
