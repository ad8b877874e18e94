rule run_sgd:
    """Train networks by one-pass SGD, all seeds of a point in one job."""
    input:
        data=result_of("generate_data", stage="run_sgd"),
    output:
        runs=f"{RESULTS}/runs/{{experiment}}/run_sgd/{{point}}.nc",
    log:
        f"{RESULTS}/logs/{{experiment}}/run_sgd/{{point}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/run_sgd/{{point}}.tsv"
    wildcard_constraints:
        point=points_of("run_sgd"),
    conda:
        ENVIRONMENT
    threads: threads_of_sgd
    resources:
        **GPU,
        mem_mb=4000,
        runtime=240,
    params:
        origin=origin_of("run_sgd"),
        backend=backend,
        siblings=siblings_of("run_sgd"),
    message:
        "Running SGD of {wildcards.experiment} ({wildcards.point}) on {threads} thread(s)"
    script:
        "../../scripts/run_sgd.py"
