"""Networks evaluated by the CUDA kernel: the bits of the CPU, whatever else is on the device."""

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import plain_network
from cuda_host import DeadlockError, HostDevice
from cuda_runs import CASES, choose_form, run_cuda
from meanfield.activations import Erf, ReLU, Tanh
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from meanfield.schedules import Constant
from meanfield.sgd import cuda, prediction
from meanfield.sgd.cuda_job import make_job
from meanfield.sgd.cuda_network import Outputs, checked_inputs, needed_bytes
from meanfield.sgd.prediction import network
from sgd_runs import STEP

RIDGE = CASES["ridge"]
X = np.random.default_rng(1).standard_normal((33, 9)).astype(np.float32)
# Neurons, inputs and samples: less than a tile, a piece and a block; whole ones; and more.
SHAPES = ((33, 17, 129), (1, 1, 1), (64, 16, 128), (100, 40, 70))
CHECKED = [
    *((Ridge(STEP), shape) for shape in SHAPES),
    *((Perceptron(ReLU()), shape) for shape in SHAPES),
    *((neuron, SHAPES[0]) for neuron in (Ridge(Tanh()), Ridge(Erf()), Perceptron(Tanh()))),
]


def a_network(neuron: Any, neurons: int, dimension: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((neurons, neuron.parameters(dimension)))
    return theta.astype(np.float32)


def a_job(neuron: Any, neurons: int, dimension: int, inputs: Any, replicas: int = 3) -> Any:
    laws = [IsotropicGaussians(dimension, 0.5)] * replicas
    seeds = range(replicas)
    job = make_job(neuron, neurons, laws, Constant(), [1.0] * replicas, 0.0, np.inf, seeds)
    return job._replace(inputs=checked_inputs(inputs, job))


def evaluate(neuron: Any, shape: Any, device: Any) -> tuple[Any, Any, Any]:
    """Evaluate networks of which the first and third share their inputs."""
    neurons, dimension, samples = shape
    theta = np.stack([a_network(neuron, neurons, dimension, seed) for seed in range(4)])
    rng = np.random.default_rng(9)
    shared, own, more = (
        rng.standard_normal((count, dimension)).astype(np.float32)
        for count in (samples, samples, samples + 5)
    )
    inputs = [shared, own, shared, more]
    outputs = Outputs(a_job(neuron, neurons, dimension, inputs, replicas=4), device)
    return theta, inputs, outputs(device.xp.asarray(theta))


@pytest.mark.parametrize(("neuron", "shape"), CHECKED)
def test_outputs_have_the_bits_of_the_cpu(neuron: Any, shape: Any, device: Any) -> None:
    theta, inputs, found = evaluate(neuron, shape, device)
    for units, x, outputs in zip(theta, inputs, found, strict=True):
        assert outputs.dtype == np.float64
        np.testing.assert_array_equal(outputs, network(units, x, neuron))


@pytest.mark.parametrize("neuron", [Ridge(STEP), Perceptron(Tanh())])
def test_outputs_are_those_of_float64_up_to_rounding(neuron: Any, device: Any) -> None:
    """In the first order of u, the bound of a rounding.

    There are d + 1 roundings in z; 4 are allowed for sigma, whose kernel for tanh errs by less; the
    product with a, the sum over every 32nd neuron and 5 halvings make N / 32 + 6.
    """
    shape = neurons, dimension, _ = 400, 17, 70
    u, steepest = 2.0**-24, 10.0  # STEP rises by 10 from 1/2 to 3/2
    theta, inputs, found = evaluate(neuron, shape, device)
    for units, x, outputs in zip(theta.astype(np.float64), inputs, found, strict=True):
        a, b, w = np.ones(neurons), np.zeros(neurons), units
        if isinstance(neuron, Perceptron):
            a, b, w = units[:, 0], units[:, 1], units[:, 2:]
        in_z = (dimension + 1) * u * (np.abs(x) @ np.abs(w).T + np.abs(b))
        z = x @ w.T + b
        in_value = steepest * (in_z + 4 * u * np.abs(z)) + 4 * u * 7.5
        size = np.abs(a * neuron.activation(z))
        bound = np.mean(np.abs(a) * in_value + (neurons / 32 + 6) * u * size, axis=1)
        error = np.abs(outputs - plain_network.network(neuron, units, x))
        assert np.all(error <= bound)
        assert bound.max() < 3e-4


@pytest.mark.parametrize("neuron", [Ridge(STEP), Perceptron(Tanh())])
def test_large_networks_are_added_up_in_parts(
    neuron: Any, device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "PART", 64)
    theta, inputs, found = evaluate(neuron, (170, 17, 33), device)
    for units, x, outputs in zip(theta, inputs, found, strict=True):
        np.testing.assert_array_equal(outputs, network(units, x, neuron))
    monkeypatch.undo()
    whole = network(theta[1], inputs[1], neuron)
    assert np.any(found[1] != whole)
    np.testing.assert_allclose(found[1], whole, atol=2e-6)


# What the kernel relies on, taken away: its text, and what becomes of it.
BARRIER = "            __syncthreads();\n"
MUTATIONS = {
    "a piece is overwritten early": (
        f"{BARRIER}            const int j", "            const int j"
    ),
    "a piece is not awaited": (
        f"{BARRIER}            const int length", "            const int length"
    ),
    "not all meet": (
        f"{BARRIER}            const int j",
        f"            if (threadIdx.x != 3)\n    {BARRIER}            const int j",
    ),
    "more neurons than there are": ("if (unit >= last)", "if (false)"),
    "fewer inputs": ("INPUTS - piece < PIECE ?", "INPUTS - piece <= PIECE ? -1 +"),
    "fewer samples": ("column == 0 && sample < samples", "column == 0 && sample < samples - 1"),
    "the offset is an input": ("(j < DIMENSION ? EXTRA + j : 1)", "(j < DIMENSION ? j : 1)"),
    "the first part only": ("task % parts * PART", "0"),
    "another order of the halves": ("ADD(sums[0][s], sums[2][s])", "ADD(sums[0][s], sums[1][s])"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_fault_of_the_kernel_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "PART", 32)
    old, new = MUTATIONS[name]
    neuron = Perceptron(Tanh()) if "offset" in name else Ridge(STEP)

    class Mutant(HostDevice):
        def compile(self, variant: Any) -> Any:
            source = variant.source()
            assert source.count(old) == 1
            return self.build(source.replace(old, new), variant)

    caught = []
    for order in range(1, 4):
        try:
            with np.errstate(all="ignore"):
                theta, inputs, found = evaluate(neuron, (40, 18, 70), Mutant(order))
        except DeadlockError:
            caught.append(True)
        else:
            right = [network(*each, neuron) for each in zip(theta, inputs, strict=True)]
            caught.append(not all(map(np.array_equal, found, right)))
    assert any(caught)  # an order of the threads may be the right one by chance


def test_inputs_are_moved_once_and_all_memory_is_counted() -> None:
    taken: list[Any] = []
    made: list[Any] = []
    device = HostDevice()

    def asarray(array: Any) -> Any:
        taken.append(array)
        return array

    def empty(shape: Any, dtype: Any) -> Any:
        made.append(np.empty(shape, dtype))
        return made[-1]

    device.xp = SimpleNamespace(asarray=asarray, empty=empty)
    shared, own = np.ones((50, 4), np.float32), np.ones((20, 4), np.float32)
    job = a_job(Ridge(STEP), 40, 4, [shared, own, shared])
    Outputs(job, device)(np.ones((3, 40, 4), np.float32))
    assert [array.shape for array in taken if array.ndim == 2] == [(50, 4), (20, 4)]
    assert sum(array.nbytes for array in taken + made) <= needed_bytes(job)(3)
    assert needed_bytes(job)(3) == shared.nbytes + own.nbytes + 3 * 4 * (50 + 1)
    assert needed_bytes(job.part(slice(1, 2)))(1) == own.nbytes + 4 * (20 + 1)
    assert needed_bytes(job._replace(inputs=None))(3) == 0


def test_memory_is_that_of_the_part_with_the_most_inputs() -> None:
    """Over all ways to cut replicas, some of which share inputs, into parts of one size."""
    arrays = [np.ones((5 * 3**k, 4), np.float32) for k in range(4)]
    inputs = [arrays[k] for k in (0, 0, 1, 2, 1, 0, 2, 2, 3, 0, 0)]
    job = a_job(Ridge(STEP), 40, 4, inputs, replicas=len(inputs))
    for size in range(1, len(inputs) + 1):
        parts = [inputs[first : first + size] for first in range(0, len(inputs), size)]
        expected = max(sum(x.nbytes for x in {id(x): x for x in part}.values()) for part in parts)
        assert needed_bytes(job)(size) == expected + size * 4 * (5 * 27 + 1)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([np.ones((3, 4))] * 2, "one array of inputs, or 3, one a replica; got 2"),
        (np.ones((3, 5)), r"must have shape \(n, 4\), n at least 1, got \(3, 5\)"),
        ([np.ones((3, 4)), np.ones((0, 4)), np.ones((3, 4))], r"got \(0, 4\)"),
        (np.ones(4), r"got \(4,\)"),
    ],
)
def test_inputs_are_checked(inputs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        a_job(Ridge(STEP), 40, 4, inputs)


def test_inputs_of_any_type_and_layout_are_taken() -> None:
    x = np.asfortranarray(np.random.default_rng(1).standard_normal((3, 4)))
    kept = a_job(Ridge(STEP), 40, 4, x).inputs
    assert kept[0].flags.c_contiguous
    assert kept[0] is kept[2]
    np.testing.assert_array_equal(kept[0], x.astype(np.float32))


def check_outputs(theta: Any, outputs: Any, x: Any) -> None:
    """Hold outputs at snapshots to those of the CPU for the parameters there."""
    assert len(theta) == len(outputs) > 0
    for networks, found in zip(theta, outputs, strict=True):
        for units, each in zip(networks, found, strict=True):
            np.testing.assert_array_equal(each, network(units, x, RIDGE["neuron"]))


@pytest.mark.parametrize("form", ["resident", "registers"])
def test_a_run_evaluates_its_networks_at_every_snapshot(
    form: str, device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a block of samples, too, and when it goes on from a state."""
    choose_form(monkeypatch, form)
    steps = (0, 7, 64, 70)
    plain, _ = run_cuda(RIDGE, device=device, snapshot_steps=steps)
    states: list[Any] = []
    outputs: list[Any] = []
    theta, _ = run_cuda(
        RIDGE, device=device, snapshot_steps=steps, inputs=X, outputs=outputs,
        pulse=lambda step, state: states.append(state()),
    )  # fmt: skip
    np.testing.assert_array_equal(theta, plain)
    check_outputs(theta, outputs, X)
    rest: list[Any] = []
    theta, _ = run_cuda(
        RIDGE, device=device, snapshot_steps=steps, inputs=X, outputs=rest, start=states[0]
    )
    assert 0 < len(rest) < len(outputs)
    check_outputs(theta, rest, X)
    np.testing.assert_array_equal(rest, outputs[-len(rest) :])


def test_replicas_that_do_not_fit_together_are_evaluated_in_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = a_job(RIDGE["neuron"], 90, 9, X, replicas=2)
    without = job._replace(inputs=None)
    one, both = cuda._needed(job, 1), cuda._needed(job, 2)
    assert X.nbytes + 4 * len(X) <= one - cuda._needed(without, 1) < 2 * X.nbytes
    outputs: list[Any] = []
    free = int(one / cuda._SHARE) + 2
    with caplog.at_level(logging.INFO, "meanfield"):
        theta, _ = run_cuda(RIDGE, device=HostDevice(free=free), inputs=X, outputs=outputs)
    assert f"2 replicas need {both} bytes on the GPU, {free} are free" in caplog.text
    check_outputs(theta, outputs, X)
    with pytest.raises(MemoryError, match=f"a replica needs {one} bytes"):
        run_cuda(RIDGE, device=HostDevice(free=one), inputs=X)


def test_memory_exhausted_by_an_evaluation_is_reported() -> None:
    class Exhausted(HostDevice):
        def compile(self, variant: Any) -> Any:
            launch = super().compile(variant)
            if variant.function != "network":
                return launch

            def fail(grid: Any, arguments: Any) -> None:
                raise MemoryError("as the allocator says")

            return fail

    with pytest.raises(MemoryError, match=r"bytes for a replica .*as the allocator says"):
        run_cuda(RIDGE, device=Exhausted(), inputs=X)
