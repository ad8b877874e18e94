rule generate_data:
    """Draw the initial weights of every seed and the test set."""
    output:
        data=f"{RESULTS}/runs/{{experiment}}/generate_data/{{point}}.nc",
    log:
        f"{RESULTS}/logs/{{experiment}}/generate_data/{{point}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/generate_data/{{point}}.tsv"
    wildcard_constraints:
        point=points_of("generate_data"),
    # Before any SGD, so that the scheduler can choose among all runs: it prefers large data.
    priority: 1
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        origin=origin_of("generate_data"),
    message:
        "Drawing initial weights and test set of {wildcards.experiment} ({wildcards.point})"
    script:
        "../../scripts/generate_data.py"
