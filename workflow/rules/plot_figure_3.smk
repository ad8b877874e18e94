rule plot_figure_3:
    """Draw Figure 3: risk and means of the invariants on log t, SGD and its limit."""
    input:
        aggregate=result_of("aggregate_runs", stage="plot_figure_3"),
    output:
        pictures=expand(
            "{results}/figures/{{figure}}.{format}",
            results=RESULTS,
            format=config["figure_formats"],
        ),
        table=f"{RESULTS}/figures/{{figure}}.csv",
        alt_text=f"{RESULTS}/figures/{{figure}}.txt",
    log:
        f"{RESULTS}/logs/{{figure}}/plot_figure_3.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{figure}}/plot_figure_3.tsv"
    wildcard_constraints:
        figure=figures_of("plot_figure_3"),
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        origin=origin_of("plot_figure_3"),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/plot_figure_3.py"
