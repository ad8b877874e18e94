import os
import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.agreement import AGREEMENT, disagreement
from benchmarks.block_sizes import ROOT, library_with_block, rewrite
from benchmarks.machine import describe
from benchmarks.sgd_engine import engine_with_data, engine_without_data
from benchmarks.sgd_problem import ACTIVATION, HIGH, LOW, OFFSET, SLOPE, make_problem
from benchmarks.sgd_scaling import cases, slopes
from meanfield.neurons import Ridge
from meanfield.schedules import Constant
from meanfield.sgd import reference


def test_the_ramp_is_the_activation():
    z = np.linspace(-3, 4, 71)
    np.testing.assert_allclose(SLOPE * np.clip(z, LOW, HIGH) + OFFSET, ACTIVATION(z), atol=1e-13)


def test_a_problem_holds_what_the_engine_draws():
    problem = make_problem(20, 6, samples=50)
    assert (problem.neurons, problem.dimension, problem.steps) == (20, 6, 50)
    assert problem.x.dtype == problem.y.dtype == problem.theta0.dtype == np.float32
    assert 0 < problem.active < 1
    weights = problem.theta0.copy()
    for x, y in zip(problem.x, problem.y, strict=True):
        z = weights @ x
        error = 2 * problem.step_size * (y - ACTIVATION(z).mean())
        weights += error * np.outer(ACTIVATION.derivative(z), x)
    drawn = reference.run(
        problem.theta0, law=problem.law, neuron=Ridge(ACTIVATION), schedule=Constant(),
        step_size=problem.step_size,
        snapshot_steps=(50,), seed=1, precision="float32", record=lambda *_: None,
    )  # fmt: skip
    np.testing.assert_allclose(weights, drawn, rtol=0, atol=1e-6)
    assert np.abs(drawn - problem.theta0).max() > 1e-4


def test_the_engine_on_given_samples_is_the_engine_and_zeros_of_slopes_change_no_bits():
    problem = make_problem(70, 13, delta=0.2, step_size=1e-4, samples=77)
    drawn = engine_with_data(problem)(1)
    assert np.array_equal(engine_without_data(problem)(1), drawn)
    assert np.array_equal(engine_without_data(problem, dense=True)(1), drawn)
    assert np.abs(drawn - problem.theta0).max() > 1e-3


def test_the_machine_is_described_without_names_or_paths():
    text = "processor: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 fma sse4_2\n"
    machine = describe(["numpy"], text)
    assert machine["cpu"] == "Some CPU"
    assert machine["instruction_sets"] == ["sse4_2", "avx2", "fma"]
    assert machine["libraries"] == {"numpy": np.__version__}
    assert "/" not in str(machine)
    assert describe([], "")["instruction_sets"] == []


def test_the_block_size_of_a_copy_is_changed(tmp_path):
    for path in (ROOT / "scripts" / "meanfield" / "sgd").glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    rewrite(tmp_path, 64)
    text = "".join(path.read_text() for path in tmp_path.glob("*.py"))
    assert re.findall(r"^STEPS = (\d+)$", text, re.MULTILINE) == ["64"]
    with pytest.raises(ValueError, match="one definition of STEPS"):
        rewrite(tmp_path / "empty", 64)


def test_another_block_size_gives_the_iterates_of_the_reference():
    block = 64
    program = (
        "import numpy as np\nfrom sgd_runs import run\n"
        "from meanfield.sgd import engine, reference\n"
        "a, b = (run(each, neurons=45, dimension=13, step_size=2e-4, snapshot_steps=(5, 133))[0]\n"
        "        for each in (engine, reference))\n"
        "from meanfield.sgd.microkernels import STEPS\n"
        "print(STEPS, np.abs(a - b).max(), np.abs(b[-1] - b[0]).max())\n"
    )
    with library_with_block(block) as place:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "MEANFIELD_NUMBA_CACHE": str(place / "numba"),
                 "PYTHONPATH": os.pathsep.join([str(place), str(ROOT / "tests")])},
        )  # fmt: skip
    found, error, moved = map(float, done.stdout.split())
    assert found == block
    assert error < 1e-12
    assert moved > 1e-2


def test_flips_of_few_neurons_are_allowed_and_errors_of_all_are_not():
    generator = np.random.default_rng(0)
    theta0 = generator.standard_normal((1000, 5))
    reference_weights = theta0 + 0.01 * generator.standard_normal((1000, 5))
    flipped = reference_weights.copy()
    flipped[:5] += 1.0
    assert disagreement(flipped, reference_weights, theta0) == 0
    scaled = theta0 + 1.001 * (reference_weights - theta0)
    assert disagreement(scaled, reference_weights, theta0) > 5 * AGREEMENT


def test_slopes_are_fitted_where_the_products_dominate():
    rows = [
        {**case._asdict(), "us_per_step": 1e-3 * case.neurons if case.neurons >= 1000 else 7.0}
        for case in cases()
        if case.study == "neurons"
    ] + [
        {**case._asdict(), "us_per_step": 2.0 * case.dimension**0.5}
        for case in cases()
        if case.study == "dimension"
    ]
    assert slopes(rows) == {
        "neurons": {"engine": 1.0, "engine_with_data": 1.0},
        "dimension": {"engine": 0.5, "engine_with_data": 0.5},
    }


def test_the_peers_are_pinned_by_version_and_nothing_else():
    lines = (ROOT / "envs" / "bench.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z]+==\d+(\.\d+)+", pin) for pin in pins)
    assert {pin.split("==")[0] for pin in pins} >= {"torch", "jax", "jaxlib", "threadpoolctl"}
