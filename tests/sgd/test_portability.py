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


def digest():
    """Hash of some runs, of every smooth activation, and of the labels of a teacher with each."""
    runs = [run(**variant, neurons=170, dimension=13)[0] for variant in VARIANTS]
    t = np.linspace(-9, 9, 999)
    # Precisions alternate, to compile half as much.
    pairs = zip(SMOOTH, itertools.cycle(PRECISIONS), strict=False)
    curves = [evaluated(sigma, t, precision) for sigma, precision in pairs]
    arrays = runs + [part for curve in curves for part in curve]
    for sigma in (Tanh(), Softplus()):
        law = GaussianTeacher(5, sigma, (1.0, -0.3), 0.1)
        arrays += sample(law, 3, 0, 999, TEST_SAMPLE)
        draw = compiled_draw(law, np.float64)
        assert draw.host is not None
        arrays.append(draw.host(3, 0, 999)[1])
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def dispatched() -> str:
    """Names of the instruction sets for which NumPy has code of its own here."""
    config: Any = np.show_config(mode="dicts")
    return " ".join(config["SIMD Extensions"].get("found", []))


PROGRAM = "import test_portability as test; print(test.digest(), test.dispatched())"
TARGETS = {"x86-64": "+sse2", "haswell": "+avx2,+fma"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 CPUs")
def test_the_bits_do_not_depend_on_the_cpu():
    here = Path(__file__).parent
    folders = [str(Path(meanfield.__file__).parents[1]), str(here), str(here.parent)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features,
                 "NPY_DISABLE_CPU_FEATURES": dispatched(),
                 "PYTHONPATH": os.pathsep.join(folders)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for cpu, features in TARGETS.items()
    ]  # fmt: skip
    outputs = [process.communicate() for process in running]
    for cpu, (out, errors) in zip(TARGETS, outputs, strict=True):
        # No more sets of instructions are named after the digest: NumPy's are all switched off.
        assert out.strip() == digest(), f"{cpu}: {out} {errors}"
