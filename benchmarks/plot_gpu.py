"""The figure of the GPU benchmark, from the file that it wrote."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from meanfield.digests import digest_of
from meanfield.figures import PAGE_WIDTH, PALETTE, letter, save_figure, use_style

_LABELS = {
    "kernels": ("kernels of this project", "sgd", "o"),
    "jax_scan": ("JAX scan + vmap", "neutral", "s"),
    "torch_graphs": ("PyTorch, CUDA graph", "neutral", "D"),
    "plain_cupy": ("CuPy", "neutral", "v"),
}


def draw(file: Path) -> None:
    """Draw the time of a step of one network against the number of networks, at every size.

    Args:
        file: JSON with a part `speed`; the pictures go beside it, under its name.
    """
    use_style()
    text = file.read_text(encoding="utf-8")
    content = json.loads(text)
    table = pd.DataFrame(content["speed"]["rows"])
    sizes = list(table[["neurons", "dimension"]].drop_duplicates().itertuples(index=False))
    figure, panels = plt.subplots(
        1, len(sizes), figsize=(PAGE_WIDTH, 2.7), layout="constrained", squeeze=False
    )
    for axes, (neurons, dimension), name in zip(panels[0], sizes, "abcdef", strict=False):
        here = table[(table["neurons"] == neurons) & (table["dimension"] == dimension)]
        for implementation, (label, color, marker) in _LABELS.items():
            own = here[here["implementation"] == implementation]
            axes.plot(
                own["replicas"], own["ns_per_replica_step"], marker=marker, ms=4,
                color=PALETTE[color], label=label,
            )  # fmt: skip
        axes.axhline(
            here["bound_ns"].iloc[0], color=PALETTE["prediction"], ls="--", lw=0.9,
            label="4Nd operations at the device's rate",
        )  # fmt: skip
        axes.set(
            title=f"N = {neurons}, d = {dimension}", xlabel="networks", xscale="log", yscale="log"
        )
        letter(axes, name)
    panels[0][0].set_ylabel("ns a step and network")
    # Below all panels: in one of them it would cover points.
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    sns.despine(figure)
    pictures = [file.with_suffix(suffix) for suffix in (".png", ".svg")]
    save_figure(figure, pictures, digest=digest_of(text), alt_text=(
        "Time of one step of SGD, divided by the number of networks that run at once, against that "
        f"number, on {content['device']}; this project's kernels, JAX, PyTorch with CUDA graphs "
        "and plain CuPy; dashed: 4 N d operations at the device's rate in float32."
    ))  # fmt: skip
    plt.close(figure)
