import numpy as np
import pytest

import kernel_signature
from cuda_compiler import compile_for, needs_nvrtc
from cuda_host import HostDevice
from meanfield.activations import Erf, PiecewiseLinear, ReLU, Softplus
from meanfield.sgd.cuda_kernels import (
    Kind,
    Shape,
    activation_macros,
    gram,
    product_kernel,
    recurrence,
    recurrence_shape,
    resident,
    resident_shape,
)
from meanfield.sgd.microkernels import BLOCK
from sgd_runs import STEP

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
RIDGE = Kind(STEP, weighted=False, dimension=40, decaying=False, noisy=False, drawn=True)
RELU = Kind(ReLU(), weighted=True, dimension=320, decaying=False, noisy=False, drawn=True)
WIDEST = Kind(Erf(), weighted=True, dimension=40, decaying=True, noisy=True, drawn=True)


def of_network(neurons, kind, block=BLOCK):
    shape = resident_shape(neurons, kind)
    return (
        resident(kind, shape)
        if shape
        else recurrence(kind, recurrence_shape(neurons, kind, block), block)
    )


SHIPPED = {
    "800 x 40": of_network(800, RIDGE),
    "800 x 320": of_network(800, RELU),
    "10000 x 100": of_network(10_000, RIDGE._replace(dimension=100)),
    "draw": product_kernel("draw", RELU, BLOCK),
    "gram": gram(RELU, BLOCK),
    "decay and noise": product_kernel("decay_and_noise", WIDEST, 1),
}
OTHERS = {
    "noise and decay": of_network(800, WIDEST),
    "samples of the host": of_network(800, RIDGE._replace(drawn=False)),
    "decay in blocks": of_network(800, RELU._replace(decaying=True, activation=Erf())),
}


def test_small_networks_stay_in_registers():
    assert resident_shape(800, RIDGE) == Shape(224, 4)
    assert [variant.function for variant in SHIPPED.values()][:3] == [
        "resident", "recurrence", "recurrence"
    ]  # fmt: skip
    assert "('IN_REGISTERS', '1')" in str(SHIPPED["800 x 320"].macros)
    assert "('IN_REGISTERS', '0')" in str(SHIPPED["10000 x 100"].macros)


@pytest.mark.parametrize("neurons", [1, 31, 100, 800, 1600, 5000])
@pytest.mark.parametrize("dimension", [1, 10, 40, 100, 320])
def test_shapes_hold_every_neuron(neurons, dimension):
    kind = RIDGE._replace(dimension=dimension)
    shapes = [resident_shape(neurons, kind), recurrence_shape(neurons, kind, BLOCK)]
    for shape in shapes:
        if shape is not None and shape.neurons > 0:
            assert neurons <= shape.threads * shape.neurons < neurons + 32 * shape.neurons + 32
            assert shape.threads % 32 == 0


@needs_nvrtc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_shapes_compile_without_spills(name, architecture):
    check_fits(SHIPPED[name], architecture)


@needs_nvrtc
@pytest.mark.parametrize("name", OTHERS)
def test_other_variants_compile_without_spills(name):
    check_fits(OTHERS[name], "sm_90")


def check_fits(variant, architecture):
    taken = compile_for(variant, architecture)[variant.function]
    assert (taken.stack, taken.spilled) == (0, 0)
    assert taken.registers * (-(-variant.threads // 128) * 128) <= 2**16
    assert taken.shared <= 48 * 1024


@needs_nvrtc
def test_spills_are_seen():
    taken = compile_for(resident(RIDGE, Shape(512, 4)), "sm_90")["resident"]
    assert taken.stack > 0
    assert taken.spilled > 0


def test_other_activations_are_refused():
    with pytest.raises(ValueError, match=r"piecewise linear, tanh or erf, got Softplus"):
        activation_macros(Softplus())


def test_numbers_of_an_activation_are_those_of_float32():
    activation = PiecewiseLinear((0.1, 1 / 3), (0.7, -1e-30), 0.0, 2.0)
    macros = activation_macros(activation)
    assert macros["PIECES"] == "3"
    for name, numbers in (
        ("KNOTS", activation.knots), ("SLOPES", activation.slopes),
        ("INTERCEPTS", activation.intercepts),
    ):  # fmt: skip
        found = [float.fromhex(text.removesuffix("f")) for text in macros[name].split(",")]
        assert found == np.array(numbers, np.float32).tolist()
    with pytest.raises(ValueError, match="finite in float32"):
        activation_macros(PiecewiseLinear((0.0,), (1e39,)))


def test_the_arguments_of_a_kernel_are_read_from_its_text():
    found = kernel_signature.parameters(resident(RIDGE, Shape(224, 4)).source(), "resident")
    assert [(each.name, each.dtype.name, each.pointer) for each in found] == [
        ("theta", "float32", True), ("neurons", "int32", False), ("seeds", "uint64", True),
        ("wide", "float32", True), ("narrow", "float32", True), ("informative", "int32", False),
        ("host_x", "float32", True), ("host_y", "float32", True), ("group", "int32", True),
        ("rates", "float32", True), ("gammas", "float64", True), ("scales", "float32", True),
        ("first_step", "uint64", False), ("count", "int32", False), ("squares", "float64", True),
        ("failed", "int64", True),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no kernel absent"):
        kernel_signature.parameters("", "absent")
    with pytest.raises(ValueError, match="not the argument of a kernel: 'short s'"):
        kernel_signature.parameters("__global__ void known(float *x, short s)", "known")


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (2, np.int64(9), "count is int32, got int64"),
        (2, 9, "count is int32, got int"),
        (2, np.uint32(9), "count is int32, got uint32"),
        (0, np.zeros(9), "x is an array of float32, got an array of float64"),
        (0, np.float32(9), "x is an array of float32, got float32"),
        (1, np.zeros(9, np.int64), "seeds is an array of uint64, got an array of int64"),
    ],
)
def test_an_argument_of_another_width_is_refused(place, wrong, message):
    """A GPU would read beyond it, or what lies beside it."""
    source = (
        '// f(int)\nextern "C" __global__ void __launch_bounds__(THREADS) f(\n'
        "    float *x, const u64 *seeds, int count)\n{ x[0] = count + seeds[0]; }"
    )
    variant = product_kernel("draw", RIDGE, 1)._replace(function="f")
    launch = HostDevice().build("typedef unsigned long long u64;\n" + source, variant)
    x = np.zeros(1, np.float32)
    right = [x, np.ones(1, np.uint64), np.int32(4)]
    launch((1, 1), tuple(right))
    assert x[0] == 5
    with pytest.raises(TypeError, match=message):
        launch((1, 1), (*right[:place], wrong, *right[place + 1 :]))
    with pytest.raises(TypeError, match="takes 3 arguments, got 2"):
        launch((1, 1), tuple(right[:2]))
    with pytest.raises(AssertionError):
        launch((1, 65_536), tuple(right))
