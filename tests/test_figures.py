"""Figures are written whole, in every format, with their origin, and equal when remade."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from meanfield.figures import save_alt_text, save_figure, save_table, use_style
from meanfield.store import recorded_digest


def draw(folder: Path, *formats: str) -> list[Path]:
    use_style()
    figure, axes = plt.subplots()
    axes.plot([0, 1], [1, 0], label=r"$\rho_t$")
    axes.legend()
    pictures = [folder / f"figure.{suffix}" for suffix in formats]
    save_figure(figure, pictures, digest="abc123", alt_text="A falling line.")
    plt.close(figure)
    return pictures


def test_every_format_carries_origin_and_description(tmp_path: Path) -> None:
    for picture in draw(tmp_path, "pdf", "svg", "png"):
        assert recorded_digest(picture) == "abc123"
        assert b"A falling line." in picture.read_bytes()


def test_equal_figures_are_equal_files(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = draw(tmp_path, "pdf", "svg", "png")
    second = draw(tmp_path / "again", "pdf", "svg", "png")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_unknown_format_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown format"):
        draw(tmp_path, "jpg")
    assert list(tmp_path.iterdir()) == []


def test_table_and_words_carry_the_digest(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [0.1, 0.2], "y": [1.5, 2.5]})
    save_table(table, tmp_path / "t.csv", digest="abc123")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv", comment="#"), table)
    save_alt_text("A falling line.", tmp_path / "t.txt", digest="abc123")
    assert recorded_digest(tmp_path / "t.csv") == recorded_digest(tmp_path / "t.txt") == "abc123"
