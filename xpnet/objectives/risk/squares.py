"""A risk of squared errors as a sum of squares: residuals, Jacobian `J`, and `J'J`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from ...device.arrays import Array, Matrix, Scalar, Units, Vector
from ...divergences import Divergence, SquaredError
from ...network import Parameters
from .accumulate import SampleAccumulator
from .chunks import added, parts
from .data import Chunk
from .passes import Passes
from .penalties import L2, Penalty
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


def block_samples(passes: Passes, w: Vector) -> int:
    """Samples in a block of rows of the Jacobian at `w`."""
    return max(16, JACOBIAN_BYTES // (w.size * passes.network.outputs * passes.data.item))


def residuals(passes: Passes, parameters: Parameters, group: Sequence[slice]) -> list[Vector]:
    """Those of each of `group`, `(..., samples * outputs)`."""
    found: list[Vector] = []
    for chunk in passes.data.walk(group):
        outputs, _ = passes.forward(passes.backend.xp, parameters, chunk)
        found.append(_residuals(passes, outputs, chunk))
    return found


def fill_jacobian(passes: Passes, parameters: Parameters, group: Sequence[slice], matrix: Matrix) -> None:
    """Writes the rows of the Jacobian of `group`, which begin with the first sample, into `matrix`."""
    row = 0
    for chunk in passes.data.walk(group):
        _, block = _jacobian_block(passes, parameters, chunk, tuple(matrix.shape[:-2]))
        matrix[..., row : row + block.shape[-2], :] = block
        row += block.shape[-2]


def normal_tasks(
    passes: Passes, parameters: Parameters, lead: tuple[int, ...], groups: int, step: int
) -> list[Callable[[], tuple[Scalar, Vector, Matrix]]]:
    """`_normal` of so many groups of all samples, `step` at a time, to be added up in this order."""
    ends = [passes.data.samples * k // groups for k in range(groups + 1)]
    return [
        functools.partial(_normal, passes, parameters, lead, parts(step, *pair)) for pair in pairwise(ends)
    ]


def _normal(
    passes: Passes, parameters: Parameters, lead: tuple[int, ...], group: Sequence[slice]
) -> tuple[Scalar, Vector, Matrix]:
    """What `group` add to `1/2 r'r`, `J'r` and `J'J`; `lead` is `(R,)` where there are replicas."""
    xp = passes.backend.xp
    sums: list[Array] = []
    for chunk in passes.data.walk(group):
        r, block = _jacobian_block(passes, parameters, chunk, lead)
        terms = [
            0.5 * xp.sum(r * r, axis=-1, dtype=passes.backend.accumulator),
            (r[..., None, :] @ block)[..., 0, :],
            block.mT @ block,
        ]
        sums = [added(pair) for pair in zip(sums, terms, strict=True)] if sums else terms
    value, gradient, matrix = sums
    return value, gradient, matrix


def _residuals(passes: Passes, outputs: Units, chunk: Chunk) -> Vector:
    """Those of a chunk, sample by sample, `(..., samples * outputs)`."""
    xp, data, targets = passes.backend.xp, passes.data, chunk.targets
    if data.labels:
        targets = one_hot(xp, targets, data.classes, data.dtype)
    errors = (outputs - targets) * _root(passes, chunk)
    return xp.reshape(errors.mT, (*outputs.shape[:-2], -1))


def _root(passes: Passes, chunk: Chunk) -> Any:
    """What a sample's error counts in its residual."""
    if chunk.weights is None:
        return passes.data.samples**-0.5
    return passes.backend.xp.sqrt(chunk.weights / passes.data.samples)


def _jacobian_block(
    passes: Passes, parameters: Parameters, chunk: Chunk, lead: tuple[int, ...]
) -> tuple[Vector, Matrix]:
    """The residuals of some samples and their derivatives, `(..., samples * outputs, P)`.

    By one backward pass for each output.
    """
    backend, network = passes.backend, passes.network
    xp = backend.xp
    outputs, caches = passes.forward(xp, parameters, chunk)
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
