import os
import shutil
import subprocess
import sys
from pathlib import Path

import meanfield
from meanfield.compiled import cache_folder

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
    for name in ("__init__.py", "compiled.py", "digests.py"):
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
