import logging
from typing import Any

import numpy as np
import pytest

from cuda_host import DeadlockError, HostDevice
from cuda_runs import (
    CASES,
    FORMS,
    SEEDS,
    UNBOUNDED,
    arguments_of,
    choose_form,
    run_cuda,
    run_reference,
    thetas,
)
from meanfield.activations import GELU
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Ridge
from meanfield.schedules import Constant
from meanfield.sgd import cuda, cuda_blocked, cuda_job, cuda_resident, reference
from meanfield.sgd.reference import Divergence
from sgd_runs import STEP

# Each compiles kernels of its own: every form meets every feature, not every combination.
CHECKED = [
    *(("resident", name) for name in CASES),
    *(("registers", name) for name in list(CASES)[:2] + list(CASES)[-1:]),
    *(("memory", name) for name in list(CASES)[1:4]),
]
RIDGE, ANISOTROPIC = CASES["ridge"], CASES["perceptron, decay, anisotropic"]
NOISY = CASES["perceptron, noise, decay"]
PATHS = [("resident", RIDGE), ("resident", NOISY), ("registers", ANISOTROPIC), ("memory", NOISY)]


@pytest.mark.parametrize(("form", "name"), CHECKED)
def test_the_iterates_are_those_of_the_reference(monkeypatch, device, form, name):
    choose_form(monkeypatch, form)
    found, means = run_cuda(CASES[name], device=device)
    expected, expected_means = run_reference(CASES[name])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(means, expected_means, rtol=1e-6)
    assert np.abs(expected[-1] - expected[0]).max() > 1e-3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CASES)
def test_nothing_beyond_an_array_is_reached(monkeypatch, name, form):
    """Which `HostDevice` reports: at the ends of blocks, and beside them."""
    choose_form(monkeypatch, form)
    steps = (0, 1, 7, 32, 33, 61, 100)
    for neurons in (90, 33, 1):
        found, _ = run_cuda(CASES[name], neurons=neurons, snapshot_steps=steps)
        assert found.shape[:3] == (len(steps), len(SEEDS), neurons)
        assert np.all(np.isfinite(found))


@pytest.mark.parametrize("form", ["resident", "registers"])
def test_replicas_may_be_points_of_a_sweep(monkeypatch, device, form):
    choose_form(monkeypatch, form)
    laws = [IsotropicGaussians(9, delta) for delta in (0.2, 0.8, 0.5)]
    sweep: dict[str, Any] = {"law": laws, "step_size": [2e-4, 1e-4, 2e-4], "seeds": (5, 5, 7)}
    found, means = run_cuda(RIDGE, device=device, **sweep)
    expected, expected_means = run_reference(RIDGE, **sweep)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(means, expected_means, rtol=1e-6)
    # Nor does it matter who else runs.
    alone, _ = run_cuda(RIDGE, device=device, law=laws[1], step_size=1e-4, seeds=(1, 5, 2))
    assert np.array_equal(alone[-1, 1], found[-1, 1])


@pytest.mark.parametrize(("form", "case"), PATHS)
def test_nothing_but_the_arguments_changes_bits(monkeypatch, form, case):
    choose_form(monkeypatch, form)
    whole, means = run_cuda(case)
    often, _ = run_cuda(case, snapshot_steps=(1, 7, 16, 31, 32, 33, 61))
    assert np.array_equal(whole[1:], often[[1, 6]])
    monkeypatch.setattr(cuda_resident, "_LAUNCH", 7)
    monkeypatch.setattr(cuda_blocked, "_WINDOW", 32)
    monkeypatch.setattr(cuda_resident, "_SAMPLE_BYTES", 1)
    each = cuda._needed(job_of(case), 1)
    for device in (HostDevice(order=2), HostDevice(free=int(each / 0.9) + 2)):
        pieces, means_of_pieces = run_cuda(case, device=device)
        assert np.array_equal(whole, pieces)
        assert np.allclose(means, means_of_pieces, rtol=1e-15, equal_nan=True)


def job_of(case, neurons=90):
    theta = np.zeros((len(SEEDS), neurons, case["neuron"].parameters(case["law"].dimension)))
    return cuda_job.checked_job(
        theta, case["neuron"], case["law"], Constant(), 1.0, case.get("decay", 0.0),
        case.get("inverse_temperature", np.inf), (1,), SEEDS, "float32",
    )[2]  # fmt: skip


