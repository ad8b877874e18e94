"""The same bits for every instruction set: the compiler's target is overridden in a subprocess."""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_engine import VARIANTS, run
from test_special_kernels import PRECISIONS, SMOOTH, evaluated

import meanfield


def digest():
    """Hash of some runs, and of every smooth activation."""
    runs = [run(**variant, neurons=170, dimension=13)[0] for variant in VARIANTS]
    t = np.linspace(-9, 9, 999)
    curves = [evaluated(sigma, t, precision) for sigma in SMOOTH for precision in PRECISIONS]
    arrays = runs + [part for curve in curves for part in curve]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 CPUs")
@pytest.mark.parametrize(
    ("cpu", "features"), [("x86-64", "+sse2"), ("haswell", "+avx2,+fma")], ids=["sse2", "avx2"]
)
def test_the_bits_do_not_depend_on_the_cpu(cpu, features):
    here = Path(__file__).parent
    folders = [str(Path(meanfield.__file__).parents[1]), str(here), str(here.parent)]
    done = subprocess.run(
        [sys.executable, "-c", "import test_portability; print(test_portability.digest())"],
        env={**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features,
             "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == digest()
