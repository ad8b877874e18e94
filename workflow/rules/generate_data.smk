rule generate_data:
    """Draw the initial weights of every seed and the test set."""
    output:
        data=f"{RESULTS}/runs/{{experiment}}/generate_data/{{point}}.nc",
    log:
        f"{RESULTS}/logs/{{experiment}}/generate_data/{{point}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/generate_data/{{point}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings_of("generate_data"),
        code=code_of("generate_data"),
        digest=digest_of("generate_data"),
    message:
        "Drawing initial weights and test set of {wildcards.experiment} ({wildcards.point})"
    script:
        "../../scripts/generate_data.py"
