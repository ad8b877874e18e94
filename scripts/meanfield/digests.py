"""Digests of code and settings: what a result was made from, independent of file times."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from meanfield.sources import SCRIPTS, read_source

DIGEST_LENGTH = 16
"""Hexadecimal digits kept of a SHA-256: 64 bits, ample for a few thousand files."""


def digest_of(*parts: str) -> str:
    """Return the digest of a sequence of strings, in order and with their boundaries."""
    joined = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(joined.encode()).hexdigest()[:DIGEST_LENGTH]


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Return the digest of a mapping of plain JSON values, whatever the order of its keys."""
    return digest_of(json.dumps(settings, sort_keys=True, allow_nan=False))


def code_digest(script: str | Path, root: Path = SCRIPTS) -> str:
    """Return the digest of a script and of every local module that it imports, directly or not.

    So are the CUDA kernels that these modules name: files `*.cu` beside a module, or in the folder
    `kernels` there. Comments, layout and docstrings do not count, so that editing one of them
    reruns nothing.

    Args:
        script: path of the Python file, absolute or relative to ``root``.
        root: folder from which local imports are resolved; all else is a library and is not read.

    Returns:
        16 hexadecimal digits.

    Raises:
        FileNotFoundError: the script does not exist.
        SyntaxError: the script or a module that it imports is not valid Python.
    """
    files = local_sources(root / script, root)
    texts = {path.relative_to(root).as_posix(): read_source(path).code for path in files}
    kernels = {kernel for path in files for kernel in local_kernels(path)}
    texts |= {path.relative_to(root).as_posix(): _kernel_text(path) for path in kernels}
    return digest_of(*(part for name in sorted(texts) for part in (name, texts[name])))


def file_digest(file: Path) -> str:
    """Return the digest of a user's file: the `code_digest` of a Python one, else of its bytes.

    Args:
        file: the file; modules that a Python one imports count if they are in its folder.

    Returns:
        16 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
        SyntaxError: it, or a module that it imports, is not valid Python.
        ValueError: the same; older versions of Python say it so of null bytes.
    """
    path = file.resolve()
    if file.suffix == ".py":
        return code_digest(path.name, root=path.parent)
    return digest_of(hashlib.sha256(path.read_bytes()).hexdigest())


def local_sources(script: Path, root: Path = SCRIPTS) -> frozenset[Path]:
    """Return the files under ``root`` that a script consists of: itself and its local imports."""
    found: set[Path] = set()
    seen: set[tuple[str, ...]] = set()
    pending = [script]
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            names = _imported_names(path, root) - seen
            seen |= names
            pending += [source for name in names for source in _module_files(name, root)]
    return frozenset(found)


def local_imports(path: Path, root: Path = SCRIPTS) -> list[Path]:
    """Return the files under ``root`` that one file itself imports."""
    return [source for name in _imported_names(path, root) for source in _module_files(name, root)]


def local_kernels(path: Path) -> list[Path]:
    """Return the CUDA files that a Python file names in its strings."""
    folders = (path.parent, path.parent / "kernels")
    files = (folder / name for name in read_source(path).kernels for folder in folders)
    return [file for file in files if file.is_file()]


def _kernel_text(path: Path) -> str:
    """Return the text of a CUDA file without comments and without layout."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _imported_names(path: Path, root: Path) -> set[tuple[str, ...]]:
    """Return every dotted name that might be a module, absolute imports and relative ones alike."""
    package = path.parent.relative_to(root).parts
    names = set()
    for level, module, imported in read_source(path).imports:
        base = package[: len(package) - level + 1] if level else ()
        base += tuple(module.split(".")) if module else ()
        # What is imported may be a module itself: "from meanfield import flow".
        names |= {base, *((*base, name) for name in imported)}
    return names


def _module_files(name: tuple[str, ...], root: Path) -> Iterator[Path]:
    """Yield the files that importing a dotted name executes: its packages, then the module."""
    stem = root
    for part in name:
        stem /= part
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if path.is_file():
                yield path
        if not stem.is_dir():  # as of a library: nothing lies below
            return