@pytest.mark.parametrize("steps", [(32,), (61,), (7, 200)])
def test_a_matrix_product_is_of_as_many_networks_as_run(monkeypatch, steps):
    """A library may choose the order of sums by the number, which nothing else is to change."""
    choose_form(monkeypatch, "memory")
    device = HostDevice()
    run_cuda(RIDGE, device=device, snapshot_steps=steps)
    assert {product.number for product in device.products} == {len(SEEDS)}
    assert len(set(device.products)) == 2


@pytest.mark.parametrize(("form", "case"), PATHS)
def test_a_run_continues_from_a_state(monkeypatch, device, form, case):
    choose_form(monkeypatch, form)
    monkeypatch.setattr(cuda_resident, "_LAUNCH", 8)
    monkeypatch.setattr(cuda_blocked, "_WINDOW", 32)
    states = []
    whole, means = run_cuda(case, device=device, pulse=lambda step, state: states.append(state()))
    assert [state.step for state in states][-1] == (32 if form == "registers" else 61)
    for state in states:
        rest, means_of_rest = run_cuda(case, device=device, start=state)
        assert np.array_equal(whole[state.recorded :], rest)
        assert np.array_equal(means[state.recorded :], means_of_rest, equal_nan=True)


def test_what_is_given_is_left_alone():
    theta = np.ones((2, 90, 9), np.float32)

    def spoil(step, weights, means, outputs):
        weights[:] = np.nan

    arguments = RIDGE | {"schedule": Constant(), "step_size": 1e-4}
    last = cuda.run(
        theta, snapshot_steps=(0, 7, 61), seeds=SEEDS, record=spoil, device=HostDevice(),
        **arguments,
    )  # fmt: skip
    assert np.all(theta == 1)
    assert np.all(np.isfinite(last))


@pytest.mark.parametrize("form", FORMS)
def test_divergence_is_reported_at_the_step_of_the_reference(monkeypatch, device, form):
    choose_form(monkeypatch, form)
    huge: dict[str, Any] = {"neuron": UNBOUNDED, "law": IsotropicGaussians(9, 0.8)}
    errors = []
    for index, seed in enumerate((5, 6)):
        with pytest.raises(Divergence) as caught, np.errstate(all="ignore"):
            run_single_precision(huge, seed, index)
        errors.append((caught.value.step, str(caught.value)))
    with pytest.raises(Divergence) as caught, np.errstate(all="ignore"):
        run_cuda(huge, device=device, seeds=(5, 6), step_size=1.0, snapshot_steps=(10_000,))
    assert str(caught.value) == min(errors)[1]
    assert caught.value.replica == errors.index(min(errors))


def run_single_precision(case, seed, index):
    arguments = arguments_of(case) | {"step_size": 1.0, "snapshot_steps": (10_000,)}
    theta = thetas(case["neuron"], case["law"], 90, SEEDS)[index]
    reference.run(theta, seed=seed, precision="float32", record=lambda *a: None, **arguments)


def test_memory_is_reckoned_before_it_is_taken(caplog):
    each, both = (cuda._needed(job_of(RIDGE), replicas) for replicas in (1, 2))
    with pytest.raises(MemoryError, match=rf"needs {each} bytes on the GPU, {each} are free"):
        run_cuda(RIDGE, device=HostDevice(free=each))
    with caplog.at_level(logging.INFO, "meanfield"):
        run_cuda(RIDGE, device=HostDevice(free=int(each / 0.9) + 2))
    assert f"2 replicas need {both} bytes" in caplog.text
    assert "batches of 1" in caplog.text


def test_exhausted_memory_is_reported():
    class Exhausted(HostDevice):
        def compile(self, variant):
            raise MemoryError("as the allocator says")

    with pytest.raises(MemoryError, match=r"bytes for a replica .*as the allocator says"):
        run_cuda(RIDGE, device=Exhausted())


class Rounding(HostDevice):
    """A device that rounds the factors of its products from one of them on, as tensor cores do."""

    def __init__(self, product: int) -> None:
        super().__init__()
        self.product = product

    def multiply(self, product, left, right, out, **starts):
        if len(self.products) >= self.product:
            left, right = to_tf32(left), to_tf32(right)
        super().multiply(product, left, right, out, **starts)


