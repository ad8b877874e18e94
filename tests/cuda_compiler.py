"""NVIDIA's run-time compiler, called without a driver, and what it says of the kernels."""

import ctypes
import re
from functools import cache
from importlib import metadata
from typing import Any, NamedTuple

import pytest

from meanfield.sgd.cuda_kernels import Variant

_WHEEL = "nvidia-cuda-nvrtc-cu12"
OF_CUPY = ("-ftz=true", "--device-as-default-execution-space")
"""Options that CuPy adds to those of a kernel."""


class Resources(NamedTuple):
    """What a kernel takes: registers, and bytes of local memory, spills and shared memory."""

    registers: int
    stack: int
    spilled: int
    shared: int


def _library() -> str | None:
    try:
        files = metadata.files(_WHEEL) or []
    except metadata.PackageNotFoundError:
        return None
    found = [str(file.locate()) for file in files if file.name.startswith("libnvrtc.so")]
    return found[0] if found else None


needs_nvrtc = pytest.mark.skipif(_library() is None, reason=f"{_WHEEL} is not installed")


@cache
def _nvrtc() -> ctypes.CDLL:
    return ctypes.CDLL(str(_library()))


def compile_for(variant: Variant, architecture: str) -> dict[str, Resources]:
    """Compile for an architecture; return what each kernel of the text takes."""
    nvrtc, program = _nvrtc(), ctypes.c_void_p()
    source = variant.source().encode()
    options = [f"-arch={architecture}", "--ptxas-options=-v", *variant.options(), *OF_CUPY]
    given: Any = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"k.cu", 0, None, None) == 0
    code = nvrtc.nvrtcCompileProgram(program, len(options), given)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, buffer)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    log = buffer.value.decode()
    assert code == 0, log
    assert "warning" not in log, log
    return {name: _resources(text) for name, text in _sections(log)}


def _sections(log: str) -> list[tuple[str, str]]:
    parts = re.split(r"Compiling entry function '(\w+)'", log)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def _resources(text: str) -> Resources:
    def number(pattern: str) -> int:
        found = re.search(pattern, text)
        assert found, f"no {pattern!r} in {text!r}"
        return int(found[1])

    shared = re.search(r"(\d+) bytes smem", text)
    return Resources(
        number(r"Used (\d+) registers"),
        number(r"(\d+) bytes stack frame"),
        number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
        int(shared[1]) if shared else 0,
    )
