"""SGD on a GPU by exact blocks: two matrix products, and a recurrence between them.

A block has 32 samples.  With noise it has one: the noise would have to enter the pre-activations of
later samples, one by one.
"""

from typing import Any

import numpy as np

from meanfield.sgd.cuda_device import Device
from meanfield.sgd.cuda_job import Constants, Job, host_samples
from meanfield.sgd.cuda_kernels import (
    COPY_THREADS,
    product_kernel,
    recurrence,
    recurrence_shape,
)
from meanfield.sgd.microkernels import BLOCK

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
        self.window = window(job)
        shape = recurrence_shape(job.neurons, kind, self.unit)
        self._recurrence = device.compile(recurrence(kind, shape, self.unit))
        self._move = device.compile(product_kernel("move", kind, self.unit))
        self._draw = None
        if kind.drawn:
            self._draw = device.compile(product_kernel("draw", kind, self.unit))
        self._constants = Constants(job, xp.asarray)
        self._hidden = xp.empty((replicas, job.neurons, self.unit), dtype=np.float32)
        self._gram = xp.empty((replicas, self.unit, self.unit), dtype=np.float32)
        self._scaled = xp.empty((replicas, self.unit, kind.parameters), dtype=np.float32)
        self._change = xp.empty((replicas, job.neurons, kind.parameters), dtype=np.float32)
        self._outer = xp.empty((replicas, 2, job.neurons), dtype=np.float32)
        self._shrink = xp.empty(replicas, dtype=np.float32)
        self._check_products()

    def _check_products(self) -> None:
        """Raise unless both matrix products keep all bits of float32.

        An environment variable makes CuPy, or cuBLAS itself, round factors to the 10 bits of TF32;
        and whether cuBLAS then does so depends on the shapes.
        """
        xp, factor = self._device.xp, np.float32(1 + 2.0**-12)
        products = (self._change, self._hidden), (self._hidden, self._change)
        for left, product in products:
            left.fill(factor)
            right = xp.zeros((len(left), left.shape[2], product.shape[2]), dtype=np.float32)
            right[:, 0] = 1.0
            xp.matmul(left, right, out=product)
            if not bool(xp.all(product == factor)):
                raise RuntimeError(
                    "matrix products on this GPU round float32 to TF32, which SGD's blocks do not "
                    "bear; unset CUPY_TF32 and NVIDIA_TF32_OVERRIDE"
                )

    def advance(
        self, theta: Any, step: int, target: int, counted: int, squares: Any, failed: Any
    ) -> None:
        """Run from the boundary of a block to another step, at most a window later.

        Args: those of `Resident.advance`, but that ``counted`` may be any step.
        """
        job, xp, constants, block = self._job, self._device.xp, self._constants, self.unit
        count = target - step
        x, y = self._samples(step, -(-count // block))
        # CuPy copies what is transposed: here, once a window, not the network once a block.
        columns = xp.ascontiguousarray(xp.swapaxes(x, 2, 3))
        steps = constants.steps(step, count)
        neurons, replicas = np.int32(job.neurons), len(job.laws)
        size = job.neurons * job.kind.parameters
        grid = (-(-size // (4 * COPY_THREADS)), replicas)
        for start in range(0, count, block):
            index = start // block
            done = min(block, count - start)
            # One product a block: cuBLAS may choose the order of its sums by the number of products
            # of a call, which for all blocks would depend on how far the next snapshot is.
            xp.matmul(x[index], columns[index], out=self._gram)
            xp.matmul(theta, columns[index], out=self._hidden)
            place = np.int32(count), np.int32(start)
            self._recurrence(
                (replicas, 1),
                (self._hidden, theta, self._outer, neurons, x[index], self._scaled, self._gram,
                 y[index], constants.group, steps.rates, steps.gammas, *place, np.int32(done),
                 np.uint64(step + start), np.uint64(counted), self._shrink, squares, failed),
            )  # fmt: skip
            xp.matmul(self._hidden, self._scaled, out=self._change)
            self._move(
                grid,
                (theta, self._change, self._shrink, np.int64(size), constants.group, steps.scales,
                 *place, constants.seeds, np.uint64(step + start)),
            )  # fmt: skip

    def _samples(self, step: int, blocks: int) -> tuple[Any, Any]:
        """Return x (blocks, R, block, D), in rows x or (0, 1, x), and y (blocks, R, block)."""
        job, xp, constants, block = self._job, self._device.xp, self._constants, self.unit
        kind, replicas = job.kind, len(job.laws)
        shape = (blocks, replicas, block, kind.parameters)
        if self._draw is not None:
            x, y = xp.empty(shape, dtype=np.float32), xp.empty(shape[:3], dtype=np.float32)
            quads = blocks * replicas * block * (kind.inputs // 4)
            self._draw(
                (-(-quads // COPY_THREADS), 1),
                (x, y, constants.seeds, constants.wide, constants.narrow, constants.informative,
                 np.int32(replicas), np.uint64(step), np.int32(blocks)),
            )  # fmt: skip
            return x, y
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


def window(job: Job) -> int:
    """Return the steps whose samples are on the device at once."""
    room = _SAMPLE_BYTES // (4 * (2 * job.kind.parameters + 1) * len(job.laws))
    return min(_WINDOW, 2 ** (max(room, BLOCK).bit_length() - 1))


def needed_bytes(job: Job) -> int:
    """Return the memory that a replica takes on the device."""
    block, parameters = block_of(job), job.kind.parameters
    # The parameters, their change, and a copy at a snapshot.
    networks = 3 * job.neurons * parameters
    samples = window(job) * (2 * parameters + 1) + block * (parameters + block)
    return 4 * (networks + samples + job.neurons * (block + 2)) + 16 * window(job)
