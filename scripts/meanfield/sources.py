"""What a Python file says for the digests: its code, what it imports, the CUDA files that it names.

Parsing all files of a stage takes longer than the rest of a short job. So what was found in a file
of this project is kept, beside the digest of the bytes in which it was found.
"""

import ast
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from meanfield.whole_file import whole_file

SCRIPTS = Path(__file__).resolve().parents[1]
"""Folder of the stage scripts."""

KEPT = SCRIPTS.parent / ".snakemake" / "sources"
"""Folder of what is known of the files of that folder; it may be deleted at any time."""

# Read now: it is this text that runs, also when the file is edited later.
_READER = Path(__file__).read_bytes() + sys.version.encode()
"""What finds something in a file: this one, and the version of Python."""


class Import(NamedTuple):
    """An import statement.

    Attributes:
        level: dots before the module; 0 for an absolute import.
        module: dotted name; empty if there are only dots.
        names: what is imported from it, which may be modules themselves; none if it is the module.
    """

    level: int
    module: str
    names: tuple[str, ...]


class Source(NamedTuple):
    """A Python file.

    Attributes:
        code: digest of its text without comments, layout and bare strings, which only document.
            Text by ``ast.unparse``, because ``ast.dump`` differs between Python versions.
        imports: what it imports, anywhere.
        kernels: its strings that may be names of CUDA files, sorted.
    """

    code: str
    imports: tuple[Import, ...]
    kernels: tuple[str, ...]


def read_source(path: Path) -> Source:
    """Return what a Python file says.

    Raises:
        OSError: it cannot be read.
        SyntaxError: it is not valid Python.
        ValueError: the same; older versions of Python say it so of null bytes.
    """
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, mtime_ns: int) -> Source:
    """Read a file once; the time of its last change is a key of the cache alone."""
    content = path.read_bytes()
    if not path.is_relative_to(SCRIPTS):
        return _parsed(content, path)
    key = hashlib.sha256(_READER + content).hexdigest()
    file = (KEPT / path.relative_to(SCRIPTS)).with_suffix(".json")
    known = _kept(file, key)
    if known is None:
        known = _parsed(content, path)
        _keep(file, key, known)
    return known


def _parsed(content: bytes, path: Path) -> Source:
    # As bytes: Python itself heeds a byte-order mark, and a line that names another encoding.
    tree = ast.parse(content, filename=str(path))
    imports: list[Import] = []
    kernels: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [Import(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            imports.append(Import(node.level, node.module or "", names))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.endswith(".cu"):
                kernels.add(node.value)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [child for child in node.body if not _is_bare_string(child)] or [ast.Pass()]
    code = hashlib.sha256(ast.unparse(tree).encode()).hexdigest()
    return Source(code, tuple(dict.fromkeys(imports)), tuple(sorted(kernels)))


def _is_bare_string(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _kept(file: Path, key: str) -> Source | None:
    """Return what was found in the same bytes before; None if it is not known."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["key"] != key:
            return None
        imports = tuple(
            Import(level, module, tuple(names)) for level, module, names in kept["imports"]
        )
        return Source(kept["code"], imports, tuple(kept["kernels"]))
    except (OSError, ValueError, KeyError, TypeError):  # none, or damaged
        return None


def _keep(file: Path, key: str, source: Source) -> None:
    """Keep what was found, for other processes; a folder that cannot be written to costs time."""
    with suppress(OSError), whole_file(file) as partial:
        partial.write_text(json.dumps({"key": key, **source._asdict()}), encoding="utf-8")
