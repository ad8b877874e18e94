from snakemake.utils import min_version

min_version("9.14")


include: "workflow/rules/common.smk"


configfile: "config/config.yaml"


include: "workflow/rules/plan.smk"
include: "workflow/rules/generate_data.smk"
include: "workflow/rules/run_sgd.smk"
include: "workflow/rules/solve_dd.smk"
include: "workflow/rules/minimize_risk.smk"
include: "workflow/rules/aggregate_runs.smk"
include: "workflow/rules/plot_figure_1.smk"
include: "workflow/rules/plot_figure_2.smk"
include: "workflow/rules/plot_figure_3.smk"
include: "workflow/rules/plot_figure_4.smk"
include: "workflow/rules/render_film.smk"
include: "workflow/rules/audit.smk"


rule all:
    """Make every figure and every aggregate that the configuration asks for."""
    default_target: True
    input:
        [PLAN.targets(name) for name in PLAN.experiments],


for name in PLAN.experiments:

    rule:
        """Make the aggregate and the figures of the experiment of this name."""
        name:
            name
        input:
            PLAN.targets(name),
