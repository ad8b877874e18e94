"""What may stand below `time`, `sgd` and `dd`."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from meanfield.settings_fields import (
    Number,
    Numbers,
    Section,
    Whole,
    increasing,
    problem,
    setting,
)
from meanfield.settings_schedule import ConstantSettings, ScheduleSettings


class Time(Section):
    """Where on the axis t = kε the two dynamics are looked at."""

    horizon: Number = setting(
        "Time at which both dynamics end.",
        allowed="a number above 0",
        unit="1",
        symbol="T",
        provenance="Figures 1 and 4: 10; 2: 100; 3: 31.9 [C]",
        gt=0,
    )
    snapshots: Numbers = setting(
        "Times at which the law of SGD's neurons is compared with its limit.",
        allowed="a list of strictly increasing numbers, at least one, each in [0, horizon]",
        unit="1",
        symbol="t",
        min_length=1,
        provenance="Figure 1: 0, 0.1, 1, 2, 4, 6, 8, 10; 2: 0, 1, 10, 100; 3: 0, 0.1, 1, 10, 31.9; "
        "4: 0, 0.01, 0.1, 1, 3, 10 [C]",
    )
    curve_points: Whole = setting(
        "Number of times at which both dynamics are stored, beside the snapshots: equally spaced "
        "from 0 to the horizon, or on a logarithmic scale from `curve_start`.",
        allowed="a whole number, at least 2",
        unit="count",
        default=101,
        provenance="Figures 1 and 4: 101; 2: 7; 3: 81 [C]",
        ge=2,
    )
    curve_start: Number | None = setting(
        "First of the times if they are equally spaced on a logarithmic scale; null: they are "
        "equally spaced from 0.",
        allowed="a number above 0 and below horizon, or null",
        unit="1",
        symbol="t",
        default=None,
        provenance="Figure 2: 0.1; 3: 0.01; 4: 0.001 [C]",
        gt=0,
    )

    @field_validator("snapshots")
    @classmethod
    def _check_order(cls, snapshots: Numbers) -> Numbers:
        return increasing(snapshots)

    @model_validator(mode="after")
    def _check_range(self) -> "Time":
        for index, time in enumerate(self.snapshots):
            if not 0 <= time <= self.horizon:
                expected = f"a time in [0, horizon], that is [0, {self.horizon!r}]"
                raise problem(expected, ("snapshots", index))
        if self.curve_start is not None and not self.curve_start < self.horizon:
            raise problem(f"a time below horizon, that is {self.horizon!r}", ("curve_start",))
        return self


class Sgd(Section):
    """Stochastic gradient descent with a fresh data point at every step."""

    neurons: Whole = setting(
        "Width of the network.",
        allowed="a whole number, at least 1",
        unit="count",
        symbol="N",
        provenance="All figures: 800 [P 85%]; 2: 200 as well [C]",
        ge=1,
    )
    step_size: Number = setting(
        "Time that one step advances: θ moves by 2εξ(t)(y − ŷ)∇σ*, and t = kε after k steps.",
        allowed="a number above 0, such that horizon / step_size < 2^63 and the snapshots fall on "
        "different steps",
        unit="1",
        symbol="ε",
        provenance="Figure 1: 1e-6 [P 85%]; 2: 2e-5 [C]; 3: 2e-4 [P 85%] and 2e-5 [C]; 4: 1e-5 and "
        "2e-6 [C]",
        gt=0,
    )
    schedule: ScheduleSettings = setting(
        "How the step changes with time: step k has the size s = εξ(kε).",
        allowed="the keys of `sgd.schedule`",
        symbol="ξ(t)",
        default=ConstantSettings(kind="constant"),
        discriminator="kind",
    )
    decay: Number = setting(
        "Weight decay: a step multiplies θ by 1 − 2λs.",
        allowed="a number, at least 0; 0 unless `dd` is null",
        unit="1",
        symbol="λ",
        default=0.0,
        ge=0,
    )
    inverse_temperature: Annotated[Number, Field(gt=0)] | None = setting(
        "Noise: a step adds √(4s/β) times standard normals to θ; without it there is none.",
        allowed="a number above 0, or null; null unless `dd` is null",
        unit="1",
        symbol="β",
        default=None,
    )
    precision: Literal["float32", "float64"] = setting(
        "Floating-point type of the weights during the run.",
        allowed="`float32` or `float64`",
        default="float32",
    )
    store_path: bool = setting(
        "Whether the parameters of all neurons are stored at every output time, not only at the "
        "end.",
        allowed="`true` or `false`",
        default=False,
        strict=True,
    )
    test_samples: Whole = setting(
        "Number of fresh data points from which the part of the risk that the neurons' radii do "
        "not determine is estimated.",
        allowed="a whole number, at least 2",
        unit="count",
        default=10000,
        ge=2,
    )


class Dd(Section):
    """The distributional dynamics, the limit of SGD for many neurons and small steps."""

    problem: Literal["reduced", "empirical"] = setting(
        "What the equations are solved for: `reduced`, what the symmetry of the law leaves of the "
        "data and of a neuron, which is exact; `empirical`, samples of the law and whole neurons, "
        "for any law.",
        allowed="`reduced` or `empirical`; `reduced` needs `isotropic_gaussians` or "
        "`anisotropic_gaussians`, and a start of w that rotations leave alone: `gaussian`, "
        "`sphere`, `point` or a mixture of them",
        default="reduced",
    )
    dimension: Literal["finite", "infinite", "infinite_data"] = setting(
        "Dimension for which the reduced problem is solved: `finite`, that of the law; `infinite`, "
        "its limit d = ∞ at the same norms of w and, for `anisotropic_gaussians`, the same s₀/d; "
        "`infinite_data`, the data of that limit, but the start in the dimension of the law. "
        "Without the spread of that start, neurons that are equal remain so.",
        allowed="`finite`, `infinite` or `infinite_data`; `finite` if `problem` is `empirical`",
        symbol="d",
        default="finite",
        provenance="Figure 3: the article draws `infinite_data` [P 75%]; here `finite` as well [C]",
    )
    atoms: Whole | tuple[Whole, ...] = setting(
        "Number of points that carry the measure over neurons: for each of a, b, r₁, r₂ or r that "
        "is spread out at the start, in this order. `empirical`: number of neurons drawn.",
        allowed="a whole number from 2 on, or a list of them, one for each coordinate that is "
        "spread out at the start",
        unit="count",
        symbol="J",
        default=800,
    )
    nodes: Whole = setting(
        "Number of quadrature nodes for each label and each norm of a data point that the reduced "
        "problem knows: with the two norms of `anisotropic_gaussians` their product for each "
        "label, so that 10 make Q = 200 nodes and the cost grows as their square. `infinite` and "
        "`infinite_data` have one a label, whatever this says.",
        allowed="a whole number, at least 1",
        unit="count",
        symbol="Q/2",
        default=24,
        ge=1,
    )
    rows: Whole | None = setting(
        "Number of samples of the law that the empirical problem averages over.",
        allowed="a whole number, at least 1, if `problem` is `empirical` and the law is not "
        "`data_set`; null otherwise",
        unit="count",
        symbol="Q",
        default=None,
        ge=1,
    )
    seed: Whole = setting(
        "Key of the random numbers from which the empirical problem draws neurons and samples.",
        allowed="a whole number, 1 <= seed < 2^64; 1 unless `problem` is `empirical`",
        default=1,  # with 0 the samples would be those of the test set
        ge=1,
        lt=2**64,
    )
    tolerance: Number = setting(
        "Error allowed in one step of the time integration, relative to the size of the state.",
        allowed="a number, 1e-13 <= tolerance <= 1e-2",
        unit="1",
        default=1e-6,
        ge=1e-13,
        le=1e-2,
    )

    @field_validator("atoms")
    @classmethod
    def _check_atoms(cls, atoms: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(atoms, int):
            if atoms < 2:
                raise problem("a whole number, at least 2")
            return atoms
        for index, count in enumerate(atoms):
            if count < 2:
                raise problem("a whole number, at least 2", (index,))
        return atoms
