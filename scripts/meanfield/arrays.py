"""Where arrays live and what computes on them: the CPU, or an NVIDIA GPU through CuPy.

A GPU counts as usable only when small kernels of all kinds in use (from source, elementwise, a
product of matrices) have run, and their results were read back: CuPy can be imported where there is
no driver, and a driver be there without a compiler or cuBLAS. That is found out when a job asks for
it, never at import.
"""

import dataclasses
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from meanfield.host import to_host
from meanfield.provenance import cpu_device

CHOICES = ("auto", "cpu", "cupy")
"""Values of the setting `backend`."""

Value = TypeVar("Value")

_PROBE = r"""
extern "C" __global__ void probe(float* out) { out[threadIdx.x] = 0.5f * threadIdx.x; }
"""
_PROBE_THREADS = 64
_PROBE_SIZE = 32

_INSTALL = "install envs/gpu.lock (pip install -r envs/gpu.lock)"
_DRIVER = "install or update NVIDIA's driver, until nvidia-smi lists a device"


class Backend(NamedTuple):
    """What computes.

    Args:
        name: "cpu" or "cupy".
        xp: the array namespace, NumPy or CuPy.
        device: the device in words, for logs and results.
    """

    name: Literal["cpu", "cupy"]
    xp: ModuleType
    device: str


class GpuError(RuntimeError):
    """No GPU can be used.

    Attributes:
        missing: "CuPy", "driver", "device", "NVRTC", "kernel" or "cuBLAS": the first that is
            missing or does not work.
        reason: what was seen.
        remedy: what to do about it.
    """

    def __init__(self, missing: str, reason: str, remedy: str) -> None:
        self.missing, self.reason, self.remedy = missing, reason, remedy
        super().__init__(f"no GPU can be used: {reason}; {remedy}, or set backend: auto or cpu")


def choose_backend(
    setting: str,
    say: Callable[[str], None] = lambda text: None,
    *,
    against: str = "",
    claim: Callable[[str], None] = lambda address: None,
) -> Backend:
    """Return what is to compute, once it is known to work.

    Args:
        setting: "cpu"; "cupy", an NVIDIA GPU or an error; or "auto", the GPU if one can be used.
        say: told which device was chosen, and with "auto" why it is not a GPU.
        against: why "auto" is not to look for a GPU at all; empty if it is.
        claim: called with the PCI address of a GPU before anything is run on it.

    Raises:
        ValueError: the setting is none of these.
        GpuError: the setting is "cupy" and no GPU can be used.
    """
    if setting not in CHOICES:
        raise ValueError(f"backend must be one of {', '.join(CHOICES)}, got {setting!r}")
    why = f" ({against})" if setting == "auto" and against else ""
    if setting == "cupy" or (setting == "auto" and not against):
        try:
            backend = _gpu(claim)
        except GpuError as error:
            if setting == "cupy":
                raise
            why = f" (no GPU can be used: {error.reason})"
        else:
            say(f"backend cupy on {backend.device}")
            return backend
    backend = Backend("cpu", np, cpu_device())
    say(f"backend cpu on {backend.device}{why}")
    return backend


def to_backend(value: Value, backend: Backend) -> Value:
    """Return a problem, measure, table or array with all of its NumPy arrays moved to a device.

    Data classes and tuples are rebuilt around the arrays that they hold, at any depth; what
    holds none is returned as it is, so that functions of NumPy alone stay on the host. What occurs
    more than once, as a table that problems share, is moved once and still shared.
    """
    return value if backend.name == "cpu" else _moved(value, backend.xp, {})


def from_backend(value: Value) -> Value:
    """Return an array, or a named tuple of arrays and numbers, with all arrays in NumPy."""
    if isinstance(value, tuple) and hasattr(value, "_make"):
        made: Any = type(value)
        return made._make(from_backend(part) for part in value)
    # An array of any namespace says so by its shape; numbers have none.
    found: Any = to_host(value) if hasattr(value, "shape") else value
    return found


def _moved(value: Any, xp: ModuleType, done: dict[int, Any]) -> Any:
    """Return a value with its arrays on a device.

    Args:
        value: the value.
        xp: namespace of the device.
        done: what was moved before, by the identity of the original.
    """
    if id(value) not in done:
        done[id(value)] = _copied(value, xp, done)
    return done[id(value)]


