"""The same bits for every instruction set: what the compiler and NumPy may use is overridden."""

import hashlib
import itertools
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import meanfield
from compiled_curves import PRECISIONS, SMOOTH, evaluated
from meanfield.activations import Softplus, Tanh
from meanfield.laws import GaussianTeacher
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import sample
from meanfield.sgd.draws import compiled_draw
from sgd_runs import VARIANTS, run


def digest(variants: int) -> str:
    """Hash of some runs; with all of them, also of smooth activations and a teacher's labels."""
    runs = [run(**variant, neurons=170, dimension=13)[0] for variant in VARIANTS[:variants]]
    return hashlib.sha256(
        b"".join(array.tobytes() for array in runs + others(variants))
    ).hexdigest()


def others(variants: int) -> list[Any]:
    """Return the curves of every smooth activation, and the labels of a teacher with some."""
    if variants < len(VARIANTS):
        return []
    t = np.linspace(-9, 9, 999)
    # Precisions alternate, to compile half as much.
    pairs = zip(SMOOTH, itertools.cycle(PRECISIONS), strict=False)
    arrays = [part for sigma, precision in pairs for part in evaluated(sigma, t, precision)]
    for sigma in (Tanh(), Softplus()):
        law = GaussianTeacher(5, sigma, (1.0, -0.3), 0.1)
        arrays += sample(law, 3, 0, 999, TEST_SAMPLE)
        draw = compiled_draw(law, np.float64)
        assert draw.host is not None
        arrays.append(draw.host(3, 0, 999)[1])
    return arrays


def dispatched() -> str:
    """Names of the instruction sets for which NumPy has code of its own here."""
    config: Any = np.show_config(mode="dicts")
    return " ".join(config["SIMD Extensions"].get("found", []))


PROGRAM = "import test_portability as test; print(test.digest({}), test.dispatched())"
# The farthest from a CPU of today does all; what lies between, the kernel that most runs use.
TARGETS = {"x86-64": ("+sse2", len(VARIANTS)), "haswell": ("+avx2,+fma", 1)}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 CPUs")
def test_the_bits_do_not_depend_on_the_cpu():
    here = Path(__file__).parent
    folders = [str(Path(meanfield.__file__).parents[1]), str(here), str(here.parent)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(variants)],
            env={**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features,
                 "NPY_DISABLE_CPU_FEATURES": dispatched(),
                 "PYTHONPATH": os.pathsep.join(folders)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for cpu, (features, variants) in TARGETS.items()
    ]  # fmt: skip
    outputs = [process.communicate() for process in running]
    for (cpu, (_, variants)), (out, errors) in zip(TARGETS.items(), outputs, strict=True):
        # No more sets of instructions are named after the digest: NumPy's are all switched off.
        assert out.strip() == digest(variants), f"{cpu}: {out} {errors}"
