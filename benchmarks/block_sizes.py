"""The engine with other block sizes: copies of the library, each in a process of its own.

The size of a block belongs to the definition of the engine's bits and is therefore no argument.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.rounds import Work

ROOT = Path(__file__).resolve().parents[1]
_DEFINITION = re.compile(r"^STEPS = \d+$", re.MULTILINE)

_SERVE = """
import sys
from benchmarks.sgd_engine import engine_with_data
from benchmarks.sgd_problem import make_problem
run = engine_with_data(make_problem(*map(int, sys.argv[1:])))
for line in sys.stdin:
    run(int(line))
    print("done", flush=True)
"""


def rewrite(folder: Path, block: int) -> None:
    """Set the block size in a copy of the engine.

    Args:
        folder: the copied package `meanfield.sgd`.
        block: the new size.

    Raises:
        ValueError: not exactly one file defines it.
    """
    files = [path for path in folder.glob("*.py") if _DEFINITION.search(path.read_text())]
    if len(files) != 1:
        raise ValueError(f"expected one definition of STEPS in {folder.name}, got {len(files)}")
    files[0].write_text(_DEFINITION.sub(f"STEPS = {block}", files[0].read_text()))


@contextmanager
def library_with_block(block: int) -> Iterator[Path]:
    """Give a folder with a copy of the library that has another block size.

    Args:
        block: number of samples of a block.
    """
    with tempfile.TemporaryDirectory() as place:
        library = Path(place) / "meanfield"
        shutil.copytree(ROOT / "scripts" / "meanfield", library)
        rewrite(library / "sgd", block)
        yield Path(place)


@contextmanager
def engine_of(place: Path, neurons: int, dimension: int) -> Iterator[Work]:
    """Give the engine of a copy of the library, run in a child process.

    Args:
        place: folder of the copy; compiled code is kept there.
        neurons: N.
        dimension: d.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(place), str(ROOT)]),
        "MEANFIELD_NUMBA_CACHE": str(place / "numba"),
    }
    command = [sys.executable, "-c", _SERVE, str(neurons), str(dimension)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the child process has no pipes")
        stdin, stdout = child.stdin, child.stdout

        def work(passes: int) -> None:
            stdin.write(f"{passes}\n")
            stdin.flush()
            if not stdout.readline():
                raise RuntimeError(f"the engine for N = {neurons}, d = {dimension} failed")

        try:
            yield work
        finally:
            stdin.close()
