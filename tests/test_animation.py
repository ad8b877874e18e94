"""Films are small files with their origin, equal when remade, and show what moves."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import GifImagePlugin

from meanfield.animation import Canvas, Pixels, save_gif
from meanfield.figures import use_style
from meanfield.store import recorded_digest


def pictures(heights: list[float]) -> list[Pixels]:
    """Return pictures of a bar that changes its height under a line that does not."""
    use_style()
    figure, axes = plt.subplots(figsize=(2, 1), layout="constrained")
    axes.plot([0, 1], [0.9, 0.9])
    bar = axes.stairs([0.0], [0.2, 0.8], fill=True, color="black")
    axes.set_ylim(0, 1)
    canvas = Canvas(figure, [bar])
    frames = []
    for height in heights:
        bar.set_data([height])
        frames.append(canvas.frame())
    plt.close(figure)
    return frames


def test_frames_show_what_moves_and_keep_the_rest() -> None:
    low, high, again = pictures([0.2, 0.7, 0.2])
    np.testing.assert_array_equal(low, again)
    dark = [int((frame.sum(axis=2) == 0).sum()) for frame in (low, high)]
    assert dark[1] > 2 * dark[0]
    changed = np.flatnonzero((low != high).any(axis=(1, 2)))
    assert changed.max() - changed.min() < 0.7 * low.shape[0]  # the line above stays


def test_a_film_plays_for_ever_and_carries_its_origin(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    frames = pictures([0.1, 0.2, 0.4, 0.6])
    words = "A bar that grows. " * 30  # longer than one block of a GIF's comment
    save_gif(frames, path, rate=20, digest="abc123", alt_text=words)
    assert recorded_digest(path) == "abc123"
    with GifImagePlugin.GifImageFile(path) as film:
        assert film.n_frames == 4
        assert film.info["loop"] == 0
        assert film.info["duration"] == 50
        assert words.strip() in film.info["comment"].decode()
        film.seek(3)
        assert film.info["duration"] == 1500
        shown = np.asarray(film.convert("RGB"), dtype=int)
    assert np.abs(shown - frames[3]).mean() < 3  # 64 colours, and no more lost
    assert (shown[frames[3].min(axis=2) == 255] == 255).all()  # white paper stays white


def test_equal_films_are_equal_files(tmp_path: Path) -> None:
    for name in ("one.gif", "two.gif"):
        frames = pictures([0.1, 0.5])
        save_gif(frames, tmp_path / name, rate=10, digest="abc123", alt_text="A bar.")
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()


def test_frames_of_several_shapes_or_none_are_refused(tmp_path: Path) -> None:
    frames = [np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((4, 5, 3), dtype=np.uint8)]
    for wrong in (frames, []):
        with pytest.raises(ValueError, match="one shape"):
            save_gif(wrong, tmp_path / "film.gif", rate=10, digest="abc", alt_text="")
    assert list(tmp_path.iterdir()) == []
