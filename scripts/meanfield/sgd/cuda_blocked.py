"""SGD on a GPU by exact blocks: two matrix products, and a recurrence between them.

A block has 32 samples X, of which G = X X^T is known beforehand (`kernels/gram.cu`).  It takes

    H = X theta^T,   C from H and G (`kernels/recurrence.cu`),   theta <- Gamma theta + C^T X,

three launches: the second product adds to theta where it lies.  Gamma is 1 unless weights decay;
with decay or noise one more kernel goes over theta before that product.  With noise a block has one
sample: the noise would have to enter the pre-activations of later samples, one by one.

What a step should take, by counting, for 132 replicas of (N, d) = (800, 320) on an H200: a product
has 2 N d operations, theta has 4 N d / 32 bytes a step.  Together the replicas exceed the
second-level cache; H, C, X and G do not.  At 4.3 TB/s, 60 TFLOP/s of which products reach 65 %, and
132 multiprocessors at 1.8 GHz, in ns for each replica:

    H            13: 0.51 MFLOP; theta read: 7
    C^T X        15: theta read and written; 0.51 MFLOP: 13
    recurrence    3: 700 cycles of one multiprocessor a replica
    the rest      4: samples and G, 2; beginnings and ends of launches, 8 us a block: 2

so 35.  C^T X as an array of its own, to be added to theta by a kernel, would take 13 + 22 in the
place of 15.  For networks whose H no registers hold, the recurrence reads it from memory, each
entry 16 times: at (10^4, 100), where H has 169 MB, more than that cache, 0.64 MB a step, so 150 ns
beside 51 and 58 of the products.

Of 4 replicas theta stays in the cache and no launch fills the device: 5, 12 and 5 us a block, 170
ns a step, if the CPU asks for blocks as fast.  That takes 3 to 6 us of Python, measured with calls
that do nothing, and three launches by cuBLAS and CuPy, of perhaps 5 us each: about as long.  Of few
replicas the CPU may set the speed.  Nothing was measured on a GPU.
"""

from typing import Any

import numpy as np

from meanfield.sgd.cuda_device import Device
from meanfield.sgd.cuda_job import Constants, Job, host_samples, replica_bytes
from meanfield.sgd.cuda_kernels import (
    COPY_THREADS,
    gram,
    product_kernel,
    recurrence,
    recurrence_shape,
)
from meanfield.sgd.cuda_product import stacked_product
from meanfield.sgd.microkernels import BLOCK

MOST_TOGETHER = 65_535
"""Replicas of a launch: CUDA has no more blocks of threads in a column of a grid, and some products
of cuBLAS no more matrices."""

_WINDOW = 2048
_SAMPLE_BYTES = 2**28


