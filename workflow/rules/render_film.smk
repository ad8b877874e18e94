rule render_film:
    """Render a film of the law of ‖w‖ under SGD and its limit, and a strip of stills."""
    input:
        aggregate=result_of("aggregate_runs", stage="render_film"),
    output:
        animation=f"{RESULTS}/films/{{film}}.gif",
        stills=expand(
            "{results}/films/{{film}}.{format}",
            results=RESULTS,
            format=config["figure_formats"],
        ),
        table=f"{RESULTS}/films/{{film}}.csv",
        alt_text=f"{RESULTS}/films/{{film}}.txt",
    log:
        f"{RESULTS}/logs/{{film}}/render_film.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{film}}/render_film.tsv"
    wildcard_constraints:
        film=films(),
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        origin=origin_of("render_film"),
    message:
        "Rendering the film {wildcards.film}"
    script:
        "../../scripts/render_film.py"
