"""NVIDIA's run-time compiler, called without a driver, and what it says of the kernels."""

import ctypes
import re
from functools import cache
from importlib import metadata
from typing import Any, NamedTuple

import pytest

from meanfield.sgd.cuda_kernels import Variant

WHEELS = ("nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc")
"""Of CUDA 12, which the locks have, and of the versions after it; either will do."""
OF_CUPY = ("-ftz=true", "--device-as-default-execution-space")
"""Options that CuPy adds to those of a kernel."""


class Resources(NamedTuple):
    """What a kernel takes: registers, and bytes of local memory, spills and shared memory."""

    registers: int
    stack: int
    spilled: int
    shared: int


def _files(start: str) -> list[str]:
    """Return the files of the first wheel that is installed whose names start so."""
    for wheel in WHEELS:
        try:
            files = metadata.files(wheel) or []
        except metadata.PackageNotFoundError:
            continue
        return [str(file.locate()) for file in files if file.name.startswith(start)]
    return []


needs_nvrtc = pytest.mark.skipif(
    not _files("libnvrtc.so"), reason=f"none of {', '.join(WHEELS)} is installed"
)


@cache
def _nvrtc() -> ctypes.CDLL:
    # NVRTC asks for these by name alone, and finds them where they are loaded already.
    for file in _files("libnvrtc-builtins.so"):
        ctypes.CDLL(file)
    (library,) = _files("libnvrtc.so")
    return ctypes.CDLL(library)


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