class Blocked:
    """Runs the replicas of a job, all in one launch, block by block.

    Attributes:
        unit: steps of a block: runs are cut at its multiples, or the bits would change.
        window: steps whose samples are drawn at once, a multiple of the block.
    """

    def __init__(self, job: Job, device: Device) -> None:
        self._job, self._device, kind = job, device, job.kind
        xp, replicas = device.xp, len(job.laws)
        self.unit = block_of(job)
        self.window = window(job, replicas)
        shape = recurrence_shape(job.neurons, kind, self.unit)
        self._recurrence = device.compile(recurrence(kind, shape, self.unit))
        self._gram = device.compile(gram(kind, self.unit))
        self._decay_and_noise = None
        if kind.decaying or kind.noisy:
            self._decay_and_noise = device.compile(
                product_kernel("decay_and_noise", kind, self.unit)
            )
        self._draw = None
        if kind.drawn:
            self._draw = device.compile(product_kernel("draw", kind, self.unit))
        self._constants = Constants(job, xp.asarray)
        samples = (replicas, self.unit, kind.parameters)
        hidden = (replicas, self.unit, job.neurons)
        theta = (replicas, job.neurons, kind.parameters)
        self._pre_activations = stacked_product(samples, theta, right_transposed=True)
        self._move = stacked_product(hidden, samples, left_transposed=True, accumulate=True)
        self._hidden = xp.empty(hidden, dtype=np.float32)
        self._outer = xp.empty((replicas, 2, job.neurons), dtype=np.float32)
        self._shrink = xp.empty(replicas, dtype=np.float32)
        pair = self._pre_activations, self._move
        if pair not in device.exact:
            self._check_products(samples, theta)
            device.exact.add(pair)

    def _check_products(self, samples: Any, theta: Any) -> None:
        """Raise unless both matrix products keep all bits of float32.

        cuBLAS is asked to; but an environment variable can have it round factors to the 10 bits of
        TF32 all the same, and whether it then does depends on the shapes.
        """
        xp, factor = self._device.xp, np.float32(1 + 2.0**-12)
        x, weights = xp.full(samples, factor, dtype=np.float32), xp.zeros(theta, dtype=np.float32)
        weights[:, :, 0] = 1.0
        self._device.multiply(self._pre_activations, x, weights, self._hidden)
        found = [(self._hidden.min(), self._hidden.max(), factor)]
        self._hidden.fill(0.0)
        self._hidden[:, 0] = 1.0
        weights.fill(1.0)
        self._device.multiply(self._move, self._hidden, x, weights)
        found.append((weights.min(), weights.max(), np.float32(1) + factor))
        for least, most, expected in found:
            if not float(least) == float(most) == float(expected):
                raise RuntimeError(
                    "matrix products on this GPU do not keep the bits of float32, as SGD's blocks "
                    "need, but round, maybe to TF32: unset NVIDIA_TF32_OVERRIDE"
                )

    def advance(
        self, theta: Any, step: int, target: int, counted: int, squares: Any, failed: Any
    ) -> None:
        """Run from the boundary of a block to another step, at most a window later.

        Args: those of `Resident.advance`, but that ``counted`` may be any step.
        """
        job, device, constants, block = self._job, self._device, self._constants, self.unit
        replicas, count = len(job.laws), target - step
        x, y, products = self._samples(step, -(-count // block))
        steps = constants.steps(step, count)
        # Made once, not for every block: few replicas are as soon computed as asked for.
        recurrence_arguments = (
            self._hidden, theta, self._outer, np.int32(job.neurons), products, y, constants.group,
            steps.rates, steps.gammas, np.int32(count), np.uint64(step), np.uint64(counted),
            self._shrink, squares, failed,
        )  # fmt: skip
        size = job.neurons * job.kind.parameters
        noise_grid = -(-size // (4 * COPY_THREADS)), replicas
        noise_arguments = (
            theta, self._shrink, np.int64(size), constants.group, steps.scales, np.int32(count),
            constants.seeds, np.uint64(step),
        )  # fmt: skip
        for start in range(0, count, block):
            offset, before = np.int32(start), replicas * start * job.kind.parameters
            device.multiply(self._pre_activations, x, theta, self._hidden, left_start=before)
            self._recurrence((replicas, 1), (*recurrence_arguments, offset))
            if self._decay_and_noise is not None:
                self._decay_and_noise(noise_grid, (*noise_arguments, offset))
            device.multiply(self._move, self._hidden, x, theta, right_start=before)

    def _samples(self, step: int, blocks: int) -> tuple[Any, Any, Any]:
        """Return the samples of consecutive blocks.

        Returns:
            x (blocks, R, block, D), in rows x or (0, 1, x), y (blocks, R, block), and x x^T
            (blocks, R, block, block).
        """
        xp, replicas, block = self._device.xp, len(self._job.laws), self.unit
        x, y = self._drawn(step, blocks) if self._draw is not None else self._given(step, blocks)
        products = xp.empty((blocks, replicas, block, block), dtype=np.float32)
        self._gram((blocks * replicas, 1), (products, x))
        return x, y, products

    def _drawn(self, step: int, blocks: int) -> tuple[Any, Any]:
        """Draw x and y by a kernel."""
        job, xp, constants, block = self._job, self._device.xp, self._constants, self.unit
        assert self._draw is not None
        shape = (blocks, len(job.laws), block, job.kind.parameters)
        x, y = xp.empty(shape, dtype=np.float32), xp.empty(shape[:3], dtype=np.float32)
        quads = blocks * len(job.laws) * block * (job.kind.inputs // 4)
        self._draw(
            (-(-quads // COPY_THREADS), 1),
            (x, y, constants.seeds, constants.wide, constants.narrow, constants.informative,
             np.int32(len(job.laws)), np.uint64(step), np.int32(blocks)),
        )  # fmt: skip
        return x, y

    def _given(self, step: int, blocks: int) -> tuple[Any, Any]:
        """Draw x and y on the host."""
        job, xp, block, kind = self._job, self._device.xp, self.unit, self._job.kind
        replicas = len(job.laws)
        inputs, labels = host_samples(job, step, blocks * block)
        rows = np.zeros((replicas, blocks, block, kind.parameters), dtype=np.float32)
        extra = kind.parameters - kind.dimension
        rows[..., extra:] = inputs.reshape(replicas, blocks, block, kind.dimension)
        if kind.weighted:
            rows[..., 1] = 1.0
        ordered = np.ascontiguousarray(np.swapaxes(rows, 0, 1))
        of_blocks = np.swapaxes(labels.reshape(replicas, blocks, block), 0, 1)
        return xp.asarray(ordered), xp.asarray(np.ascontiguousarray(of_blocks))


def block_of(job: Job) -> int:
    """Return the samples of a block."""
    return 1 if job.kind.noisy else BLOCK


def window(job: Job, replicas: int) -> int:
    """Return the steps whose samples are on the device at once, of so many replicas of a job."""
    room = _SAMPLE_BYTES // (4 * _sample_numbers(job) * replicas)
    return min(_WINDOW, 2 ** (max(room, BLOCK).bit_length() - 1))


def needed_bytes(job: Job, replicas: int) -> int:
    """Return the memory that so many replicas of a job take on the device."""
    block, network = block_of(job), job.neurons * job.kind.parameters
    always = network + job.neurons * (block + 2) + 1
    # A window of samples; or, at a snapshot inside a block, the networks once more and one block.
    parts = (0, window(job, replicas)), (network if block > 1 else 0, block)
    return 4 * replicas * always + max(
        4 * replicas * (numbers + steps * _sample_numbers(job))
        + replica_bytes(job, replicas, steps)
        for numbers, steps in parts
    )


def _sample_numbers(job: Job) -> int:
    """Return the numbers that belong to a sample: x, y, and its products with others."""
    return job.kind.parameters + 1 + block_of(job)
