"""What may stand below `law`."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from meanfield.settings_fields import Number, Numbers, Section, Whole, problem, setting
from meanfield.settings_neurons import ActivationSettings


class IsotropicGaussiansSettings(Section):
    """Two Gaussians of different widths: y = ±1 evenly, x given y ~ N(0, (1 + yΔ)² I_d)."""

    kind: Literal["isotropic_gaussians"] = setting(
        "The law of the data.",
        allowed="`isotropic_gaussians`",
        provenance="Figures 1, 2 and 4: isotropic [P 85%]",
    )
    dimension: Whole = setting(
        "Number of coordinates of a data point.",
        allowed="a whole number, at least 2",
        unit="count",
        symbol="d",
        provenance="Figures 1 and 2: 40; 4: 320 [P 85%]",
        ge=2,
    )
    delta: Number = setting(
        "How far apart the two classes are: their standard deviations are 1 + Δ and 1 − Δ.",
        allowed="a number, 0 <= delta < 1",
        unit="1",
        symbol="Δ",
        provenance="Figure 1: 0.8; 2: from 0 to 0.9; 4: 0.5 [P 85%]",
        ge=0,
        lt=1,
    )


class AnisotropicGaussiansSettings(Section):
    """Two Gaussians that differ in a few coordinates: x given y ~ N(0, I_d + ((1 + yΔ)² − 1)P).

    P projects onto the first s₀ coordinates; y = ±1 evenly.
    """

    kind: Literal["anisotropic_gaussians"] = setting(
        "The law of the data.",
        allowed="`anisotropic_gaussians`",
        provenance="Figure 3: anisotropic [P 85%]",
    )
    dimension: Whole = setting(
        "Number of coordinates of a data point.",
        allowed="a whole number, at least 2",
        unit="count",
        symbol="d",
        provenance="Figure 3: 320 [P 85%]",
        ge=2,
    )
    informative: Whole = setting(
        "Number of coordinates whose width depends on the label.",
        allowed="a whole number, 1 <= informative < dimension",
        unit="count",
        symbol="s₀",
        provenance="Figure 3: 60 [P 85%]",
        ge=1,
    )
    delta: Number = setting(
        "How far apart the two classes are in them: standard deviations 1 + Δ and 1 − Δ.",
        allowed="a number, 0 <= delta < 1",
        unit="1",
        symbol="Δ",
        provenance="Figure 3: 0.5 [P 85%]",
        ge=0,
        lt=1,
    )

    @model_validator(mode="after")
    def _check_informative(self) -> "AnisotropicGaussiansSettings":
        if self.informative >= self.dimension:
            expected = f"a whole number below the dimension, {self.dimension}"
            raise problem(expected, ("informative",))
        return self


class GaussianTeacherSettings(Section):
    """Gaussian inputs with labels of a teacher: x ~ N(0, I_d), y = Σⱼ cⱼ σ(xⱼ) + noise."""

    kind: Literal["gaussian_teacher"] = setting(
        "The law of the data.", allowed="`gaussian_teacher`"
    )
    dimension: Whole = setting(
        "Number of coordinates of a data point.",
        allowed="a whole number, at least 1",
        unit="count",
        symbol="d",
        ge=1,
    )
    link: ActivationSettings = setting(
        "The function of each coordinate that the teacher adds up.",
        allowed="the keys of `law.link`",
        symbol="σ",
        discriminator="kind",
    )
    coefficients: Numbers = setting(
        "Weight of the link of each of the first coordinates: one for a single-index teacher.",
        allowed="a list of numbers from -1e6 to 1e6, at least one, at most as many as the "
        "dimension",
        unit="1",
        symbol="cⱼ",
        default=(1.0,),
        min_length=1,
    )
    noise: Number = setting(
        "Standard deviation of the Gaussian noise of a label.",
        allowed="a number, 0 <= noise <= 1e6",
        unit="1",
        default=0.0,
        ge=0,
        le=1e6,
    )

    @field_validator("coefficients")
    @classmethod
    def _check_sizes(cls, coefficients: Numbers) -> Numbers:
        for index, coefficient in enumerate(coefficients):
            if abs(coefficient) > 1e6:  # labels must stay within float32
                raise problem("a number from -1e6 to 1e6", (index,))
        return coefficients

    @model_validator(mode="after")
    def _check_coefficients(self) -> "GaussianTeacherSettings":
        if len(self.coefficients) > self.dimension:
            expected = f"at most as many numbers as the dimension, {self.dimension}"
            raise problem(expected, ("coefficients",))
        return self


class DataSetSettings(Section):
    """The rows of a data set, each as likely as another, drawn with replacement."""

    kind: Literal["data_set"] = setting("The law of the data.", allowed="`data_set`")
    file: str = setting(
        "The data: columns of numbers below a line of names (.csv), or arrays of shapes (n, d) and "
        "(n,) (.npz, .nc). Nothing missing, no constant column.",
        allowed="a path to a .csv, .npz or .nc file, from the project folder",
        pattern=r"(?i)\.(csv|npz|nc)$",
    )
    inputs: str = setting(
        "Name of the array of inputs; in a .csv file every column but the label is an input.",
        allowed="a text that is not empty",
        default="x",
        min_length=1,
    )
    label: str = setting(
        "Name of the column, or of the array, of labels.",
        allowed="a text that is not empty",
        default="y",
        min_length=1,
    )


class PythonLawSettings(Section):
    """A law of your own: a Python function draw(generator, count) that returns (x, y).

    It gets a NumPy generator, from which all its randomness must come, and a number of samples n;
    it returns inputs (n, d) and labels (n,). Seeds call it at the same time, in threads, so it must
    not write to arrays of its module.
    """

    kind: Literal["python"] = setting("The law of the data.", allowed="`python`")
    file: str = setting(
        "The Python file. It and the modules beside it that it imports are tracked: an edit reruns "
        "what depends on it. Files that it reads are not tracked; after changing one, run again "
        "with `--forcerun generate_data run_sgd`.",
        allowed="a path to a .py file, from the project folder",
        pattern=r"\.py$",
    )
    function: Annotated[str, Field(pattern=r"^[^\W\d]\w*$")] = setting(
        "Name of the function in it.", allowed="a name of a function", default="draw"
    )
    dimension: Whole = setting(
        "Number of coordinates of a data point.",
        allowed="a whole number, at least 1",
        unit="count",
        symbol="d",
        ge=1,
    )


LawSettings = (
    IsotropicGaussiansSettings
    | AnisotropicGaussiansSettings
    | GaussianTeacherSettings
    | DataSetSettings
    | PythonLawSettings
)