def _copied(value: Any, xp: ModuleType, done: dict[int, Any]) -> Any:
    if isinstance(value, np.ndarray):
        return xp.asarray(np.asarray(value, order="C"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        moved = {name: _moved(part, xp, done) for name, part in parts.items()}
        if all(moved[name] is part for name, part in parts.items()):
            return value
        return dataclasses.replace(value, **moved)
    if isinstance(value, tuple):
        moved_parts = [_moved(part, xp, done) for part in value]
        if all(new is old for new, old in zip(moved_parts, value, strict=True)):
            return value
        made: Any = type(value)
        return made._make(moved_parts) if hasattr(value, "_make") else made(moved_parts)
    return value


def _gpu(claim: Callable[[str], None]) -> Backend:
    """Return the GPU, once a kernel has run on it and was read back.

    Args:
        claim: called with its PCI address before that.

    Raises:
        GpuError: something that this takes is missing.
    """
    try:
        cupy: Any = importlib.import_module("cupy")
    except Exception as error:  # a broken installation fails in ways of its own
        raise GpuError("CuPy", f"CuPy cannot be imported ({_brief(error)})", _INSTALL) from error
    runtime = cupy.cuda.runtime
    try:
        driver = int(runtime.driverGetVersion())
    except Exception as error:
        raise GpuError("driver", f"NVIDIA's driver fails ({_brief(error)})", _DRIVER) from error
    if driver == 0:  # so says CUDA where there is none
        raise GpuError("driver", "there is no NVIDIA driver", _DRIVER)
    try:
        count = int(runtime.getDeviceCount())
    except Exception as error:
        reason = f"the driver, for CUDA {_version(driver)}, shows no device ({_brief(error)})"
        raise GpuError("device", reason, _DRIVER) from error
    if count == 0:
        raise GpuError(
            "device", "the driver shows no device", "look at nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        reason = f"NVRTC, CUDA's compiler, cannot be loaded ({_brief(error)})"
        raise GpuError("NVRTC", reason, _INSTALL) from error
    try:
        device, address = _describe(cupy, driver)
    except Exception as error:
        raise GpuError("device", f"the device fails ({_brief(error)})", _DRIVER) from error
    claim(address)
    for missing, what, run, expected in _PROBES:
        try:
            found = run(cupy)
        except Exception as error:
            reason = f"{what} did not compile or run ({_brief(error)})"
            remedy = f"{_INSTALL}, or see whether another program holds the GPU"
            raise GpuError(missing, reason, remedy) from error
        if not np.array_equal(found, expected):
            raise GpuError(missing, f"{what} gave wrong numbers", "look at nvidia-smi -q")
    return Backend("cupy", cupy, device)


def _from_source(cupy: Any) -> Any:
    out = cupy.zeros(_PROBE_THREADS, dtype=cupy.float32)
    cupy.RawKernel(_PROBE, "probe")((1,), (_PROBE_THREADS,), (out,))
    return cupy.asnumpy(out)


def _elementwise(cupy: Any) -> Any:
    return cupy.asnumpy(cupy.ones((_PROBE_SIZE, _PROBE_SIZE), dtype=cupy.float32) + 1)


def _product(cupy: Any) -> Any:
    ones = cupy.ones((_PROBE_SIZE, _PROBE_SIZE), dtype=cupy.float32)
    return cupy.asnumpy(ones @ ones)


_PROBES: tuple[tuple[str, str, Callable[[Any], Any], Any], ...] = (
    ("kernel", "a test kernel", _from_source, 0.5 * np.arange(_PROBE_THREADS)),
    ("kernel", "an elementwise test kernel", _elementwise, np.full((_PROBE_SIZE,) * 2, 2.0)),
    # Whole numbers: exact in TF32 too, which is not a reason against a GPU here.
    ("cuBLAS", "a test product of matrices", _product, np.full((_PROBE_SIZE,) * 2, _PROBE_SIZE)),
)
"""What is missing if it fails, its name, what runs it, and the result; the numbers are exact."""


def _describe(cupy: Any, driver: int) -> tuple[str, str]:
    """Return the current device in words, and its PCI address."""
    runtime = cupy.cuda.runtime
    number = int(runtime.getDevice())
    properties = runtime.getDeviceProperties(number)
    name = properties["name"]
    name = name.decode() if isinstance(name, bytes) else str(name)
    capability = f"{properties['major']}.{properties['minor']}"
    words = (
        f"GPU {name}, compute capability {capability}, driver for CUDA {_version(driver)}, "
        f"CuPy {cupy.__version__}"
    )
    return words, str(runtime.deviceGetPCIBusId(number))


def _version(number: int) -> str:
    """Return CUDA's 12080 as 12.8."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _brief(error: Exception) -> str:
    """Return the first line of an error: CuPy's go on for a screen."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip(' =*')}" if lines else type(error).__name__
