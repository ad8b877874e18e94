"""The same bits for every instruction set: the compiler's target is overridden in a subprocess."""

import hashlib
import itertools
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import meanfield
from compiled_curves import PRECISIONS, SMOOTH, evaluated
from sgd_runs import VARIANTS, run


def digest():
    """Hash of some runs, and of every smooth activation."""
    runs = [run(**variant, neurons=170, dimension=13)[0] for variant in VARIANTS]
    t = np.linspace(-9, 9, 999)
    # Precisions alternate, to compile half as much.
    pairs = zip(SMOOTH, itertools.cycle(PRECISIONS), strict=False)
    curves = [evaluated(sigma, t, precision) for sigma, precision in pairs]
    arrays = runs + [part for curve in curves for part in curve]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


TARGETS = {"x86-64": "+sse2", "haswell": "+avx2,+fma"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 CPUs")
def test_the_bits_do_not_depend_on_the_cpu():
    here = Path(__file__).parent
    folders = [str(Path(meanfield.__file__).parents[1]), str(here), str(here.parent)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", "import test_portability; print(test_portability.digest())"],
            env={**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features,
                 "PYTHONPATH": os.pathsep.join(folders)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for cpu, features in TARGETS.items()
    ]  # fmt: skip
    outputs = [process.communicate() for process in running]
    for cpu, (out, errors) in zip(TARGETS, outputs, strict=True):
        assert out.strip() == digest(), f"{cpu}: {out} {errors}"
