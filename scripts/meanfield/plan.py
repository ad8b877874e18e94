"""The plan: every result that the configuration asks for, what it is made from, and its digest."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from meanfield.config_errors import ConfigError
from meanfield.config_files import Settings
from meanfield.digests import code_digest, digest_of, file_digest, settings_digest
from meanfield.points import Point, point_id, stage_settings
from meanfield.store import Origin

RUN_STAGES: dict[str, tuple[str, ...]] = {
    "generate_data": (),
    "run_sgd": ("generate_data",),
    "solve_dd": (),
    "minimize_risk": (),
}
"""Stages that run once per point of a sweep, each with the stages whose results it reads."""

SECTIONS = {
    "generate_data": "sgd",
    "run_sgd": "sgd",
    "solve_dd": "dd",
    "minimize_risk": "statics",
}
"""Section of an experiment that asks for a run stage: where it is null, the stage is left out."""

AGGREGATED = ("run_sgd", "solve_dd", "minimize_risk")
"""Stages whose results an experiment's aggregate collects."""

WHOLE = "all"
"""Point of a stage that runs once for a whole experiment."""


def stages_of(point: Point) -> list[str]:
    """Return the run stages of a point, in order: those whose section is not null."""
    return [stage for stage in RUN_STAGES if getattr(point.settings, SECTIONS[stage]) is not None]


def aggregated(point: Point) -> list[str]:
    """Return the stages of a point whose results its experiment's aggregate collects."""
    return [stage for stage in AGGREGATED if stage in stages_of(point)]


def _name(point: Point) -> str:
    """Return the name of a point in its experiment's aggregate."""
    return point_id(point, "aggregate_runs")


def _stem(experiment: str, point: Point, points: tuple[Point, ...]) -> str:
    """Return the name of a picture of one point."""
    return experiment if len(points) == 1 else f"{experiment}_{_name(point)}"


def _runs(point: Point) -> dict[str, str]:
    """Return the names of the runs of a point that its experiment's aggregate collects."""
    return {stage: point_id(point, stage) for stage in aggregated(point)}


def _drawn(point: Point) -> dict[str, Any]:
    """Return what a picture says of a point."""
    return {"point": _name(point), "swept": dict(point.swept)}


class Job(NamedTuple):
    """One run of one stage.

    Attributes:
        stage: rule that runs it, and stem of the stage script.
        experiment: name of the experiment.
        point: identifier of the settings that are swept and that the stage reads.
        settings: all settings that the stage reads.
        files: paths of its results, below the results folder.
        upstream: jobs whose results it reads.
        code: digest of the stage script and of the modules that it imports.
        law_file: digest of the file that `law.file` names, empty if there is none.
        digest: digest of code, settings, that file and the digests of `upstream`.
    """

    stage: str
    experiment: str
    point: str
    settings: Mapping[str, Any]
    files: tuple[str, ...]
    upstream: tuple["Job", ...]
    code: str
    law_file: str
    digest: str

    @property
    def file(self) -> str:
        """Path of the first, often the only, result."""
        return self.files[0]

    @property
    def origin(self) -> Origin:
        """What the results are made from, as it is written into each of them."""
        return Origin(
            self.stage,
            self.experiment,
            self.point,
            self.settings,
            self.code,
            self.digest,
            self.law_file,
        )

    def sources(self, stage: str) -> list[str]:
        """Return the paths of the results of one stage that this job reads."""
        return [job.file for job in self.upstream if job.stage == stage]


