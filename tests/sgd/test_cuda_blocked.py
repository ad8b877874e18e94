"""The parts of blocked SGD on a GPU: products of samples, memory, and the limits of a launch."""

import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cuda_host import GRID_LIMITS, HostDevice
from cuda_runs import CASES, arguments_of, choose_form, run_cuda, thetas
from meanfield.activations import Tanh
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Ridge
from meanfield.schedules import Constant
from meanfield.sgd import cuda, cuda_blocked, cuda_job, cuda_resident
from meanfield.sgd.cuda_job import make_job
from meanfield.sgd.cuda_kernels import Kind, gram
from meanfield.sgd.microkernels import BLOCK


def kind(dimension, weighted=False):
    return Kind(Tanh(), weighted, dimension, decaying=False, noisy=False, drawn=True)


def products_of(device, x, source=None):
    blocks, replicas, block, parameters = x.shape
    variant = gram(kind(parameters), block)
    launch = device.compile(variant) if source is None else device.build(source, variant)
    out = device.xp.full((blocks, replicas, block, block), np.nan, dtype=np.float32)
    launch((blocks * replicas, 1), (out, device.xp.asarray(x)))
    return device.to_host(out)


@pytest.mark.parametrize(("block", "parameters"), [(BLOCK, 1), (BLOCK, 70), (1, 33)])
def test_samples_are_multiplied_with_one_another(device, block, parameters):
    """Whole numbers: every order of the sums gives the same."""
    x = np.random.default_rng(3).integers(-9, 10, (3, 2, block, parameters)).astype(np.float32)
    found = products_of(device, x)
    assert np.array_equal(found, np.matmul(x, np.swapaxes(x, 2, 3)))


def test_a_product_does_not_depend_on_the_others(device):
    x = np.random.default_rng(4).normal(size=(3, 2, BLOCK, 40)).astype(np.float32)
    found = products_of(device, x)
    assert np.array_equal(found[1:2, 1:], products_of(device, x[1:2, 1:].copy()))
    exact = np.matmul(x.astype(float), np.swapaxes(x, 2, 3).astype(float))
    # 40 roundings of sums below sum |x_j x'_j|.
    bound = 40 * 2.0**-24 * np.matmul(np.abs(x), np.swapaxes(np.abs(x), 2, 3))
    assert np.all(np.abs(found - exact) <= bound)


@pytest.mark.parametrize(
    "fault", ["        __syncthreads();\n#pragma", "        __syncthreads();\n    }"]
)
def test_samples_are_awaited(fault):
    x = np.random.default_rng(5).integers(-9, 10, (1, 1, BLOCK, 70)).astype(np.float32)
    source = gram(kind(70), BLOCK).source()
    assert fault in source
    source = source.replace(fault, fault.replace("        __syncthreads();\n", ""))
    right = np.matmul(x, np.swapaxes(x, 2, 3))
    found = [products_of(HostDevice(order), x, source) for order in range(1, 5)]
    assert not all(np.array_equal(each, right) for each in found)


class Counted(np.ndarray):
    """An array that says how many bytes it has, and when they are free again."""

    now = most = 0

    def __array_finalize__(self, other: Any) -> None:
        if self.base is None and self.nbytes:
            Counted.now += self.nbytes
            Counted.most = max(Counted.most, Counted.now)
            weakref.finalize(self, Counted.free, self.nbytes)

    @staticmethod
    def free(size: int) -> None:
        Counted.now -= size


def counted(values: Any, dtype: Any = None) -> Any:
    found = np.asarray(values, dtype)
    made = Counted(found.shape, found.dtype)
    made[...] = found
    return made


def filled(shape: Any, value: Any, dtype: Any = float) -> Any:
    made = Counted(shape, np.dtype(dtype))
    made[...] = value
    return made


class Reckoning(HostDevice):
    """A device that counts the bytes of its arrays, and computes no more than two products."""

    xp = SimpleNamespace(
        array=counted, asarray=counted, full=filled,
        empty=lambda shape, dtype: Counted(shape, np.dtype(dtype)),
        zeros=lambda shape, dtype: filled(shape, 0, dtype),
    )  # fmt: skip

    def compile(self, variant):
        return lambda grid, arguments: None

    def multiply(self, product, left, right, out, **starts):
        if len(self.products) < 2:
            super().multiply(product, left, right, out, **starts)

    def to_host(self, array):
        return np.array(array)


