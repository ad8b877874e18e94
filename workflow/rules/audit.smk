rule audit:
    """Compare what every result was made from with what the configuration asks for now."""
    log:
        f"{RESULTS}/logs/audit.log",
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        expected=PLAN.expected_digests(),
        stages=PLAN.stages(),
        options="".join(f" --configfile {relpath(file)}" for file in workflow.overwrite_configfiles),
    message:
        "Auditing {RESULTS}"
    script:
        "../../scripts/audit.py"
