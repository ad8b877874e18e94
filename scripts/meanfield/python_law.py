"""A user's own data law: a Python function in a file of the user's."""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

BLOCK = 1024
"""Samples that the function is asked for at a time: block b holds steps 1024 b ... 1024 b + 1023.

Fixed, so that every step can be drawn again and a sample does not depend on where a run is cut; it
is part of every result.
"""


class Block(NamedTuple):
    """Inputs x float32 (BLOCK, d) and labels y float64 (BLOCK,)."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float64]


@dataclass(frozen=True)
class PythonLaw:
    """A law given as a function draw(generator, count) -> (x, y) that draws from it.

    The function gets a NumPy generator and a number of samples n, and returns inputs (n, d) and
    labels (n,). All its randomness must come from the generator. It is called for blocks of 1024
    samples, each with a generator keyed by (seed, stream, block), by several threads at once: it
    must not write to what they share. Modules beside the file can be imported.

    Args:
        file: the Python file, relative to the working folder.
        function: name of the function in it.
        dimension: d.

    Raises:
        ValueError: if the dimension is out of range, or the file has no such function or cannot be
            run.
    """

    file: str
    function: str
    dimension: int

    def __post_init__(self) -> None:
        if self.dimension != int(self.dimension) or self.dimension < 1:
            raise ValueError(f"dimension must be a whole number >= 1, got {self.dimension!r}")
        self._draw  # noqa: B018 (a file that cannot be used is told now)

    @property
    def where(self) -> str:
        """The function as messages name it."""
        return f"{self.file}: {self.function}(generator, count)"

    def block(self, seed: int, stream: int, number: int) -> Block:
        """Draw one block of samples.

        Args:
            seed: integer in [0, 2^64).
            stream: the stream that the samples belong to, below 256.
            number: number of the block, in [0, 2^53).

        Returns:
            The samples of steps BLOCK * number ... BLOCK * (number + 1) - 1.

        Raises:
            ValueError: the seed is out of range, or what the function returns is not BLOCK inputs
                and labels, finite in float32.
        """
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed must be an integer in [0, 2^64), got {seed!r}")
        key = np.array([seed, stream + 256 * number], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key))
        try:
            drawn = self._draw(generator, BLOCK)
        except Exception as error:
            raise ValueError(
                f"{self.where}: failed with {type(error).__name__}: {error}"
            ) from error
        if not isinstance(drawn, tuple) or len(drawn) != 2:
            raise ValueError(
                f"{self.where}: got a {type(drawn).__name__}; expected a pair (x, y) of arrays"
            )
        return Block(
            self._checked("x", drawn[0], (BLOCK, self.dimension), np.float32),
            self._checked("y", drawn[1], (BLOCK,), np.float64),
        )

    def _checked(self, name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        try:
            with np.errstate(over="ignore"):
                array = np.asarray(value).astype(dtype, casting="same_kind")
                finite = bool(np.isfinite(array.astype(np.float32)).all())
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.where}: {name} is not an array of numbers: {error}") from None
        if array.shape != shape:
            raise ValueError(
                f"{self.where}: got {name} of shape {array.shape}; expected {shape} for "
                f"count = {BLOCK}, dimension = {self.dimension}"
            )
        if not finite:
            place = [int(i) for i in np.argwhere(~np.isfinite(array.astype(np.float32)))[0]]
            raise ValueError(
                f"{self.where}: {name}{place} is {np.asarray(value)[tuple(place)]!r}; expected "
                "numbers finite in float32"
            )
        return array

    @cached_property
    def _draw(self) -> Any:
        module = _load(self.file)
        function = getattr(module, self.function, None)
        if not callable(function):
            raise ValueError(f"{self.file}: no function {self.function!r} there")
        return function


def _load(file: str) -> ModuleType:
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"{file}: no such file; expected the Python file of a data law")
    # As Python does for a script: modules beside it can be imported, there or in the function, and
    # the file is a module, where dataclasses look for it; under a name that hides no other.
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = ModuleType(f"law:{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        # Compiled here: the import system would look for the file's stale byte code first.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except Exception as error:
        raise ValueError(f"{file}: cannot be run: {type(error).__name__}: {error}") from error
    return module
