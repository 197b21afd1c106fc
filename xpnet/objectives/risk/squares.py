"""A risk of squared errors as a sum of squares: residuals, Jacobian `J`, and `J'J`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...device.arrays import Array, Matrix, Scalar, Units, Vector
from ...distributed import Communicator
from ...distributed.tree import added
from ...divergences import Divergence, SquaredError
from ...network import Parameters
from ..matrices import require_memory
from .accumulate import SampleAccumulator
from .chunks import Chunks, parts
from .data import Chunk
from .passes import Passes
from .penalties import L2, Penalties, Penalty
from .terms import one_hot

MATRIX_GROUPS = 4  # the most partial matrices held at once
JACOBIAN_BYTES = 2**24  # of the rows of a Jacobian that are multiplied at once


def lacking(divergence: Divergence, penalties: Sequence[Penalty]) -> str:
    """Why a risk is no sum of squares; nothing if it is one."""
    if not isinstance(divergence, SquaredError):
        return f"only SquaredError has residuals, not {divergence!r}"
    for penalty in penalties:
        if not isinstance(penalty, L2):
            return f"only an L2 penalty is a sum of squares, not {penalty!r}"
    return ""


@dataclass(frozen=True, eq=False)
class Squares:
    """A risk as `1/2 r'r` at `w` and the parameters that it holds; who asks sees to `backend.working()`.

    Where there are several processes, all get the residuals and rows of all, in the order of their ranks;
    the last one adds those of the penalties.
    """

    passes: Passes
    chunks: Chunks
    penalties: Penalties
    communicator: Communicator

    def residuals(self, parameters: Parameters, w: Vector) -> Vector:
        """`r`: those of the samples, and of each penalty `(P,)` more."""
        passes, chunks, xp = self.passes, self.chunks, self.passes.backend.xp

        def work(step: int) -> list[Vector]:
            found = [w[..., :0]]
            for chunk in passes.data.walk(parts(step, 0, chunks.samples)):
                outputs, _ = passes.forward(passes.network, xp, parameters, chunk)
                found.append(_residuals(passes, outputs, chunk))
            return found

        with self.communicator.together():
            found = chunks.in_memory(("residuals", tuple(w.shape)), work, chunks.chunk)
            found += [factor * w for factor in self._last().factors()]
            own = xp.concat(found, axis=-1)
        return self.communicator.gather(passes.backend, own, -1)

    def jacobian(self, parameters: Parameters, w: Vector) -> Matrix:
        """`J`, block by block."""
        passes, chunks, size = self.passes, self.chunks, int(w.shape[-1])
        backend, lead = passes.backend, tuple(w.shape[:-1])
        whole = passes.data.total * passes.network.outputs + size * len(self.penalties.items)
        require_memory(backend, "Jacobian", w, whole, size)
        own, penalties = chunks.samples * passes.network.outputs, self._last()
        rows = own + size * len(penalties.items)
        matrix = backend.xp.empty((*lead, rows, size), dtype=w.dtype, device=backend.device)

        def work(step: int) -> None:
            row = 0
            for chunk in passes.data.walk(parts(step, 0, chunks.samples)):
                _, block = _jacobian_block(passes, parameters, chunk, lead)
                matrix[..., row : row + block.shape[-2], :] = block
                row += block.shape[-2]

        with self.communicator.together():
            chunks.in_memory(("jacobian", tuple(w.shape)), work, self._block(w))
            for row, part in zip(range(own, rows, size), penalties.diagonals(), strict=True):
                matrix[..., row : row + size, :] = part
        return self.communicator.gather(backend, matrix, -2)

    def normal_equations(self, parameters: Parameters, w: Vector) -> tuple[Scalar, Vector, Matrix]:
        """The value, `J'r` and `J'J`, added up by threads and processes."""
        passes, chunks, backend = self.passes, self.chunks, self.passes.backend
        size, lead = int(w.shape[-1]), tuple(w.shape[:-1])
        spans = chunks.spans(MATRIX_GROUPS)
        require_memory(backend, "matrix J'J", w, size, size, copies=len(spans) + 2)
        threads = min(len(spans), chunks.threads_for(chunks.work * size))

        def work(step: int) -> list[Any]:
            tasks = [
                functools.partial(_normal, passes, parameters, w, parts(step, *span)) for span in spans
            ]
            return chunks.add(tasks, threads)

        def own() -> list[Any]:
            return chunks.in_memory(("normal_equations", tuple(w.shape)), work, self._block(w))

        places = [(lead, backend.accumulator), (tuple(w.shape), w.dtype), ((*w.shape, size), w.dtype)]
        value, gradient, matrix = self.communicator.sum(backend, own, places)
        self.penalties.add_gradient(passes.backend.xp, gradient, w)
        for part in self.penalties.diagonals():
            matrix += part * part
        return self.penalties.with_value(passes.backend.xp, value, w), gradient, matrix

    def _last(self) -> Penalties:
        """The penalties, in the process whose rows are the last."""
        here = self.communicator.rank == self.communicator.size - 1
        return self.penalties if here else self.penalties.without()

    def _block(self, w: Vector) -> int:
        """Samples in a block of rows of the Jacobian."""
        numbers = w.size * self.passes.network.outputs
        return max(16, JACOBIAN_BYTES // (numbers * self.passes.data.item))


def _normal(
    passes: Passes, parameters: Parameters, w: Vector, group: Sequence[slice]
) -> tuple[Scalar, Vector, Matrix]:
    """What `group` adds to `1/2 r'r`, `J'r` and `J'J`."""
    xp, lead = passes.backend.xp, tuple(w.shape[:-1])
    sums: list[Array] = []
    for chunk in passes.data.walk(group):
        r, block = _jacobian_block(passes, parameters, chunk, lead)
        terms = [
            0.5 * xp.sum(r * r, axis=-1, dtype=passes.backend.accumulator),
            (r[..., None, :] @ block)[..., 0, :],
            block.mT @ block,
        ]
        sums = [added(pair) for pair in zip(sums, terms, strict=True)] if sums else terms
    if not sums:
        sums = [xp.zeros(lead, dtype=passes.backend.accumulator, device=passes.backend.device)]
        sums += [xp.zeros_like(w), w[..., None] * xp.zeros_like(w)[..., None, :]]
    value, gradient, matrix = sums
    return value, gradient, matrix


def _residuals(passes: Passes, outputs: Units, chunk: Chunk) -> Vector:
    """Those of a chunk, sample by sample, `(..., samples * outputs)`."""
    xp, data, targets = passes.backend.xp, passes.data, chunk.targets
    if data.labels:
        targets = one_hot(xp, targets, data.classes, data.dtype)
    errors = (outputs - targets) * _root(passes, chunk)[..., None, :]
    return xp.reshape(errors.mT, (*outputs.shape[:-2], -1))


def _root(passes: Passes, chunk: Chunk) -> Array:
    """What a sample's error counts in its residual, `(samples,)`; or one number for all."""
    if chunk.weights is None:
        return passes.data.total**-0.5 * passes.ones[:1]
    return passes.backend.xp.sqrt(chunk.weights / passes.data.total)


def _jacobian_block(
    passes: Passes, parameters: Parameters, chunk: Chunk, lead: tuple[int, ...]
) -> tuple[Vector, Matrix]:
    """The residuals of some samples and their derivatives, `(..., samples * outputs, P)`.

    By one backward pass for each output.
    """
    backend, network = passes.backend, passes.network
    xp = backend.xp
    outputs, caches = passes.forward(network, xp, parameters, chunk)
    units, samples = network.outputs, int(outputs.shape[-1])
    block = xp.empty((*lead, samples, units, network.size), dtype=passes.data.dtype, device=backend.device)
    for unit in range(units):
        views = network.parameters(block[..., unit, :], xp)
        gradient = xp.zeros_like(outputs)
        gradient[..., unit, :] = _root(passes, chunk)
        accumulators = [SampleAccumulator(backend, view) for view in views]
        network.backward(xp, parameters, list(caches), gradient, accumulators)
    rows = xp.reshape(block, (*lead, samples * units, network.size))
    return _residuals(passes, outputs, chunk), rows
