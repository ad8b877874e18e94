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
    conda:
        "../../envs/cpu.yaml"
    threads: lambda wildcards: len(settings_of("run_sgd")(wildcards)["seeds"])
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=settings_of("run_sgd"),
        code=code_of("run_sgd"),
        digest=digest_of("run_sgd"),
    message:
        "Running SGD of {wildcards.experiment} ({wildcards.point}) on {threads} thread(s)"
    script:
        "../../scripts/run_sgd.py"
