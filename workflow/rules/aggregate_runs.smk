rule aggregate_runs:
    """Gather all runs of an experiment, and compare SGD with its limit."""
    input:
        run_sgd=results_of("run_sgd", stage="aggregate_runs"),
        solve_dd=results_of("solve_dd", stage="aggregate_runs"),
        minimize_risk=results_of("minimize_risk", stage="aggregate_runs"),
    output:
        aggregate=f"{RESULTS}/{{experiment}}.nc",
    log:
        f"{RESULTS}/logs/{{experiment}}/aggregate_runs.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/aggregate_runs.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        origin=origin_of("aggregate_runs"),
    message:
        "Aggregating the runs of {wildcards.experiment}"
    script:
        "../../scripts/aggregate_runs.py"
