"""A file appears whole or not at all."""

from pathlib import Path

import pytest

from meanfield.whole_file import whole_file


def test_a_file_is_there_when_all_went_well(tmp_path: Path) -> None:
    file = tmp_path / "made" / "file.nc"
    with whole_file(file) as partial:
        partial.write_text("new")
        assert not file.exists()
        assert (partial.parent, partial.suffix) == (file.parent, ".nc")
    assert file.read_text() == "new"
    assert list(file.parent.iterdir()) == [file]


def begin(file: Path) -> None:
    """Write a part of a file, and fail."""
    with whole_file(file) as partial:
        partial.write_text("new")
        raise KeyError


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file.nc"
    file.write_text("old")
    with pytest.raises(KeyError):
        begin(file)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
