"""SGD of R networks on a GPU: this project's kernels, and other ways to run the same.

All work in plain float32 (no TF32) and leave the weights on the device between passes.  The peers
find their samples there; the kernels draw their own.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.gpu_problem import Networks, Replicas
from benchmarks.sgd_engine import NEURON
from benchmarks.sgd_problem import HIGH, LOW, OFFSET, SLOPE
from meanfield.schedules import Constant
from meanfield.sgd.cuda_blocked import Blocked
from meanfield.sgd.cuda_device import CupyDevice
from meanfield.sgd.cuda_job import make_job
from meanfield.sgd.cuda_kernels import resident_shape
from meanfield.sgd.cuda_resident import Resident

# Read when JAX is loaded: else it takes most of the memory, and the others find none.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def kernels(problem: Replicas) -> Networks:
    """Make the networks of this project: its kernels without what `cuda.run` does around them."""
    device = CupyDevice()
    xp = device.xp
    replicas, neurons, _ = problem.theta0.shape
    job = make_job(
        NEURON, neurons, [problem.law] * replicas, Constant(),
        [problem.step_size] * replicas, 0.0, np.inf, problem.seeds,
    )  # fmt: skip
    shape = resident_shape(neurons, job.kind)
    runner = Resident(job, shape, device) if shape else Blocked(job, device)
    theta = xp.array(problem.theta0)
    squares = xp.zeros(replicas)
    failed = xp.full(replicas, -1, dtype=np.int64)
    step = 0

    def advance(passes: int) -> None:
        nonlocal step
        target = step + passes * len(problem.y)
        while step < target:
            end = min(target, (step // runner.window + 1) * runner.window)
            runner.advance(theta, step, end, 0, squares, failed)
            step = end
        if device.to_host(failed).max() >= 0:
            raise ArithmeticError("the kernels diverged")

    return Networks(advance, lambda: device.to_host(theta))


def jax_scan(problem: Replicas) -> Networks:
    """Make `lax.scan` over the samples under `vmap` over the networks, the weights donated."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    if jax.default_backend() != "gpu":  # it computes on the CPU without a word
        raise RuntimeError(f"JAX computes on: {jax.default_backend()}")
    jax.config.update("jax_default_matmul_precision", "highest")
    gain = 2 * problem.step_size * SLOPE
    x, y = jnp.asarray(problem.x), jnp.asarray(problem.y)

    def step(w: Any, sample: Any) -> Any:
        x, y = sample
        z = w @ x
        e = gain * (y - (SLOPE * jnp.clip(z, LOW, HIGH).mean() + OFFSET))
        return w + jnp.where((z > LOW) & (z <= HIGH), e, 0.0)[:, None] * x, None

    def scan(w: Any, x: Any, y: Any) -> Any:
        return lax.scan(step, w, (x, y))[0]

    run = jax.jit(jax.vmap(scan, in_axes=(0, 1, 1)), donate_argnums=0)
    w = jnp.array(problem.theta0)

    def advance(passes: int) -> None:
        nonlocal w
        for _ in range(passes):
            w = run(w, x, y)
        w.block_until_ready()

    return Networks(advance, lambda: np.asarray(w))


def torch_graphs(problem: Replicas) -> Networks:
    """Make one CUDA graph of a whole pass by PyTorch, replayed."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    gain = 2 * problem.step_size * SLOPE
    theta0 = torch.from_numpy(problem.theta0).cuda()
    x, y = torch.from_numpy(problem.x).cuda(), torch.from_numpy(problem.y).cuda()
    w = theta0.clone()
    zero = torch.zeros((), device=w.device)

    def pass_over() -> None:
        for k in range(len(y)):
            z = torch.bmm(w, x[k, :, :, None])[..., 0]
            e = gain * (y[k] - (SLOPE * z.clamp(LOW, HIGH).mean(1) + OFFSET))
            c = torch.where((z > LOW) & (z <= HIGH), e[:, None], zero)
            w.baddbmm_(c[:, :, None], x[k, :, None, :])

    with torch.inference_mode():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            pass_over()  # what is chosen at the first call must not be captured
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # What threads of the other libraries do meanwhile must not end the capture.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            pass_over()
        w.copy_(theta0)

    def advance(passes: int) -> None:
        for _ in range(passes):
            graph.replay()
        torch.cuda.synchronize()

    return Networks(advance, lambda: np.asarray(w.cpu().numpy()))


def plain_cupy(problem: Replicas) -> Networks:
    """Make a Python loop over CuPy calls."""
    import cupy

    gain = 2 * problem.step_size * SLOPE
    w = cupy.array(problem.theta0)
    x, y = cupy.asarray(problem.x), cupy.asarray(problem.y)

    def advance(passes: int) -> None:
        nonlocal w
        for _ in range(passes):
            for k in range(len(y)):
                z = cupy.matmul(w, x[k, :, :, None])[..., 0]
                e = gain * (y[k] - (SLOPE * cupy.clip(z, LOW, HIGH).mean(axis=1) + OFFSET))
                c = cupy.where((z > LOW) & (z <= HIGH), e[:, None], cupy.float32(0))
                w += c[:, :, None] * x[k][:, None, :]
        cupy.cuda.get_current_stream().synchronize()

    return Networks(advance, lambda: np.asarray(cupy.asnumpy(w)))


MAKERS: Mapping[str, Callable[[Replicas], Networks]] = {
    "kernels": kernels,
    "jax_scan": jax_scan,
    "torch_graphs": torch_graphs,
    "plain_cupy": plain_cupy,
}
"""Implementation -> what makes its networks; this project's comes first."""


def free_memory() -> None:
    """Return the memory of networks that are gone, so that the next implementation finds it."""
    import gc

    import cupy

    gc.collect()
    cupy.get_default_memory_pool().free_all_blocks()
    try:
        import torch
    except ImportError:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
