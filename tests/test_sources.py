"""What a file says is found once, for all processes, and found anew when a byte of it changes."""

from pathlib import Path

import pytest

from meanfield import sources
from meanfield.sources import Import, Source, read_source

TEXT = '''"""Doc."""
import numpy.linalg, json
from . import beside
from meanfield.flow import Flow as F, solve

def main():
    """Doc."""
    import late  # why
    return "a.cu"
'''
IMPORTS = (
    Import(0, "numpy.linalg", ()),
    Import(0, "json", ()),
    Import(1, "", ("beside",)),
    Import(0, "meanfield.flow", ("Flow", "solve")),
    Import(0, "late", ()),
)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of a project of its own, of which nothing is known."""
    monkeypatch.setattr(sources, "SCRIPTS", tmp_path / "scripts")
    monkeypatch.setattr(sources, "KEPT", tmp_path / "kept")
    file = tmp_path / "scripts" / "inner" / "script.py"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT)
    return file


def read_anew(file: Path) -> Source:
    """Read a file as the next process does."""
    sources._read.cache_clear()
    return read_source(file)


def parses(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list that grows by the file whenever one is parsed."""
    parsed, found = sources._parsed, []

    def record(content: bytes, path: Path) -> Source:
        found.append(path)
        return parsed(content, path)

    monkeypatch.setattr(sources, "_parsed", record)
    return found


def test_imports_of_every_form_and_kernels(script: Path) -> None:
    found = read_source(script)
    assert sorted(found.imports) == sorted(IMPORTS)
    assert found.kernels == ("a.cu",)


def test_next_process_knows_the_same_without_parsing(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_source(script)
    parsed = parses(monkeypatch)
    assert read_anew(script) == first
    assert not parsed


def test_an_edit_is_seen_even_if_size_and_time_stay(script: Path) -> None:
    import os

    first, times = read_source(script), script.stat()
    script.write_text(TEXT.replace("a.cu", "b.cu"))
    os.utime(script, ns=(times.st_atime_ns, times.st_mtime_ns))
    edited = read_anew(script)
    assert edited.kernels == ("b.cu",)
    assert edited.code != first.code


def test_another_reader_parses_again(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_source(script)
    parsed = parses(monkeypatch)
    monkeypatch.setattr(sources, "_READER", b"another version")
    read_anew(script)
    assert parsed == [script]


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"key": 1}', "\0"])
def test_what_is_damaged_is_found_again(script: Path, damage: str) -> None:
    first = read_source(script)
    (file,) = sources.KEPT.rglob("*.json")
    whole = file.read_text()
    for content in (damage, whole.replace('"code"', '"cod"'), whole.replace("[0,", "[")):
        file.write_text(content)
        assert read_anew(script) == first
        assert file.read_text() == whole


def test_a_place_that_cannot_be_written_costs_time_alone(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_source(script)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sources, "KEPT", tmp_path / "file")
    assert read_anew(script) == first


def test_files_of_others_are_not_kept(script: Path, tmp_path: Path) -> None:
    law = tmp_path / "law.py"
    law.write_text(TEXT)
    assert read_source(law).code == read_source(script).code
    assert [file.name for file in sources.KEPT.rglob("*.*")] == ["script.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + 'x = "\u00e9"\n'.encode(),
        b'# -*- coding: latin-1 -*-\nx = "\xe9"\n',
    ],
)
def test_encodings_are_those_of_python(tmp_path: Path, content: bytes) -> None:
    """A byte-order mark, or a line that names the encoding."""
    law, plain = tmp_path / "law.py", tmp_path / "plain.py"
    law.write_bytes(content)
    plain.write_text('x = "\u00e9"\n', encoding="utf-8")
    found: dict[str, str] = {}
    exec(compile(law.read_bytes(), "law.py", "exec"), found)
    assert found["x"] == "\u00e9"
    assert read_source(law) == read_source(plain)


@pytest.mark.parametrize("content", [b"def f(:\n", b"x = 1\0\n", b'x = "\xe9"\n'])
def test_what_is_not_python_is_said_and_not_kept(script: Path, content: bytes) -> None:
    script.write_bytes(content)
    with pytest.raises((SyntaxError, ValueError)):
        read_anew(script)
    assert not sources.KEPT.exists()
