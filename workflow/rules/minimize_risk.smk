rule minimize_risk:
    """Minimise the risk over all measures, and over single spheres."""
    output:
        statics=f"{RESULTS}/runs/{{experiment}}/minimize_risk/{{point}}.nc",
    log:
        f"{RESULTS}/logs/{{experiment}}/minimize_risk/{{point}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/minimize_risk/{{point}}.tsv"
    wildcard_constraints:
        point=points_of("minimize_risk"),
    priority: 1
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        origin=origin_of("minimize_risk"),
    message:
        "Minimising the risk of {wildcards.experiment} ({wildcards.point})"
    script:
        "../../scripts/minimize_risk.py"