@pytest.mark.parametrize("replicas", [1, 2, 5])
@pytest.mark.parametrize("form", ["resident", "registers"])
@pytest.mark.parametrize("name", CASES)
def test_the_memory_of_replicas_is_what_they_take(monkeypatch, form, name, replicas):
    choose_form(monkeypatch, form)
    monkeypatch.setattr(cuda_resident, "_LAUNCH", 256)
    monkeypatch.setattr(cuda_blocked, "_WINDOW", 256)
    for module in (cuda_resident, cuda_blocked):
        monkeypatch.setattr(module, "_SAMPLE_BYTES", 2**15)  # windows shrink with more replicas
    case = arguments_of(CASES[name])
    theta = thetas(case["neuron"], case["law"], 90, range(replicas)).astype(np.float32)
    sizes = [1e-4 * (1 + r // 2) for r in range(replicas)]
    given = case | {"step_size": sizes, "seeds": range(replicas), "snapshot_steps": (300, 319)}
    needed = [cuda._needed(job_of(given, replicas), count) for count in range(1, replicas + 1)]
    Counted.now = Counted.most = 0
    cuda.run(theta, record=lambda *a: None, device=Reckoning(), **given)
    # The block that a snapshot cuts short has the sizes of 31 steps, in 16 bytes each, not of 32.
    assert 0 <= needed[-1] - Counted.most <= 16 * len(set(sizes))
    assert Counted.now == 0
    if replicas == 5 and (form == "registers" or not job_of(given, replicas).kind.drawn):
        assert needed[-1] < 4 * needed[0]


def job_of(given, replicas):
    theta = np.zeros((replicas, 90, given["neuron"].parameters(given["law"].dimension)))
    return cuda_job.checked_job(
        theta, given["neuron"], given["law"], given["schedule"], given["step_size"],
        given.get("decay", 0.0), given.get("inverse_temperature", np.inf), (1,), given["seeds"],
        "float32",
    )[2]  # fmt: skip


@pytest.mark.parametrize("form", ["resident", "registers"])
def test_no_batch_is_split_without_need(monkeypatch, form):
    """The largest number that fits runs together, though more samples of fewer may not fit."""
    choose_form(monkeypatch, form)
    job = job_of_many(60)
    needed = [cuda._needed(job, count) for count in range(1, 61)]
    assert all(cuda._batch_size(job, int(each / 0.9) + 1) >= count + 1
               for count, each in enumerate(needed))  # fmt: skip
    for free in (needed[0] / 0.8, needed[15], needed[40], 2 * needed[-1]):
        size = cuda._batch_size(job, int(free))
        fits = [each <= 0.9 * int(free) for each in needed]
        assert fits[size - 1]
        assert not any(fits[size:])
    with pytest.raises(MemoryError, match=rf"a replica needs {needed[0]} bytes"):
        cuda._batch_size(job, needed[0])


def test_products_are_tried_once(monkeypatch):
    """Not for every batch and window, though each makes all else anew."""
    choose_form(monkeypatch, "registers")
    monkeypatch.setattr(cuda_blocked, "_WINDOW", 32)
    tried = []

    def check(blocked, *shapes):
        tried.append(shapes)
        check_products(blocked, *shapes)

    check_products = cuda_blocked.Blocked._check_products
    monkeypatch.setattr(cuda_blocked.Blocked, "_check_products", check)
    needed = cuda._needed(job_of(arguments_of(CASES["ridge"]) | {"seeds": range(3)}, 3), 1)
    device = HostDevice(free=int(needed / cuda._SHARE) + 2)
    run_cuda(CASES["ridge"], device=device, seeds=(1, 2, 3), snapshot_steps=(64, 100))
    assert len(tried) == 1
    assert {product.number for product in device.products} == {1}


def test_a_launch_has_no_more_replicas_than_a_grid_or_a_product_may(monkeypatch):
    row, column = GRID_LIMITS
    assert row == cuda_resident.MOST_TOGETHER
    many = column + 1
    for form, most in (("resident", many), ("registers", column)):
        choose_form(monkeypatch, form)
        assert cuda._batch_size(job_of_many(many), 2**50) == most


def job_of_many(replicas):
    return make_job(
        Ridge(Tanh()), 90, [IsotropicGaussians(9, 0.5)] * replicas, Constant(), [1e-4] * replicas,
        0.0, np.inf, range(replicas),
    )  # fmt: skip
