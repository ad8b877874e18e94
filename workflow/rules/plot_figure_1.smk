rule plot_figure_1:
    """Draw Figure 1: radial laws of SGD and its limit, and the risk of both."""
    input:
        aggregate=result_of("aggregate_runs", stage="plot_figure_1"),
    output:
        pictures=expand(
            "{results}/figures/{{figure}}.{format}",
            results=RESULTS,
            format=config["figure_formats"],
        ),
        table=f"{RESULTS}/figures/{{figure}}.csv",
        alt_text=f"{RESULTS}/figures/{{figure}}.txt",
    log:
        f"{RESULTS}/logs/{{figure}}/plot_figure_1.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{figure}}/plot_figure_1.tsv"
    wildcard_constraints:
        figure=figures_of("plot_figure_1"),
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        origin=origin_of("plot_figure_1"),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/plot_figure_1.py"
