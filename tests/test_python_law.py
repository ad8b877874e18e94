"""A user's law: blocks that can be drawn again, and errors that name file and function."""

import sys
from pathlib import Path

import numpy as np
import pytest

from meanfield.python_law import BLOCK, PythonLaw
from meanfield.random import SAMPLE, TEST_SAMPLE

HEAD = "import numpy as np\ndef draw(generator, count):\n"
SOUND = HEAD + "    x = generator.normal(size=(count, 2))\n    return x, x[:, 0]\n"


def law(folder: Path, text: str) -> PythonLaw:
    file = folder / "my_law.py"
    file.write_text(text)
    return PythonLaw(str(file), "draw", 2)


def test_blocks_are_keyed_by_seed_stream_and_number(tmp_path: Path) -> None:
    mine = law(tmp_path, SOUND)
    x, y = mine.block(3, SAMPLE, 5)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((BLOCK, 2), np.float32, (BLOCK,), np.float64)
    np.testing.assert_array_equal(x, law(tmp_path, SOUND).block(3, SAMPLE, 5).x)
    key = np.array([3, SAMPLE + 256 * 5], dtype=np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key))
    np.testing.assert_array_equal(x, generator.normal(size=(BLOCK, 2)).astype(np.float32))
    for other in (
        mine.block(4, SAMPLE, 5),
        mine.block(3, TEST_SAMPLE, 5),
        mine.block(3, SAMPLE, 6),
    ):
        assert not np.isin(other.x, x).any()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    return 1 / 0", "failed with ZeroDivisionError: division by zero"),
        ("    return np.ones((count, 2))", r"got a ndarray; expected a pair \(x, y\)"),
        ("    return np.ones((2, count)), np.ones(count)", r"got x of shape \(2, 1024\); expected"),
        ("    return np.ones((count, 2)), np.ones((count, 1))", r"got y of shape \(1024, 1\)"),
        ("    return np.full((count, 2), 1e39), np.ones(count)", r"x\[0, 0\] is .*1e\+39"),
        ("    return np.ones((count, 2)), np.array([0] * 1023 + [np.nan])", r"y\[1023\] is .*nan"),
        ("    return np.full((count, 2), 'a'), np.ones(count)", "x is not an array of numbers"),
        ("    return np.full((count, 2), 1j), np.ones(count)", "x is not an array of numbers"),
    ],
)
def test_what_the_function_returns_is_checked(tmp_path: Path, body: str, message: str) -> None:
    mine = law(tmp_path, HEAD + body)
    with pytest.raises(ValueError, match=rf"my_law.py: draw\(generator, count\): {message}"):
        mine.block(1, SAMPLE, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "my_law.py: no function 'draw' there"),
        ("draw = 1", "my_law.py: no function 'draw' there"),
        ("import no_such_module", "my_law.py: cannot be run: ModuleNotFoundError"),
        ("def draw(:", "my_law.py: cannot be run: SyntaxError"),
    ],
)
def test_the_file_is_checked(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        law(tmp_path, text)


@pytest.mark.parametrize("place", ["", "    "], ids=["at the top", "in the function"])
def test_modules_beside_the_file_can_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"beside_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text("SCALE = 3.0\n")
    draw = ["def draw(generator, count):", "    x = generator.normal(size=(count, 2))"]
    lines = [*draw, f"    return {name}.SCALE * x, x[:, 0]"]
    lines.insert(2 if place else 0, f"{place}import {name}")
    x, y = law(tmp_path, "\n".join(lines)).block(1, SAMPLE, 0)
    np.testing.assert_array_equal(x[:, 0], (3.0 * y).astype(np.float32))


def test_a_file_may_hold_dataclasses(tmp_path: Path) -> None:
    head = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Scale:\n    value: float = 2.0\n"
    )
    text = head + SOUND.replace("return x", "return Scale().value * x")
    x, y = law(tmp_path, text).block(1, SAMPLE, 0)
    np.testing.assert_array_equal(x[:, 0], (2.0 * y).astype(np.float32))


def test_other_arguments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.py: no such file"):
        PythonLaw(str(tmp_path / "none.py"), "draw", 2)
    with pytest.raises(ValueError, match="dimension must be"):
        PythonLaw(law(tmp_path, SOUND).file, "draw", 0)
    with pytest.raises(ValueError, match="seed must be"):
        law(tmp_path, SOUND).block(-1, SAMPLE, 0)


def test_an_edited_file_is_read_anew(tmp_path: Path) -> None:
    before = law(tmp_path, SOUND).block(1, SAMPLE, 0)
    after = law(tmp_path, SOUND.replace("2", "2 ").replace("x[:, 0]", "x[:, 1]"))
    assert np.array_equal(before.x[:, 1].astype(float), after.block(1, SAMPLE, 0).y.astype("f4"))