class Plan:
    """All jobs of a configuration, in the order in which they can run.

    Args:
        settings: the validated configuration.

    Raises:
        ConfigError: a file that an experiment names does not exist.

    Attributes:
        results: the results folder.
        backend: what is to run SGD and the limit; no job's digest knows it.
        batch: what a GPU computes at once, "point" or "sweep"; nor this.
        experiments: names of the experiments.
        jobs: (stage, experiment, point) -> job.
        figures: name of a figure -> job that draws it.
        films: name of a film -> job that renders it.
    """

    def __init__(self, settings: Settings) -> None:
        self.results = PurePosixPath(settings.config.results_dir)
        self.backend = settings.config.backend
        self.batch = settings.config.batch
        self.experiments = tuple(settings.experiments)
        self._files: dict[Path, str] = {}  # what was hashed already
        self._code: dict[str, str] = {}  # likewise, by stage
        self.jobs: dict[tuple[str, str, str], Job] = {}
        self.figures: dict[str, Job] = {}
        self.films: dict[str, Job] = {}
        for experiment, points in settings.experiments.items():
            for point in points:
                for stage in stages_of(point):
                    self._plan_run(stage, experiment, point)
            aggregate = self._plan_aggregate(experiment, points)
            formats = settings.config.figure_formats
            self._plan_figures(experiment, points, aggregate, formats)
            self._plan_films(experiment, points, aggregate, formats)

    def find(self, stage: str, experiment: str, point: str = WHOLE) -> Job:
        """Return the job of a stage for an experiment and a point."""
        return self.jobs[stage, experiment, point]

    def points(self, stage: str) -> list[str]:
        """Return the identifiers of all points of a stage, over all experiments."""
        return list(dict.fromkeys(job.point for job in self.jobs.values() if job.stage == stage))

    def targets(self, experiment: str) -> list[str]:
        """Return the paths of the end results of an experiment: aggregate, figures and films."""
        ends = [self.find("aggregate_runs", experiment)]
        drawn = (*self.figures.values(), *self.films.values())
        ends += [job for job in drawn if job.experiment == experiment]
        return [path for job in ends for path in job.files]

    def expected_digests(self) -> dict[str, str]:
        """Return the digest that every result should carry, by path."""
        return {path: job.digest for job in self.jobs.values() for path in job.files}

    def stages(self) -> dict[str, str]:
        """Return the stage that makes each result, by path."""
        return {path: job.stage for job in self.jobs.values() for path in job.files}

    def _plan_run(self, stage: str, experiment: str, point: Point) -> None:
        name = point_id(point, stage)
        if (stage, experiment, name) not in self.jobs:
            self._add(
                stage,
                experiment,
                name,
                settings=stage_settings(point, stage),
                files=(f"runs/{experiment}/{stage}/{name}.nc",),
                upstream=tuple(
                    self.find(other, experiment, point_id(point, other))
                    for other in RUN_STAGES[stage]
                ),
            )

    def _plan_aggregate(self, experiment: str, points: tuple[Point, ...]) -> Job:
        rows: list[dict[str, Any]] = [
            {
                "point": _name(point),
                "swept": dict(point.swept),
                "snapshots": list(point.settings.time.snapshots) if point.settings.time else [],
                "runs": _runs(point),
                # Known to the runs already: here so that the aggregate says what it was made from.
                "settings": {stage: stage_settings(point, stage) for stage in aggregated(point)},
            }
            for point in points
        ]
        runs = {run: None for row in rows for run in row["runs"].items()}
        return self._add(
            "aggregate_runs",
            experiment,
            WHOLE,
            settings={"points": rows},
            files=(f"{experiment}.nc",),
            upstream=tuple(self.find(stage, experiment, name) for stage, name in runs),
        )

    def _plan_figures(
        self, experiment: str, points: tuple[Point, ...], aggregate: Job, formats: tuple[str, ...]
    ) -> None:
        figure = points[0].settings.figure
        if figure is None:
            return
        if figure.whole:
            drawn = {"points": [_drawn(point) | {"runs": _runs(point)} for point in points]}
            pictures = [(experiment, WHOLE, points[0], drawn)]
        else:
            pictures = [
                (_stem(experiment, point, points), _name(point), point, _drawn(point))
                for point in points
            ]
        for stem, name, point, drawn in pictures:
            self.figures[stem] = self._add(
                f"plot_{figure.kind}",
                experiment,
                name,
                settings={
                    **drawn,
                    "title": point.settings.title,
                    "figure": figure.model_dump(mode="json"),
                },
                files=tuple(f"figures/{stem}.{suffix}" for suffix in (*formats, "csv", "txt")),
                upstream=(aggregate,),
            )

    def _plan_films(
        self, experiment: str, points: tuple[Point, ...], aggregate: Job, formats: tuple[str, ...]
    ) -> None:
        film = points[0].settings.film
        if film is None:
            return
        for point in points:
            if film.points is not None and _name(point) not in film.points:
                continue
            stem = _stem(experiment, point, points)
            suffixes = ("gif", *formats, "csv", "txt")
            self.films[stem] = self._add(
                "render_film",
                experiment,
                _name(point),
                settings={
                    **_drawn(point),
                    "title": point.settings.title,
                    "film": film.model_dump(mode="json", exclude={"points"}),
                },
                files=tuple(f"films/{stem}.{suffix}" for suffix in suffixes),
                upstream=(aggregate,),
            )

    def _file_digest(self, file: Path, experiment: str) -> str:
        """Return the digest of a user's file, which is read once."""
        if not file.is_file():
            raise ConfigError(
                f"{experiment}: law.file: got {str(file)!r}; expected a file that exists, its path "
                "relative to the folder in which snakemake is called"
            )
        path = file.resolve()
        if path not in self._files:
            try:
                self._files[path] = file_digest(file)
            except (SyntaxError, ValueError) as error:
                raise ConfigError(
                    f"{experiment}: law.file: got {str(file)!r}; expected valid Python: {error}"
                ) from error
        return self._files[path]

    def _add(
        self,
        stage: str,
        experiment: str,
        point: str,
        *,
        settings: Mapping[str, Any],
        files: tuple[str, ...],
        upstream: tuple[Job, ...],
    ) -> Job:
        if stage not in self._code:
            self._code[stage] = code_digest(f"{stage}.py")
        code = self._code[stage]
        made_from = [code, settings_digest(settings), *(job.digest for job in upstream)]
        law_file = ""
        if "file" in (law := settings.get("law", {})):
            law_file = self._file_digest(Path(law["file"]), experiment)
            made_from.append(law_file)
        job = Job(
            stage,
            experiment,
            point,
            settings,
            tuple(str(self.results / path) for path in files),
            upstream,
            code,
            law_file,
            digest_of(*made_from),
        )
        self.jobs[stage, experiment, point] = job
        return job
