"""Other ways to run the same SGD on a CPU: NumPy, numba, PyTorch and JAX, each at its best.

Each implementation comes in variants, the plain one first: neurons in the rows of W, as the update
is usually written.  Which variant is the fastest depends on N and d, so all of them are measured.
All work in float32 without temporaries of the size of W, and find their samples in memory.  Arrays
lie at multiples of 64 bytes; left where NumPy puts them, its loop takes up to a fifth longer.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numba
import numpy as np
import numpy.typing as npt
import torch
from jax import lax
from scipy.linalg import blas

from benchmarks.sgd_problem import HIGH, LOW, OFFSET, SLOPE, Problem, Run
from meanfield.sgd.memory import aligned

Layout = Literal["rows", "columns"]
"""Neurons in the rows of W, (N, d), or in its columns, (d, N)."""


def _aligned_copy(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    copy = aligned(values.shape, values.dtype)
    copy[:] = values
    return copy


def numpy_loop(
    problem: Problem, *, layout: Layout, update: Literal["outer", "sger", "active"]
) -> Run:
    """Make a Python loop over NumPy and BLAS calls, every one into memory allocated before.

    Args:
        problem: what to run.
        layout: of W.
        update: of W: the outer product into a buffer, which is added; BLAS's rank-one update; or
            only the rows with sigma' not 0 (for neurons in rows).
    """
    neurons, rows = problem.neurons, layout == "rows"
    samples = list(zip(problem.x, problem.y.tolist(), strict=True))
    gain = 2 * problem.step_size * SLOPE
    theta0 = problem.theta0 if rows else problem.theta0.T
    z, clipped, slope = (aligned((neurons,), np.float32) for _ in range(3))
    inside = np.empty(neurons, bool)
    buffer = aligned(theta0.shape, np.float32)
    scaled = np.empty(problem.dimension, np.float32)

    def run(passes: int) -> npt.NDArray[Any]:
        w = _aligned_copy(theta0)
        # Of a product with one vector BLAS wants W as it lies; sger wants Fortran order.
        product, fortran = (w if rows else w.T), w.T
        for _ in range(passes):
            for x, y in samples:
                np.dot(product, x, out=z)
                np.maximum(z, LOW, out=clipped)
                np.minimum(clipped, HIGH, out=clipped)
                np.equal(z, clipped, out=inside)
                mean = float(np.add.reduce(clipped)) / neurons
                e = gain * (y - (SLOPE * mean + OFFSET))
                if update == "active":
                    (which,) = inside.nonzero()
                    part = buffer[: len(which)]
                    w.take(which, 0, out=part, mode="clip")
                    np.multiply(x, np.float32(e), out=scaled)
                    np.add(part, scaled, out=part)
                    w[which] = part
                elif update == "sger":
                    np.copyto(slope, inside)
                    first, second = (x, slope) if rows else (slope, x)
                    blas.sger(
                        e, first, second, a=fortran, overwrite_x=1, overwrite_y=1, overwrite_a=1
                    )
                else:
                    np.multiply(inside, np.float32(e), out=slope)
                    first, second = (slope, x) if rows else (x, slope)
                    np.multiply(first[:, None], second, out=buffer)
                    np.add(w, buffer, out=w)
        return w if rows else w.T

    return run


# Sums may be reordered, so that they are vectorised; nothing else is relaxed.
_compile: Any = numba.njit(fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", nogil=True)


@_compile
def _steps_rows(w: Any, x: Any, y: Any, gain: Any, ramp: Any) -> None:
    """Run over the samples; W is (N, d), and rows with sigma' = 0 are not touched."""
    low, high, slope, offset, width = ramp
    neurons, dimension = w.shape
    z = np.empty(neurons, w.dtype)
    for k in range(len(x)):
        xk = x[k]
        total = np.float32(0)
        for i in range(neurons):
            wi = w[i]
            t = np.float32(0)
            for j in range(dimension):
                t += wi[j] * xk[j]
            z[i] = t
            total += min(max(t, low), high)
        e = gain * (y[k] - (slope * total / width + offset))
        for i in range(neurons):
            if z[i] > low and z[i] <= high:
                wi = w[i]
                for j in range(dimension):
                    wi[j] += e * xk[j]


