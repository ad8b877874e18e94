"""A stand-in for CuPy, as far as it is asked whether a GPU can be used, and for its memory."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

ADDRESS = "0000:65:00.0"
MEMORY = 10_000


class Pool:
    """A pool whose arrays take 700 bytes, and which has kept 300 of others."""

    used, kept = 700, 300

    def free_all_blocks(self) -> None:
        self.kept = 0

    def used_bytes(self) -> int:
        return self.used


def fake_cupy(broken: str = "") -> Any:
    """Return a stand-in for CuPy that works up to a point."""

    def unless(stage: str, value: Any) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if broken == stage:
                raise RuntimeError(f"{stage} is broken\nand much more")
            return value

        return call

    def kernel(source: str, name: str) -> Callable[..., None]:
        assert f"void {name}(" in source
        if broken == "compile":
            raise RuntimeError("compile is broken")

        def launch(grid: Any, block: tuple[int], arguments: tuple[Any]) -> None:
            if broken != "wrong":
                arguments[0][:] = 0.5 * np.arange(block[0])

        return launch

    class Array(np.ndarray[Any, Any]):
        """What the elementwise kernel and the matrix product are tried on."""

        def __add__(self, other: Any) -> Any:
            if broken == "elementwise":
                raise RuntimeError("elementwise is broken")
            return np.asarray(self) + (0 if broken == "wrong sum" else other)

        def __matmul__(self, other: Any) -> Any:
            if broken == "cuBLAS":
                raise ImportError("libcublas.so.12: cannot open\nand much more")
            return np.asarray(self) @ (0 * other if broken == "wrong product" else other)

    properties = {"name": b"Toy", "major": 9, "minor": 0}
    runtime = SimpleNamespace(
        driverGetVersion=unless("driver fails", 0 if broken == "no driver" else 12080),
        getDeviceCount=unless("no device", 0 if broken == "none visible" else 1),
        getDevice=unless("no answer", 0),
        getDeviceProperties=lambda number: properties,
        deviceGetPCIBusId=lambda number: ADDRESS,
    )
    nvrtc, pool = SimpleNamespace(getVersion=unless("nvrtc", (12, 9))), Pool()

    def device() -> Any:
        return SimpleNamespace(mem_info=(MEMORY - pool.used - pool.kept, MEMORY))

    return SimpleNamespace(
        __version__="14.2.0",
        cuda=SimpleNamespace(runtime=runtime, nvrtc=nvrtc, Device=device),
        get_default_memory_pool=lambda: pool,
        RawKernel=kernel,
        zeros=np.zeros,
        ones=lambda shape, dtype: np.ones(shape, dtype).view(Array),
        float32=np.float32,
        asnumpy=np.asarray,
    )
