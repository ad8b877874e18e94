rule solve_dd:
    """Solve the distributional dynamics, the limit of SGD."""
    output:
        limit=f"{RESULTS}/runs/{{experiment}}/solve_dd/{{point}}.nc",
    log:
        f"{RESULTS}/logs/{{experiment}}/solve_dd/{{point}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/solve_dd/{{point}}.tsv"
    wildcard_constraints:
        point=points_of("solve_dd"),
    priority: 1
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **GPU,
        mem_mb=2000,
        runtime=30,
    params:
        origin=origin_of("solve_dd"),
        backend=backend,
        siblings=siblings_of("solve_dd"),
    message:
        "Solving the distributional dynamics of {wildcards.experiment} ({wildcards.point})"
    script:
        "../../scripts/solve_dd.py"
