rule plot_figure_4:
    """Draw Figure 4: from two starts to two limits, and the potential at the end of each."""
    input:
        aggregate=result_of("aggregate_runs", stage="plot_figure_4"),
    output:
        pictures=expand(
            "{results}/figures/{{figure}}.{format}",
            results=RESULTS,
            format=config["figure_formats"],
        ),
        table=f"{RESULTS}/figures/{{figure}}.csv",
        alt_text=f"{RESULTS}/figures/{{figure}}.txt",
    log:
        f"{RESULTS}/logs/{{figure}}/plot_figure_4.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{figure}}/plot_figure_4.tsv"
    wildcard_constraints:
        figure=figures_of("plot_figure_4"),
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        origin=origin_of("plot_figure_4"),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/plot_figure_4.py"
