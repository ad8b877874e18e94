rule solve_dd:
    """Solve the distributional dynamics, the limit of SGD."""
    output:
        limit=f"{RESULTS}/runs/{{experiment}}/solve_dd/{{point}}.nc",
    params:
        settings=settings_of("solve_dd"),
        code=code_of("solve_dd"),
        digest=digest_of("solve_dd"),
    log:
        f"{RESULTS}/logs/{{experiment}}/solve_dd/{{point}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/solve_dd/{{point}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../../envs/cpu.yaml"
    message:
        "Solving the distributional dynamics of {wildcards.experiment} ({wildcards.point})"
    script:
        "../../scripts/solve_dd.py"
