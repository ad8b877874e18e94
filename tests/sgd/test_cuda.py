import numpy as np
import pytest

from cuda_host import HostDevice, needs_compiler
from cuda_runs import CASES, FORMS, choose_form, run_cuda, run_reference

pytestmark = needs_compiler


# Each compiles kernels of its own: every form meets every feature, not every combination.
CHECKED = [
    *(("resident", name) for name in CASES),
    *(("registers", name) for name in list(CASES)[:2] + list(CASES)[-1:]),
    *(("memory", name) for name in list(CASES)[1:4]),
]


@pytest.mark.parametrize(("form", "name"), CHECKED)
def test_the_iterates_are_those_of_the_reference(monkeypatch, form, name):
    choose_form(monkeypatch, form)
    found, means = run_cuda(CASES[name])
    expected, expected_means = run_reference(CASES[name])
    print(np.abs(found - expected).max() / np.abs(expected).max())
    print(np.nanmax(np.abs(means/expected_means - 1)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(means, expected_means, rtol=1e-6)
    assert np.abs(expected[-1] - expected[0]).max() > 1e-2
