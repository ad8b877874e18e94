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

LONGEST = ["test_workflow.py", "test_engine.py", "test_portability.py", "test_workflow_input.py"]
"""Begun first: a worker takes whole files, and none is to be left with one of these at the end."""

CUPY = pytest.param("cupy", marks=pytest.mark.gpu)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first, in their order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


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
