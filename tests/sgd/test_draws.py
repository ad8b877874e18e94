"""The compiled twins of the samples: the same bits, at awkward counts, sizes and steps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meanfield.python_law import PythonLaw
from meanfield.random import SAMPLE, split_seed
from meanfield.sampling import sample
from meanfield.sgd.draws import compiled_draw
from sample_laws import laws
from sgd_runs import run

LAWS = laws()
BLOCK = 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**64 - 1),
    block=st.one_of(
        st.integers(0, 300),
        st.integers(2**32 // BLOCK - 3, 2**32 // BLOCK + 3),
        st.integers(0, 2**58),
    ),
    count=st.integers(1, 5 * BLOCK),
)
def test_a_block_has_the_bits_of_the_samples(
    law: Any, dtype: Any, seed: int, block: int, count: int
) -> None:
    fill, constants, host = compiled_draw(law, dtype)
    first = BLOCK * block
    if host:
        # A chunk may begin before the first block that is drawn from it.
        start = max(0, first - 2 * BLOCK)
        constants = host(seed, start, first - start + count)
    expected = sample(law, seed, first, count, SAMPLE, dtype)
    rows = -(-law.dimension // 4) * 4
    for offset in range(0, count, BLOCK):
        x, y = np.full((rows, BLOCK), np.nan, dtype), np.full(BLOCK, np.nan, dtype)
        fill(x, y, constants, *split_seed(seed), np.uint64(first + offset))
        kept = min(BLOCK, count - offset)
        assert np.array_equal(x[: law.dimension, :kept].T, expected.x[offset : offset + kept])
        assert np.array_equal(y[:kept], expected.y[offset : offset + kept].astype(dtype))
        assert np.isfinite(x).all()
        assert np.isfinite(y).all()
        assert not x[law.dimension :].any()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_the_constants_keep_their_types(law: Any) -> None:
    draw = compiled_draw(law, np.float32)
    if draw.host:
        made = draw.host(1, 64, 8)
        for one, other in zip(draw.constants, made, strict=True):
            assert (type(one), one.dtype, one.ndim) == (type(other), other.dtype, other.ndim)


def test_a_python_law_draws_each_block_once(tmp_path: Path) -> None:
    # Inputs of 320 coordinates: chunks are far shorter than blocks.
    (tmp_path / "law.py").write_text(
        "CALLS = []\n"
        "def draw(generator, count):\n"
        "    CALLS.append(count)\n"
        "    x = generator.normal(size=(count, 320))\n"
        "    return x, x[:, 0]\n"
    )
    law = PythonLaw(str(tmp_path / "law.py"), "draw", 320)
    calls = law._draw.__globals__["CALLS"]
    steps, before = 5 * 512 + 17, len(calls)
    for seed in (1, 2):
        run(law=law, neurons=3, step_size=1e-6, seed=seed, snapshot_steps=(1500, steps))
    assert len(calls) - before == 2 * -(-steps // 1024)


def test_only_laws_are_drawn_from() -> None:
    with pytest.raises(TypeError, match="cannot draw samples from a str"):
        compiled_draw("cauchy", np.float32)
