"""What may stand in config/config.yaml: every key with its range, unit and meaning."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from meanfield.settings_fields import Section, Whole, distinct, problem, seed_keys, setting


def _word_or_list(value: object) -> str:
    return "word" if isinstance(value, str) else "list"


class Config(Section):
    """config/config.yaml: what to run, and where the results go."""

    experiments: Annotated[
        Annotated[Literal["all"], Tag("word")]
        | Annotated[tuple[str, ...], Field(min_length=1), Tag("list")],
        Discriminator(_word_or_list),
    ] = setting(
        "The experiments to run.",
        allowed="`all`, or a list of distinct names of files in config/experiments",
        default="all",
    )
    seeds: tuple[Whole, ...] = setting(
        "Keys of the random numbers, one run of SGD each; an experiment may set its own.",
        allowed="a list of distinct whole numbers, at least one, 0 <= seed < 2^64",
        unit="none",
        default=(1, 2, 3, 4, 5, 6, 7, 8),
        min_length=1,
    )
    results_dir: str = setting(
        "Folder for everything that the workflow makes.",
        allowed="`results` or a folder below it, its name of letters, digits and . _ + - only",
        default="results",
        pattern=r"^[A-Za-z0-9_.+][A-Za-z0-9_.+-]*(/[A-Za-z0-9_.+][A-Za-z0-9_.+-]*)*/?$",
    )
    backend: Literal["auto", "cpu", "cupy"] = setting(
        "What runs SGD and solves its limit. It is how a result is computed, not what it is: both "
        "backends draw the same samples and agree to rounding, so another backend, or `auto` on "
        "another machine, makes no result stale; every result names its backend and device.",
        allowed="`auto` (SGD on an NVIDIA GPU if one can be used, else on the CPU; the limit on "
        "the CPU), `cpu`, `cupy` (both on the GPU; without one the jobs stop and say what is "
        "missing)",
        default="auto",
    )
    batch: Literal["point", "sweep"] = setting(
        "What a GPU computes at once. Like `backend` it makes no result stale. Points that "
        "differ in the number of steps, as with different step sizes, never share a launch of SGD. "
        "With `backend: auto` the jobs of a sweep start together, and those that wait for the GPU "
        "hold their points meanwhile, so that few are left to the first: a whole sweep at once "
        "needs `backend: cupy`. On the CPU every point is computed by itself, and the log says so.",
        allowed="`point` (the seeds of a point), `sweep` (all points of an experiment that are not "
        "up to date and can share a launch, by the first job that comes to it; not with "
        "`backend: cpu`)",
        default="point",
    )
    figure_formats: tuple[Literal["pdf", "svg", "png"], ...] = setting(
        "File formats of the figures.",
        allowed="a list of one or more of `pdf`, `svg`, `png`",
        default=("pdf", "svg", "png"),
        min_length=1,
    )
    overrides: dict[str, dict[str, Any]] = setting(
        "Changes to experiments without touching their files: name of the experiment, then its "
        "keys. Mappings are merged, lists replaced.",
        allowed="a mapping from names of experiments to parts of an experiment",
        default={},
    )

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return seed_keys(seeds)

    @field_validator("experiments", "figure_formats")
    @classmethod
    def _check_distinct(cls, entries: Any) -> Any:
        return entries if isinstance(entries, str) else distinct(entries)

    @field_validator("results_dir")
    @classmethod
    def _check_results_dir(cls, results_dir: str) -> str:
        path = PurePosixPath(results_dir)
        if ".." in path.parts or path.parts[:1] != ("results",):
            raise ValueError("not results or below it")
        return str(path)

    @model_validator(mode="after")
    def _check_batch(self) -> "Config":
        if self.batch == "sweep" and self.backend == "cpu":
            expected = "point, since backend is cpu; sweep needs backend auto or cupy"
            raise problem(expected, ("batch",))
        return self
