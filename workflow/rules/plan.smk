# What the configuration asks for: jobs, their settings, digests and files.


def load_plan():
    """Validate the whole configuration before any job starts."""
    files = [path for path in workflow.configfiles if path not in workflow.overwrite_configfiles]
    files += workflow.overwrite_configfiles
    rule_names = {"all", *(path.stem for path in Path(ROOT, "workflow/rules").glob("*.smk"))}
    try:
        return Plan(load_settings(config, [Path(file) for file in files], EXPERIMENTS, rule_names))
    except ConfigError as error:
        raise WorkflowError(f"{error}")


PLAN = load_plan()
RESULTS = PLAN.results


# Of the stages that may use a GPU. Their jobs take turns on it: profiles/gpu says that there is
# one. With `auto` it is not known whether there is, so that they start at once; those that find one
# wait in line.
ON_GPU = PLAN.backend == "cupy"
GPU = {"gpu": 1} if ON_GPU else {}
SWEEP_ON_GPU = ON_GPU and PLAN.batch == "sweep"
ENVIRONMENT = f"../../envs/{'gpu' if ON_GPU else 'cpu'}.yaml"


wildcard_constraints:
    experiment="|".join(PLAN.experiments),


def figures_of(stage):
    """Pattern of the names of the figures that a stage draws; it matches nothing without any."""
    return _one_of(name for name, job in PLAN.figures.items() if job.stage == stage)


def films():
    """Pattern of the names of all films."""
    return _one_of(PLAN.films)


def _one_of(names):
    return "|".join(map(re.escape, names)) or "(?!)"


def points_of(stage):
    """Pattern of the points of a stage, over all experiments."""
    return "|".join(map(re.escape, PLAN.points(stage)))


def job_of(stage):
    """Return a function that gives the planned job of a stage for Snakemake's wildcards."""

    def find(wildcards):
        if "figure" in wildcards.keys():
            return PLAN.figures[wildcards.figure]
        if "film" in wildcards.keys():
            return PLAN.films[wildcards.film]
        return PLAN.find(stage, **wildcards)

    return find


def origin_of(stage):
    """What makes a result, and so what it is rerun for: see meanfield.store.Origin.

    The settings that the stage reads and no others; the digest of its script and of all that it
    imports, since Snakemake does not see edits in modules; and the digest of everything upstream.
    """
    return lambda wildcards: asdict(job_of(stage)(wildcards).origin)


def results_of(source, stage):
    """Paths of all results of one stage that another one reads."""
    return lambda wildcards: job_of(stage)(wildcards).sources(source)


def result_of(source, stage):
    """Path of the one result of a stage that another one reads."""
    return lambda wildcards: results_of(source, stage)(wildcards)[0]


def backend(wildcards, resources):
    """What is to compute a result: a param that is no reason to make the result again.

    Snakemake leaves params that follow from a job's resources out of what it compares, and takes
    a function with an argument of this name for one. A change of the backend, or `auto` on another
    machine, changes how a result is computed and not what it is (see config/README.md).
    """
    return PLAN.backend


def siblings_of(stage):
    """The points of an experiment, of which one job may do the work: a param like `backend`.

    None but with `batch: sweep`. The job finds out which of them it can and has to do.
    """

    def find(wildcards, resources):
        return _packed_points(stage, wildcards.experiment) if PLAN.batch == "sweep" else b""

    return find


@cache
def _packed_points(stage, experiment):
    """What makes every point's result, and its path: one text for all jobs."""
    return packed(Sibling(job.origin, job.file) for job in _jobs_of(stage, experiment))


@cache
def _jobs_of(stage, experiment):
    """All jobs of a stage of an experiment."""
    jobs = (job for job in PLAN.jobs.values() if job.experiment == experiment)
    return [job for job in jobs if job.stage == stage]


def threads_of_sgd(wildcards):
    """One for each seed, or fewer where the points of the experiment share this machine's cores.

    On a GPU they take turns: one for each seed there, or up to eight where a job looks at the
    networks of a whole sweep. No more: the jobs that only store what another one trained would keep
    all cores from others.
    """
    seeds = len(job_of("run_sgd")(wildcards).settings["seeds"])
    points = len(_jobs_of("run_sgd", wildcards.experiment))
    if SWEEP_ON_GPU:
        return max(seeds, min(8, points * seeds))
    # On a cluster each job has a machine of its own, and the cores known here are others: of the
    # machine that submits jobs, or, in a job, those that it was given.
    if ON_GPU or workflow.non_local_exec or workflow.remote_exec:
        return seeds
    return threads_of_run(seeds, points, workflow.cores)
