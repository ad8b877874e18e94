"""One law of each kind: what the tests of samples share."""

import tempfile
from pathlib import Path

import numpy as np

from meanfield.activations import PiecewiseLinear
from meanfield.laws import AnisotropicGaussians, DataSet, GaussianTeacher, IsotropicGaussians, Law
from meanfield.python_law import PythonLaw

RAMP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))

FUNCTION = """\
def draw(generator, count):
    x = generator.standard_t(3, size=(count, 5))
    return x, x[:, 0] ** 2
"""


def laws() -> list[Law]:
    """Return a law of every kind, of awkward dimensions."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "law.py"
        file.write_text(FUNCTION)
        python = PythonLaw(str(file), "draw", 5)
    return [
        IsotropicGaussians(7, 0.3),
        AnisotropicGaussians(9, 4, 0.6),
        GaussianTeacher(6, RAMP, (1.0, -0.5, 0.1, 0.2, 0.3), 0.1),
        DataSet(generator.normal(size=(13, 3)), generator.normal(size=13)),
        python,
    ]
