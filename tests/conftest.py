"""What holds for all tests: settings, and the backends that the same test is run on."""

import importlib
from types import ModuleType

import pytest
from hypothesis import settings

from cuda_host import HostDevice
from meanfield.arrays import GpuError, choose_backend
from meanfield.sgd.cuda_device import CupyDevice, Device

# No test is timed: on a busy machine an example takes as long as it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

CUPY = pytest.param("cupy", marks=pytest.mark.gpu)


@pytest.fixture(params=["array_api_strict", "torch", CUPY])
def xp(request: pytest.FixtureRequest) -> ModuleType:
    """Return an array namespace that is not NumPy."""
    if request.param == "cupy":
        return usable_gpu()
    if request.param == "array_api_strict":
        return importlib.import_module(request.param)
    module: ModuleType = pytest.importorskip(request.param)
    return module


@pytest.fixture(params=["host", CUPY])
def device(request: pytest.FixtureRequest) -> Device:
    """Return what runs the CUDA kernels: the CPU by way of a shim, or a GPU."""
    if request.param == "host":
        return HostDevice()
    usable_gpu()
    return CupyDevice()


def usable_gpu() -> ModuleType:
    """Return CuPy if a GPU can be used; else skip the test, and say why none can."""
    try:
        return choose_backend("cupy").xp
    except GpuError as error:
        pytest.skip(str(error))