@_compile
def _steps_columns(w: Any, x: Any, y: Any, gain: Any, ramp: Any) -> None:
    """Run over the samples; W is (D, N), D a multiple of 4, and neurons fill the vectors.

    The update of a step is made in the pass over W that forms z of the next one.
    """
    low, high, slope, offset, width = ramp
    dimension, neurons = w.shape
    z = np.empty(neurons, w.dtype)
    c = np.zeros(neurons, w.dtype)
    zero = np.float32(0)
    for k in range(len(x)):
        xk = x[k]
        last = x[max(k - 1, 0)]
        z[:] = 0
        for j in range(0, dimension, 4):
            w0, w1, w2, w3 = w[j], w[j + 1], w[j + 2], w[j + 3]
            x0, x1, x2, x3 = xk[j], xk[j + 1], xk[j + 2], xk[j + 3]
            u0, u1, u2, u3 = last[j], last[j + 1], last[j + 2], last[j + 3]
            for i in range(neurons):
                ci = c[i]
                v0, v1 = w0[i] + ci * u0, w1[i] + ci * u1
                v2, v3 = w2[i] + ci * u2, w3[i] + ci * u3
                w0[i] = v0
                w1[i] = v1
                w2[i] = v2
                w3[i] = v3
                z[i] += v0 * x0 + v1 * x1 + v2 * x2 + v3 * x3
        total = zero
        for i in range(neurons):
            total += min(max(z[i], low), high)
        e = gain * (y[k] - (slope * total / width + offset))
        for i in range(neurons):
            c[i] = e if (z[i] > low) & (z[i] <= high) else zero
    last = x[len(x) - 1]
    for j in range(dimension):
        wj = w[j]
        for i in range(neurons):
            wj[i] += c[i] * last[j]


def numba_steps(problem: Problem, *, layout: Layout) -> Run:
    """Make one compiled function that takes the steps one after the other."""
    number = np.float32
    gain = number(2 * problem.step_size * SLOPE)
    ramp = tuple(number(value) for value in (LOW, HIGH, SLOPE, OFFSET, problem.neurons))
    dimension = problem.dimension
    padding = ((0, 0), (0, -dimension % 4 if layout == "columns" else 0))
    x = np.pad(problem.x, padding)
    theta0 = np.pad(problem.theta0, padding)

    def run(passes: int) -> npt.NDArray[Any]:
        w = _aligned_copy(theta0 if layout == "rows" else theta0.T)
        advance = _steps_rows if layout == "rows" else _steps_columns
        for _ in range(passes):
            advance(w, x, problem.y, gain, ramp)
        return w if layout == "rows" else w[:dimension].T

    return run


def torch_eager(
    problem: Problem, *, layout: Layout, update: Literal["addr", "addmm", "addcmul"]
) -> Run:
    """Make a Python loop over PyTorch calls, without gradients, every one into allocated memory."""
    neurons, rows = problem.neurons, layout == "rows"
    samples = list(zip(torch.from_numpy(problem.x), problem.y.tolist(), strict=True))
    gain = 2 * problem.step_size * SLOPE
    z, clipped, slope, total = (torch.empty(n) for n in (neurons, neurons, neurons, 1))
    theta0 = torch.from_numpy(problem.theta0)

    def run(passes: int) -> npt.NDArray[Any]:
        w = theta0.clone() if rows else theta0.T.contiguous()
        product = w if rows else w.T
        for _ in range(passes):
            for x, y in samples:
                torch.mv(product, x, out=z)
                torch.clamp(z, LOW, HIGH, out=clipped)
                torch.eq(z, clipped, out=slope)
                torch.sum(clipped, 0, keepdim=True, out=total)
                e = gain * (y - (SLOPE * (total.item() / neurons) + OFFSET))
                first, second = (slope, x) if rows else (x, slope)
                if update == "addr":
                    w.addr_(first, second, alpha=e)
                elif update == "addmm":
                    w.addmm_(first[:, None], second[None], alpha=e)
                else:
                    w.addcmul_(first[:, None], second[None], value=e)
        return (w if rows else w.T).numpy()

    return torch.inference_mode()(run)


