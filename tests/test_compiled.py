import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import meanfield
from meanfield.compiled import cache_folder, compiler

LEAF = "FACTOR = {}\n"
KERNEL = """
from meanfield.compiled import compiler
from meanfield.leaf import FACTOR

njit = compiler(__file__)


@njit
def scaled(x):
    return FACTOR * x


print(scaled(1.0))
"""


def test_an_edit_in_an_imported_module_changes_the_numbers(tmp_path):
    library = tmp_path / "scripts" / "meanfield"
    library.mkdir(parents=True)
    for name in ("__init__.py", "compiled.py", "digests.py", "sources.py", "whole_file.py"):
        shutil.copy(Path(meanfield.__file__).with_name(name), library)
    (library / "kernel.py").write_text(KERNEL)
    base = tmp_path / "cache"

    def run(factor: float) -> tuple[str, int]:
        (library / "leaf.py").write_text(LEAF.format(factor))
        environment = {
            **os.environ,
            "PYTHONPATH": str(library.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MEANFIELD_NUMBA_CACHE": str(base),
        }
        done = subprocess.run(
            [sys.executable, "-m", "meanfield.kernel"],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip(), len(list(base.rglob("*.nbc")))

    assert run(2.0) == ("2.0", 1)
    assert run(3.0) == ("3.0", 2)
    # Back to the first text: its code is still there, and nothing is compiled.
    assert run(2.0) == ("2.0", 2)


def test_cache_folder_is_inside_the_project_or_where_told(monkeypatch, tmp_path):
    source = Path(meanfield.__file__).with_name("random.py")
    monkeypatch.delenv("MEANFIELD_NUMBA_CACHE", raising=False)
    inside = cache_folder(source)
    assert inside.parent == source.parents[2] / ".snakemake" / "numba"
    monkeypatch.setenv("MEANFIELD_NUMBA_CACHE", str(tmp_path))
    assert cache_folder(source) == tmp_path / inside.name


def test_code_that_nobody_asks_for_is_deleted(monkeypatch, tmp_path):
    monkeypatch.setenv("MEANFIELD_NUMBA_CACHE", str(tmp_path))
    source = Path(meanfield.__file__).with_name("random.py")
    used = cache_folder(source)
    old, recent, other = (tmp_path / name for name in ("0" * 16, "1" * 16, "notes"))
    month = 31 * 24 * 3600
    for folder in (used, old, recent, other):
        (folder / "below").mkdir(parents=True)
        if folder != recent:
            os.utime(folder, (time.time() - month,) * 2)
    compiler(source)
    assert {path.name for path in tmp_path.iterdir()} == {used.name, recent.name, other.name}
    # A later process finds that it was used.
    assert time.time() - used.stat().st_mtime < month


def test_a_cache_that_cannot_be_pruned_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEANFIELD_NUMBA_CACHE", str(tmp_path / "file"))
    compiler(Path(meanfield.__file__).with_name("random.py"))
