"""A code digest changes with the code that a script runs, and with nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meanfield.digests import (
    SCRIPTS,
    code_digest,
    digest_of,
    local_kernels,
    local_sources,
    settings_digest,
)

LEAF = '"""Doc."""\n\n\ndef f():\n    """Doc."""\n    return 1  # why\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("from . import relative\n")
    (package / "inner" / "relative.py").write_text("from ..leaf import f\n")
    (package / "leaf.py").write_text(LEAF)
    (package / "apart.py").write_text("x = 1\n")
    (tmp_path / "script.py").write_text("import numpy\n\n\ndef main():\n    import package.inner\n")
    return tmp_path


def test_sources_follow_imports_of_every_form(root: Path) -> None:
    names = {path.relative_to(root).as_posix() for path in local_sources(root / "script.py", root)}
    assert names == {
        "script.py",
        "package/__init__.py",
        "package/inner/__init__.py",
        "package/inner/relative.py",
        "package/leaf.py",
    }


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        (LEAF.replace("return 1", "return 2"), True),
        (LEAF.replace("def f()", "def f(x=0)"), True),
        (LEAF.replace("# why", "# for another reason"), False),
        (LEAF.replace("Doc.", "Another text."), False),
        (LEAF.replace("\n\n\n", "\n"), False),
        ("# first line\n" + LEAF, False),
    ],
)
def test_only_code_counts(root: Path, edited: str, changes: bool) -> None:
    before = code_digest("script.py", root)
    (root / "package" / "leaf.py").write_text(edited)
    assert (code_digest("script.py", root) != before) is changes


def test_modules_not_imported_do_not_count(root: Path) -> None:
    before = code_digest("script.py", root)
    (root / "package" / "apart.py").write_text("x = 2\n")
    assert code_digest("script.py", root) == before


def test_digest_does_not_depend_on_where_the_project_lies(root: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "elsewhere"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("elsewhere"))
    assert code_digest("script.py", copy) == code_digest("script.py", root)


def test_missing_script_is_an_error(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        code_digest("absent.py", root)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_settings_digest_ignores_order(settings: dict[str, Any]) -> None:
    assert settings_digest(dict(reversed(settings.items()))) == settings_digest(settings)


def test_settings_digest_sees_every_value() -> None:
    digests = {settings_digest({"a": value}) for value in (0, 1, 1.5, "1", [1], None, {"a": 1})}
    assert len(digests) == 7
    assert all(re.fullmatch(r"[0-9a-f]{16}", digest) for digest in digests)


@given(st.lists(st.text(), min_size=2))
def test_digest_keeps_boundaries(parts: list[str]) -> None:
    assert digest_of(*parts) != digest_of("".join(parts))
    assert digest_of(*parts) != digest_of(*parts, "")


def test_kernels_that_a_module_names_count(root: Path) -> None:
    folder = root / "package" / "kernels"
    folder.mkdir()
    kernel = folder / "step.cu"
    kernel.write_text("// a step\nvoid step() { x += 1; }\n")
    (folder / "other.cu").write_text("void other() {}\n")
    before = code_digest("script.py", root)
    (root / "package" / "leaf.py").write_text(LEAF + 'FILES = ("step.cu", "absent.cu")\n')
    named = code_digest("script.py", root)
    assert named != before
    kernel.write_text("/* one\n   step */\nvoid step()  { x += 1; }\n\n")
    (folder / "other.cu").write_text("void other() { x = 2; }\n")
    assert code_digest("script.py", root) == named
    kernel.write_text("void step() { x += 2; }\n")
    assert code_digest("script.py", root) != named


def test_the_kernels_of_sgd_count() -> None:
    sources = local_sources(SCRIPTS / "run_sgd.py", SCRIPTS)
    kernels = {kernel for path in sources for kernel in local_kernels(path)}
    assert kernels == set((SCRIPTS / "meanfield" / "sgd" / "kernels").glob("*.cu"))
