"""A kernel that reads or writes beyond an array fails in the tests of the kernels.

They all run on `HostDevice`, where memory that cannot be reached follows each array.
"""

from typing import Any

import numpy as np
import pytest

from cuda_host import HostDevice, OutOfBoundsError
from cuda_runs import CASES, choose_form, run_cuda
from guarded_arrays import array, empty
from meanfield.sgd.cuda_kernels import Variant

# What keeps a thread inside an array, taken away: the kernel, the arrays it then leaves, the case,
# the text, and what becomes of it.
MUTATIONS = {
    "rows of a block": (
        "gram", "x", "ridge, noise", "row < BLOCK && j < PARAMETERS", "j < PARAMETERS"
    ),
    "samples": ("network", "x", "ridge", " && first_sample + line + s < samples", ""),
    "neurons": ("network", "theta", "ridge", " && base + line + i < last", ""),
    "outputs": ("network", "totals", "ridge", "column == 0 && sample < samples", "column == 0"),
    "blocks of samples": (
        "draw", "x|y", "ridge", "    if (block >= blocks)\n        return;\n", ""
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_kernel_that_leaves_an_array_is_caught(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    choose_form(monkeypatch, "registers")
    kernel, arrays, case, old, new = MUTATIONS[name]
    x = np.ones((131, CASES[case]["law"].dimension), np.float32)

    class Mutant(HostDevice):
        def compile(self, variant: Any) -> Any:
            source = variant.source()
            if variant.function == kernel:
                assert source.count(old) == 1
                source = source.replace(old, new)
            return self.build(source, variant)

    said = rf"^{kernel}, block \(\d+, 0\), thread \d+: \d+ bytes beyond the end of ({arrays})$"
    with pytest.raises(OutOfBoundsError, match=said):
        run_cuda(CASES[case], neurons=33, device=Mutant(), snapshot_steps=(33,), inputs=x)


def test_arrays_end_where_nothing_can_be_reached() -> None:
    """As a kernel has it that reads, or writes, one number too many of an array or its copy."""
    text = 'extern "C" __global__ void __launch_bounds__(THREADS) f(float *x, int at)\n{ %s; }'
    variant = Variant("f", (), (), 32)
    for numbers in (1, 1024, 3000):
        for x in (empty(numbers, np.float32), array(np.ones(numbers, np.float32)).copy()):
            for body in ("x[at] = 1.0f", "x[0] = x[at]"):
                launch = HostDevice().build(text % body, variant)
                launch((1, 1), (x, np.int32(numbers - 1)))
                with pytest.raises(OutOfBoundsError, match=r": 0 bytes beyond the end of x$"):
                    launch((1, 1), (x, np.int32(numbers)))
    assert np.all(np.isnan(empty(9)))
