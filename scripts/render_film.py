"""Render a film of the law of |w| under SGD and its limit, and a strip of stills for paper.

In: an experiment's aggregate.
Out: an animated GIF, the strip in every figure format, the shown data as CSV, the film in words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meanfield.animation import save_gif
from meanfield.figures import save_drawing, use_style
from meanfield.film_data import film_data, film_table
from meanfield.radial_film import describe_film, draw_strip, film_frames
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read_tree
from meanfield.summaries import groups_of, swept_words


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    aggregate: str | Path,
    animation: str | Path,
    stills: Sequence[str | Path],
    table: str | Path,
    alt_text: str | Path,
) -> None:
    """Render the film of one point and write it with its stills, data and description."""
    tree = read_tree(aggregate)
    selected = groups_of(tree, settings["point"])
    options = settings["film"]
    film = film_data(selected, options)
    point = swept_words(settings["swept"])
    title = f"{settings['title']} ({point})" if point else settings["title"]
    words = describe_film(title, film, options["stills"], selected["sgd"].sizes["seed"])

    use_style()
    frames = film_frames(film, point)
    save_gif(frames, animation, rate=options["rate"], digest=origin.digest, alt_text=words)
    strip = draw_strip(film, options["stills"], point, zoom=options["zoom"])
    save_drawing(
        strip,
        film_table(film),
        words,
        pictures=stills,
        table=table,
        alt_text=alt_text,
        digest=origin.digest,
    )
    LOG.info(
        "rendered %d frames, %d kB, into %s",
        len(frames),
        Path(animation).stat().st_size // 1000,
        animation,
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
