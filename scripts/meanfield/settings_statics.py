"""What may stand below `statics`."""

from typing import Literal

from pydantic import field_validator, model_validator

from meanfield.settings_fields import Number, Section, Whole, problem, setting


class Deltas(Section):
    """Equally spaced separations of the classes, both ends included."""

    start: Number = setting(
        "The first.",
        allowed="a number, 0 <= start < stop",
        unit="1",
        symbol="Δ",
        default=0.0,
        ge=0,
    )
    stop: Number = setting(
        "The last.", allowed="a number, start < stop < 1", unit="1", symbol="Δ", gt=0, lt=1
    )
    count: Whole = setting(
        "How many.", allowed="a whole number, at least 2", unit="count", ge=2, le=100000
    )

    @model_validator(mode="after")
    def _check_order(self) -> "Deltas":
        if not self.start < self.stop:
            raise problem(f"a number above start, {self.start!r}", ("stop",))
        return self


class Statics(Section):
    """The least risk over all measures of neurons, certified, and that of the best single sphere.

    Radii reach infinity; other coordinates, and the radii of neurons that grow without bound or
    oscillate, have no minimum that can be found unless `box` bounds them.
    """

    dimension: Literal["finite", "infinite"] = setting(
        "Dimension for which the minimum is found: `finite`, that of the law, or `infinite`, its "
        "limit d = ∞ at the same norms of w and, for `anisotropic_gaussians`, the same s₀/d.",
        allowed="`finite` or `infinite`",
        symbol="d",
        default="finite",
    )
    nodes: Whole = setting(
        "Number of quadrature nodes for each label and each norm of a data point: with two norms "
        "their product for each label, of which 8 to 10 will do. `infinite` has one a label.",
        allowed="a whole number, at least 1",
        unit="count",
        default=24,
        ge=1,
    )
    tolerance: Number = setting(
        "Certified distance to the infimum at which the minimisation stops.",
        allowed="a number, 1e-12 <= tolerance <= 1e-2",
        unit="1",
        default=1e-9,
        ge=1e-12,
        le=1e-2,
    )
    grid: Whole | None = setting(
        "Grid points for each coordinate, from which the global searches start; null: 1000 for one "
        "coordinate, 64 for each of two, 20 for each of three (an output weight has none).",
        allowed="a whole number, at least 3, or null",
        unit="count",
        default=None,
        ge=3,
    )
    scale: Number = setting(
        "Radius at the middle of the grid, which is fine below and coarse above.",
        allowed="a number above 0",
        unit="1",
        symbol="r",
        default=1.0,
        gt=0,
    )
    box: dict[str, tuple[Number, Number]] = setting(
        "Ends of coordinates, as in `{r: [0, 10]}`; radii without any are in [0, ∞].",
        allowed="a mapping from names of invariants (`r`, `r1`, `r2`, `a`, `b`) to lists of two "
        "increasing numbers; needed for `a` and `b`, and for all radii if the mean of a neuron "
        "grows with them (`relu`, `leaky_relu`, `softplus`, `gelu`, unequal outer slopes) or "
        "oscillates (`cosine`)",
        default={},
    )
    deltas: Deltas | None = setting(
        "Minimise along this list, in one job and in place of `law.delta`: the results get an axis "
        "`delta`. Null: at `law.delta` alone, which may be swept.",
        allowed="the keys of `statics.deltas`, or null; null if the law has no `delta`",
        default=None,
        symbol="Δ",
    )

    @field_validator("box")
    @classmethod
    def _check_box(cls, box: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in box.items():
            if not low < high:
                raise problem("two increasing numbers", (name,))
            if name.startswith("r") and low < 0:
                raise problem("two increasing numbers, at least 0", (name,))
            if name == "a" and high <= 0:
                raise problem("two increasing numbers, the second above 0", (name,))
        return box