def to_tf32(array):
    kept = np.uint32(0xFFFFFFFF << 13 & 0xFFFFFFFF)
    return ((array.view(np.uint32) + np.uint32(1 << 12)) & kept).view(np.float32)


@pytest.mark.parametrize("form", ["registers", "memory"])
@pytest.mark.parametrize("product", [0, 1])
def test_products_in_tf32_are_refused(monkeypatch, product, form):
    """A library that rounds the factors of both of the two products, or of the second."""
    choose_form(monkeypatch, form)
    assert to_tf32(np.ones(1, np.float32) + np.float32(2.0**-12))[0] == 1
    with pytest.raises(RuntimeError, match=r"do not keep the bits.* unset NVIDIA_TF32_OVERRIDE"):
        run_cuda(RIDGE, device=Rounding(product))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "float64"}, "precision must be 'float32', got 'float64'"),
        ({"neuron": Ridge(GELU())}, "piecewise linear, tanh or erf, got GELU"),
        ({"step_size": [1e-4]}, "got 2 and 1"),
        ({"law": [IsotropicGaussians(9, 0.5)]}, "got 1 and 2"),
        ({"law": [IsotropicGaussians(9, 0.5), CASES["perceptron, decay, anisotropic"]["law"]]},
         "must have shape"),
        ({"step_size": [1e-4, -1.0]}, "step_size must be positive"),
        ({"snapshot_steps": (3, 2)}, "increasing"),
    ],
)  # fmt: skip
def test_arguments_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        run_cuda(RIDGE, **changes)


def test_a_replica_needs_its_parameters():
    with pytest.raises(ValueError, match=r"a replica for each of 2 seeds.*got \(2, 9\)"):
        cuda.run(
            np.ones((2, 9)), neuron=Ridge(STEP), law=IsotropicGaussians(9, 0.5), seeds=(1, 2),
            schedule=Constant(), step_size=1.0, snapshot_steps=(1,), record=print,
            device=HostDevice(),
        )  # fmt: skip


# What the kernels rely on, taken away: the form of the kernels, their text, what becomes of it.
SUM = "    __syncthreads();\n    float total"
MUTATIONS = {
    "no barrier in a sum": ("resident", SUM, "    float total"),
    "not all meet": ("resident", SUM, f"    if (threadIdx.x != 3)\n{SUM}"),
    "one buffer for two sums": ("resident", "partials[parity]", "partials[0]"),
    "samples are not awaited": (
        "resident",
        "    __syncthreads();\n\n    double sum_of_squares = 0.0;\n    float gamma",
        "    double sum_of_squares = 0.0;\n    float gamma",
    ),
    "a batch is overwritten early": (
        "resident",
        "step % BATCH == 0 && step > start && k + BATCH < count)\n"
        "            fill(&batches[(step / BATCH + 1) % 2], step + BATCH, source);",
        "(step + 1) % BATCH == 0 && step > start)\n"
        "            fill(&batches[step / BATCH % 2], step + 1 + BATCH, source);",
    ),
    "factors are not awaited": (
        "registers", "    __syncthreads();\n\n    double", "    double"
    ),
    "factors of the memory are not awaited": (
        "memory", "    __syncthreads();\n\n    double", "    double"
    ),
    "samples to be multiplied are not awaited": (
        "registers", "        __syncthreads();\n#pragma unroll 8", "#pragma unroll 8"
    ),
}  # fmt: skip


class Mutant(HostDevice):
    """A device whose kernels have a fault."""

    def __init__(self, fault: list[str], order: int) -> None:
        super().__init__(order)
        self.fault, self.found = fault, False

    def compile(self, variant):
        source = variant.source()
        self.found |= self.fault[0] in source
        return self.build(source.replace(*self.fault), variant)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_missing_barrier_is_caught(monkeypatch, name):
    form, *fault = MUTATIONS[name]
    choose_form(monkeypatch, form)
    right, _ = run_cuda(RIDGE)
    found: list[Any] = []
    for order in range(1, 5):
        device = Mutant(fault, order)
        try:
            with np.errstate(all="ignore"):
                found.append(run_cuda(RIDGE, device=device)[0])
        except (Divergence, DeadlockError) as error:
            found.append(error)
        assert device.found
    # By chance an order may be the right one.
    assert not all(isinstance(each, np.ndarray) and np.array_equal(each, right) for each in found)
