"""The arguments of a CUDA kernel, as its text declares them."""

import re
from typing import Any, NamedTuple

import numpy as np

_DTYPES = {
    "float": np.float32, "double": np.float64, "int": np.int32, "unsigned": np.uint32,
    "u32": np.uint32, "long long": np.int64, "u64": np.uint64,
}  # fmt: skip


class Parameter(NamedTuple):
    """An argument of a kernel: its name, the type of its numbers, whether it points to them."""

    name: str
    dtype: Any
    pointer: bool


def parameters(source: str, function: str) -> list[Parameter]:
    """Return what a kernel in a text takes.

    Raises:
        ValueError: there is no such kernel, or a type is not known.
    """
    text = re.sub(r"//[^\n]*", "", source)
    head = r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?"
    found = re.search(rf"{head}{function}\s*\(([^)]*)\)", text)
    if found is None:
        raise ValueError(f"there is no kernel {function}")
    return [_parameter(each.strip()) for each in found[1].split(",")]


def _parameter(declaration: str) -> Parameter:
    match = re.fullmatch(r"(?:const\s+)?([\w\s]+?)\s*(\*?)\s*(\w+)", declaration)
    if match is None or match[1] not in _DTYPES:
        raise ValueError(f"not the argument of a kernel: {declaration!r}")
    return Parameter(match[3], np.dtype(_DTYPES[match[1]]), match[2] == "*")


def check(expected: list[Parameter], given: tuple[Any, ...]) -> None:
    """Raise unless arguments are what a kernel takes: a GPU would read something else.

    Raises:
        TypeError: there are too many or too few, or one has another type.
    """
    if len(given) != len(expected):
        raise TypeError(f"the kernel takes {len(expected)} arguments, got {len(given)}")
    for parameter, value in zip(expected, given, strict=True):
        kind = np.ndarray if parameter.pointer else np.generic
        if not isinstance(value, kind) or value.dtype != parameter.dtype:
            got = getattr(value, "dtype", type(value).__name__)
            raise TypeError(
                f"{parameter.name} is {'an array of ' * parameter.pointer}{parameter.dtype}, got "
                f"{'an array of ' * isinstance(value, np.ndarray)}{got}"
            )
