rule audit:
    """Compare what every result was made from with what the configuration asks for now."""
    params:
        expected=PLAN.expected_digests(),
    log:
        f"{RESULTS}/logs/audit.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    conda:
        "../../envs/cpu.yaml"
    message:
        "Auditing {RESULTS}"
    script:
        "../../scripts/audit.py"