def jax_scan(problem: Problem, *, layout: Layout, pending: bool = False, unroll: int = 1) -> Run:
    """Make a lax.scan over the samples, compiled, the weights donated.

    Args:
        problem: what to run.
        layout: of W.
        pending: make the update of a step where z of the next one is formed.
        unroll: steps in the body of the compiled loop.
    """
    neurons, rows = problem.neurons, layout == "rows"
    gain = 2 * problem.step_size * SLOPE
    x, y = jnp.asarray(problem.x), jnp.asarray(problem.y)

    def outer(c: Any, x: Any) -> Any:
        return c[:, None] * x if rows else x[:, None] * c

    def coefficients(w: Any, x: Any, y: Any) -> Any:
        z = w @ x if rows else x @ w
        e = gain * (y - (SLOPE * jnp.clip(z, LOW, HIGH).mean() + OFFSET))
        return jnp.where((z > LOW) & (z <= HIGH), e, 0.0)

    def step(w: Any, sample: Any) -> Any:
        return w + outer(coefficients(w, *sample), sample[0]), None

    def step_pending(carry: Any, sample: Any) -> Any:
        w, c, last = carry
        w = w + outer(c, last)
        return (w, coefficients(w, *sample), sample[0]), None

    @partial(jax.jit, donate_argnums=0)
    def advance(w: Any, x: Any, y: Any) -> Any:
        if not pending:
            return lax.scan(step, w, (x, y), unroll=unroll)[0]
        start = (w, jnp.zeros(neurons, w.dtype), jnp.zeros(x.shape[1], w.dtype))
        w, c, last = lax.scan(step_pending, start, (x, y), unroll=unroll)[0]
        return w + outer(c, last)

    def run(passes: int) -> npt.NDArray[Any]:
        w = jnp.array(problem.theta0 if rows else problem.theta0.T)
        for _ in range(passes):
            w = advance(w, x, y)
        weights = np.asarray(w.block_until_ready())
        return weights if rows else weights.T

    return run


PEERS: Mapping[str, Mapping[str, Callable[[Problem], Run]]] = {
    "numpy_loop": {
        "rows, outer": partial(numpy_loop, layout="rows", update="outer"),
        "columns, outer": partial(numpy_loop, layout="columns", update="outer"),
        "rows, sger": partial(numpy_loop, layout="rows", update="sger"),
        "columns, sger": partial(numpy_loop, layout="columns", update="sger"),
        "rows, active only": partial(numpy_loop, layout="rows", update="active"),
    },
    "torch_eager": {
        "rows, addr": partial(torch_eager, layout="rows", update="addr"),
        "rows, addcmul": partial(torch_eager, layout="rows", update="addcmul"),
        "columns, addr": partial(torch_eager, layout="columns", update="addr"),
        "columns, addmm": partial(torch_eager, layout="columns", update="addmm"),
    },
    "jax_scan": {
        "rows": partial(jax_scan, layout="rows"),
        "rows, unroll 4": partial(jax_scan, layout="rows", unroll=4),
        "columns": partial(jax_scan, layout="columns"),
        "columns, pending": partial(jax_scan, layout="columns", pending=True),
    },
    "numba_steps": {
        "rows, active only": partial(numba_steps, layout="rows"),
        "columns, fused": partial(numba_steps, layout="columns"),
    },
}
"""Implementation -> variant -> what makes it from a problem; the plain variant comes first."""
