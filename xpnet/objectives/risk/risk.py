"""The empirical risk of a network: the mean divergence over all samples, and its full gradient.

The samples are walked in fixed chunks, each small enough that its activations stay in the cache (on a
GPU: in memory), so that memory does not grow with the number of samples. Consecutive chunks form groups;
a group adds its chunks into one partial gradient, in order, and the partial gradients are added in the
order of the groups. Threads take whole groups, so the bits of the result do not depend on how many
threads there are.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from ... import checks
from ...device.arrays import Array
from ...device.backend import Backend
from ...device.blas import hold_blas
from ...device.machine import available
from ...device.select import backend as choose_backend
from ...device.threads import run_all
from ...divergences import Divergence, SquaredError
from ...dual import Dual, Namespace, tangent_of, values_of
from ...network import Network, Parameters
from ..base import Objective, check_direction, require_memory
from ..offers import Offers
from .accumulate import Accumulator, SampleAccumulator, TangentAccumulator
from .data import Chunk, Data
from .penalties import L2, Penalty
from .terms import divergence_rules, one_hot, total, weighted_total

logger = logging.getLogger("xpnet")

# Measured on NumPy, see ci/results. A chunk holds about CHUNK_BYTES of activations, but not so few samples
# that threads wait for the interpreter lock between short calls, or that adding up the weight gradients
# costs more than their products. Below THREAD_WORK multiplications a second thread does not pay.
CHUNK_BYTES = 2**22
CHUNK_SAMPLES = 1000
THREAD_WORK = 4_000_000
GROUPS = 16  # the most partial gradients held at once
MATRIX_GROUPS = 4  # the most partial matrices held at once
JACOBIAN_BYTES = 2**24  # of the rows of a Jacobian that are multiplied at once


SQUARES = Offers.RESIDUALS | Offers.JACOBIAN | Offers.NORMAL_EQUATIONS


class EmpiricalRisk(Objective):
    """`Err(w) = sum_t c_t Div(Y_t, d_t) / sum_t c_t + penalties`, with its gradient over all samples.

    Args:
        network: the network that makes outputs `Y` of `X`.
        divergence: of outputs from targets. Softmax with cross-entropy and sigmoid with binary
            cross-entropy are evaluated from the logits.
        X: `(samples, features)`, as an array of NumPy or CuPy, nested lists, or anything with
            `__array__` or DLPack. Not copied if it is on the backend and of `dtype` already. Or what has
            `shape`, `dtype` and `X[start:stop]`, such as a data set of h5py or zarr.
        targets: `(samples, outputs)`; or `(samples,)`: class labels 0, 1, ... as integers, or, for a
            network with one output, its targets.
        backend: as `xpnet.backend` takes it.
        dtype: "float32" or "float64": of parameters, gradients, and all work. Values are summed in
            float64 wherever the device has it.
        sample_weight: `c`, `(samples,)`, not negative; all 1 if not given.
        penalty: an `L2` or `L1`, or a sequence of them.
        chunk: samples in a chunk; chosen from the network's size if not given.
        threads: the most threads to use on NumPy; all processors if not given. Each evaluation holds
            the host's BLAS to one thread and gives it back afterwards.
        resident: whether X, and targets `(samples, outputs)`, are kept on the device. If False they stay
            on the host, or in their file, and each evaluation reads them chunk by chunk, in threads of
            its own; arrays of CuPy stay where they are. "auto" reads them so if those to be copied would
            take more than half of the free memory, and on NumPy also if they are memory maps or no
            arrays.
        training: whether a network with `Dropout` leaves units out, and then it must be said; the same
            ones at each evaluation, until `redraw` gives a risk with others.

    `w` is `(P,)`, or `(R, P)` for R replicas, of `dtype` and on the backend. Where memory runs out in an
    evaluation it is begun again with chunks half as large, which the log says.

    Raises:
        TypeError: arguments of the wrong type; objects or strings as data.
        ValueError: empty data, lengths or widths that differ, NaN or infinity, labels that are not
            integers from 0 to outputs - 1, targets outside what the divergence takes.
        BackendError: as `xpnet.backend`.
        MemoryError: an evaluation does not fit in memory even with one sample in a chunk.
    """

    def __init__(
        self,
        network: Network,
        divergence: Divergence,
        X: Any,
        targets: Any,
        *,
        backend: Backend | str | None = None,
        dtype: Any = "float32",
        sample_weight: Any = None,
        penalty: Penalty | Sequence[Penalty] | None = None,
        chunk: int | None = None,
        threads: int | None = None,
        resident: bool | str = "auto",
        training: bool | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"network must be a Network, got {network!r}")
        if training is None and network.has_dropout:
            raise ValueError(
                "training must be given as the network has Dropout: True to train with it, "
                "False for a held-out risk without"
            )
        if not isinstance(divergence, Divergence):
            raise TypeError(f"divergence must be a Divergence such as CrossEntropy(), got {divergence!r}")
        penalties = [penalty] if isinstance(penalty, Penalty) else penalty or []
        if not isinstance(penalties, list | tuple) or not all(
            isinstance(item, Penalty) for item in penalties
        ):
            raise TypeError(f"penalty must be L2, L1, or a sequence of them, got {penalty!r}")
        if chunk is not None:
            checks.count("chunk", chunk)
        if threads is not None:
            checks.count("threads", threads)

        self.backend = choose_backend(backend)
        self.dtype = self.backend.dtype(dtype)
        self.network, self.divergence = network, divergence
        activation = getattr(network.layers[-1], "activation", None)
        self._divergence = divergence.logits.get(getattr(activation, "name", ""), divergence)
        self._network = network if self._divergence is divergence else network.on_logits()

        self._random, self._draw = bool(training) and network.has_dropout, 0
        with self.backend.quiet():
            self.data = Data(
                self.backend,
                network,
                divergence,
                X,
                targets,
                sample_weight,
                self.dtype,
                resident,
                numbered=self._random,
            )
            self.penalties = [(item, self._mask(item)) for item in penalties]
        self._value, self._gradient = divergence_rules(
            self._divergence, labels=self.data.labels, weighted=sample_weight is not None
        )
        squares = isinstance(self._divergence, SquaredError) and all(
            isinstance(item, L2) for item in penalties
        )
        self.lacks = Offers.NOTHING if squares else SQUARES
        if not self._random:
            self.lacks |= Offers.REDRAW

        self._hold = contextlib.nullcontext if self.backend.name == "cupy" else hold_blas
        self._wanted_chunk, self._wanted_threads = chunk, threads
        self._ones: Array = None
        self._plan()
        self.backend.synchronize()  # so that it can be used on any stream

    @property
    def X(self) -> Array:
        """`(samples, features)`: on the device, or what was handed over where it streams."""
        return self.data.X

    def _plan(self) -> None:
        """Chunks, their groups, and the number of threads, for the samples that there are."""
        self.samples = self.data.samples
        self._work = self.samples * self.network.size
        self.chunk = self._wanted_chunk or self._default_chunk()
        length = min(self.chunk, self.samples)
        if self._ones is None or self._ones.shape[0] < length:
            with self.backend.quiet():
                xp = self.backend.xp
                self._ones = xp.ones(length, dtype=self.dtype, device=self.backend.device)
        chunks = self._slices(self.chunk, 0, self.samples)
        # groups are for threads; on CuPy one pass through the chunks keeps the device busy
        groups = 1 if self.backend.name == "cupy" else min(len(chunks), GROUPS)
        ends = [len(chunks) * k // groups for k in range(groups + 1)]
        self._groups = [chunks[ends[k] : ends[k + 1]] for k in range(groups)]
        self.threads = min(self._threads_for(self._work), groups)

    def _threads_for(self, work: float) -> int:
        small = work < THREAD_WORK or self.backend.name == "cupy"
        return 1 if small else self._wanted_threads or available()

    def value(self, w: Array) -> Array:
        parameters = self._parameters(w)
        with self.backend.quiet(), self._hold():
            value = self._sum_over_groups(self._group_value, parameters)[0]
            return self._with_penalties(value, w)

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        parameters = self._parameters(w)
        with self.backend.quiet(), self._hold():
            value, gradient = self._sum_over_groups(self._group_gradient, parameters, tuple(w.shape))
            for penalty, mask in self.penalties:
                penalty.add_gradient(self.backend.xp, gradient, w, mask)
            return self._with_penalties(value, w), gradient

    def hessian_product(self, w: Array, v: Array) -> Array:
        """`H v`, exact (Pearlmutter 1994): the gradient's code run on dual numbers.

        `v` of shape `(K, *w.shape)` gives K products for the price of fewer.
        """
        self._parameters(w)
        check_direction(self.backend, w, v)
        dual = Namespace(self.backend.xp)
        parameters = self._network.parameters(Dual(w, v), dual)
        with self.backend.quiet(), self._hold():
            product = self._sum_over_groups(self._group_hessian, dual, parameters, tuple(v.shape))[0]
            return self._with_penalty_products(product, v)

    def gauss_newton_product(self, w: Array, v: Array) -> Array:
        """`J' H_L J v` with the Jacobian `J` of the outputs (with softmax and cross-entropy or sigmoid
        and binary cross-entropy: of the logits) and the divergence's Hessian `H_L` (Schraudolph 2002).

        `v` of shape `(K, *w.shape)` gives K products for the price of fewer.
        """
        parameters = self._parameters(w)
        check_direction(self.backend, w, v)
        dual = Namespace(self.backend.xp)
        duals = self._network.parameters(Dual(w, v), dual)
        with self.backend.quiet(), self._hold():
            product = self._sum_over_groups(
                self._group_gauss_newton, dual, parameters, duals, tuple(v.shape)
            )[0]
            return self._with_penalty_products(product, v)

    def residuals(self, w: Array) -> Array:
        """`sqrt(c_t / sum c) (Y_t - d_t)` for all samples and outputs, `(samples * outputs,)`, for
        `SquaredError`; with an `L2` penalty also `sqrt(strength) w`, `(P,)` more.
        """
        self._require_squares()
        parameters = self._parameters(w)
        with self.backend.quiet(), self._hold():
            parts = self._in_memory(lambda: self._all_residuals(parameters))
            parts += [factor * w for factor in self._penalty_factors()]
            return self.backend.xp.concat(parts, axis=-1)

    def jacobian(self, w: Array) -> Array:
        """The derivatives of the residuals, by one backward pass for each output."""
        self._require_squares()
        parameters = self._parameters(w)
        xp, size = self.backend.xp, self.network.size
        factors = self._penalty_factors()
        rows = self.samples * self.network.outputs + size * len(factors)
        require_memory("Jacobian", w, rows, size)
        lead = tuple(w.shape[:-1])
        matrix = xp.empty((*lead, rows, size), dtype=self.dtype, device=self.backend.device)
        row = 0
        with self.backend.quiet(), self._hold():
            parts = self._slices(self._jacobian_step(w), 0, self.samples)
            for chunk in self.data.walk(parts):
                _, block = self._jacobian_block(parameters, chunk, lead)
                matrix[..., row : row + block.shape[-2], :] = block
                row += block.shape[-2]
            for factor in factors:
                eye = xp.eye(size, dtype=self.dtype, device=self.backend.device)
                matrix[..., row : row + size, :] = factor * eye
                row += size
        return matrix

    def normal_equations(self, w: Array) -> tuple[Array, Array, Array]:
        """The value, the gradient and `J'J`, block by block."""
        self._require_squares()
        parameters = self._parameters(w)
        size, lead, step = self.network.size, tuple(w.shape[:-1]), self._jacobian_step(w)
        groups = min(MATRIX_GROUPS, self.samples)
        require_memory("matrix J'J", w, size, size, copies=groups + 2)
        ends = [self.samples * k // groups for k in range(groups + 1)]
        tasks = [
            functools.partial(
                self._group_normal, parameters, lead, self._slices(step, ends[k], ends[k + 1])
            )
            for k in range(groups)
        ]
        with self.backend.quiet(), self._hold():
            parts = run_all(tasks, min(groups, self._threads_for(self._work * size)))
            value, gradient, matrix = [_sum(part) for part in zip(*parts, strict=True)]
            for penalty, mask in self.penalties:
                penalty.add_gradient(self.backend.xp, gradient, w, mask)
            for factor in self._penalty_factors():
                eye = self.backend.xp.eye(size, dtype=self.dtype, device=self.backend.device)
                matrix += factor * factor * eye
            return self._with_penalties(value, w), gradient, matrix

    def subset(self, samples: Array) -> EmpiricalRisk:
        """The risk on the samples of these numbers, with the same penalties."""
        part = copy.copy(self)
        with self.backend.quiet():
            part.data = self.data.subset(samples)
        part._plan()
        return part

    def redraw(self, draw: int) -> EmpiricalRisk:
        """The risk with other masks of dropout, those of the draw of this number."""
        if not self._random:
            raise NotImplementedError("a risk without dropout, or not in training, has nothing random")
        other = copy.copy(self)
        other._draw = checks.count("draw", draw, 0)
        return other

    def _require_squares(self) -> None:
        if not isinstance(self._divergence, SquaredError):
            raise NotImplementedError(f"only SquaredError has residuals, not {self.divergence!r}")
        for penalty, _ in self.penalties:
            if not isinstance(penalty, L2):
                raise NotImplementedError(f"only an L2 penalty is a sum of squares, not {penalty!r}")

    def _penalty_factors(self) -> list[Array]:
        return [penalty.strength**0.5 * mask for penalty, mask in self.penalties]

    def _all_residuals(self, parameters: Parameters) -> list[Array]:
        parts = []
        for chunk in self.data.walk(self._slices(self.chunk, 0, self.samples)):
            outputs, _ = self._forward(self.backend.xp, parameters, chunk)
            parts.append(self._residuals(outputs, chunk))
        return parts

    def _residuals(self, outputs: Array, chunk: Chunk) -> Array:
        """Those of a chunk, sample by sample, `(..., samples * outputs)`."""
        targets = chunk.targets
        if self.data.labels:
            targets = one_hot(self.backend.xp, targets, self.data.classes, self.dtype)
        errors = (outputs - targets) * self._root(chunk.weights)
        return self.backend.xp.reshape(errors.mT, (*outputs.shape[:-2], -1))

    def _root(self, weights: Array | None) -> Any:
        """What a sample's error counts in its residual."""
        if weights is None:
            return self.data.total**-0.5
        return self.backend.xp.sqrt(weights / self.data.total)

    def _jacobian_step(self, w: Array) -> int:
        """Samples in a block of rows of the Jacobian."""
        return max(16, JACOBIAN_BYTES // (w.size * self.network.outputs * self.data.item))

    def _slices(self, step: int, start: int, stop: int) -> list[slice]:
        return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]

    def _jacobian_block(
        self, parameters: Parameters, chunk: Chunk, lead: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """The residuals of some samples and their derivatives, `(..., samples * outputs, P)`."""
        xp = self.backend.xp
        outputs, caches = self._forward(xp, parameters, chunk)
        units, samples = self.network.outputs, int(outputs.shape[-1])
        shape = (*lead, samples, units, self.network.size)
        block = xp.empty(shape, dtype=self.dtype, device=self.backend.device)
        for unit in range(units):
            own = block[..., unit, :]
            views = self._network.parameters(own, xp)
            gradient = xp.zeros_like(outputs)
            gradient[..., unit, :] = self._root(chunk.weights)
            accumulators = [SampleAccumulator(self.backend, view) for view in views]
            self._network.backward(xp, parameters, list(caches), gradient, accumulators)
        rows = xp.reshape(block, (*lead, samples * units, self.network.size))
        return self._residuals(outputs, chunk), rows

    def _group_normal(
        self, parameters: Parameters, lead: tuple[int, ...], parts: list[slice]
    ) -> tuple[Array, Array, Array]:
        xp = self.backend.xp
        sums: list[Array] = []
        with self.backend.quiet():
            for chunk in self.data.walk(parts):
                residuals, block = self._jacobian_block(parameters, chunk, lead)
                terms = [
                    0.5 * xp.sum(residuals * residuals, axis=-1, dtype=self.backend.accumulator),
                    (residuals[..., None, :] @ block)[..., 0, :],
                    block.mT @ block,
                ]
                sums = [_sum(pair) for pair in zip(sums, terms, strict=True)] if sums else terms
        value, gradient, matrix = sums
        return value, gradient, matrix

    def _parameters(self, w: Array) -> Parameters:
        self.backend.check("w", w, self.dtype)
        if w.ndim not in (1, 2):
            raise ValueError(f"w must be (P,) or (R, P), got shape {tuple(w.shape)}")
        return self._network.parameters(w, self.backend.xp)

    def _with_penalties(self, value: Array, w: Array) -> Array:
        for penalty, mask in self.penalties:
            value = value + penalty.value(self.backend.xp, w, mask, self.backend.accumulator)
        return value

    def _with_penalty_products(self, product: Array, v: Array) -> Array:
        for penalty, mask in self.penalties:
            product += penalty.hessian_product(v, mask)
        return product

    def _sum_over_groups(self, function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
        """The sums of the arrays that `function(*arguments, group)` returns for each group."""

        def work() -> list[Any]:
            tasks = [functools.partial(function, *arguments, group) for group in self._groups]
            return [_sum(part) for part in zip(*run_all(tasks, self.threads), strict=True)]

        return self._in_memory(work)

    def _in_memory(self, work: Callable[[], list[Any]]) -> list[Any]:
        """What `work` returns; where memory runs out it is begun again with chunks half as large."""
        while True:
            try:
                return work()
            except MemoryError as error:
                before = min(self.chunk, self.samples)
                if before == 1:
                    raise MemoryError(
                        f"out of memory on {self.backend.describe()} even with one sample in a chunk; "
                        "fewer replicas or directions, or dtype='float32', take less"
                    ) from error
            # out here nothing holds the arrays of what failed
            self._wanted_chunk = before // 2
            self._plan()
            logger.warning(
                "out of memory on %s with chunks of %d samples; beginning again with %d",
                self.backend.describe(),
                before,
                self.chunk,
            )

    def _group_value(self, parameters: Parameters, group: list[slice]) -> tuple[Array]:
        xp, values = self.backend.xp, []
        with self.backend.quiet():
            for chunk in self.data.walk(group):
                outputs, _ = self._forward(xp, parameters, chunk)
                value = self._value(xp, outputs, chunk.targets, self.data.classes)
                values.append(self._mean(value, chunk.weights))
        return (_sum(values),)

    def _group_gradient(
        self, parameters: Parameters, shape: tuple[int, ...], group: list[slice]
    ) -> tuple[Array, Array]:
        xp, values = self.backend.xp, []
        total, accumulators = self._accumulators(shape)
        with self.backend.quiet():
            for chunk in self.data.walk(group):
                outputs, caches = self._forward(xp, parameters, chunk)
                value, gradient = self._terms(xp, outputs, chunk)
                values.append(self._mean(value, chunk.weights))
                self._network.backward(xp, parameters, caches, gradient, accumulators)
        return _sum(values), total

    def _group_hessian(
        self, xp: Any, parameters: Parameters, shape: tuple[int, ...], group: list[slice]
    ) -> tuple[Array]:
        total, accumulators = self._accumulators(shape)
        with self.backend.quiet():
            for chunk in self.data.walk(group):
                outputs, caches = self._forward(xp, parameters, chunk)
                _, gradient = self._terms(xp, outputs, chunk)
                tangents = [TangentAccumulator(own) for own in accumulators]
                self._network.backward(xp, parameters, caches, gradient, tangents)
        return (total,)

    def _group_gauss_newton(
        self,
        xp: Any,
        parameters: Parameters,
        duals: Parameters,
        shape: tuple[int, ...],
        group: list[slice],
    ) -> tuple[Array]:
        total, accumulators = self._accumulators(shape)
        with self.backend.quiet():
            for chunk in self.data.walk(group):
                outputs, caches = self._forward(xp, duals, chunk)
                _, gradient = self._terms(xp, outputs, chunk)
                tangent = tangent_of(xp.xp, gradient, outputs)
                self._network.backward(xp.xp, parameters, values_of(caches), tangent, accumulators)
        return (total,)

    def _accumulators(self, shape: tuple[int, ...]) -> tuple[Array, list[Accumulator]]:
        """A flat array, and for each layer what adds to its parts; the first time it sets them."""
        total = self.backend.xp.empty(shape, dtype=self.dtype, device=self.backend.device)
        views = self._network.parameters(total, self.backend.xp)
        return total, [Accumulator(self.backend, own, self._ones) for own in views]

    def _forward(self, xp: Any, parameters: Parameters, chunk: Chunk) -> tuple[Any, list[Any]]:
        """The outputs of some samples, and the caches of the layers."""
        if chunk.numbers is not None:
            parameters = self._network.with_masks(
                self.backend.xp, parameters, chunk.numbers, self._draw, self.dtype
            )
        return self._network.forward(xp, parameters, chunk.inputs)

    def _terms(self, xp: Any, outputs: Any, chunk: Chunk) -> tuple[Any, Any]:
        """The divergence of each sample of a chunk, and what its outputs add to the mean's gradient."""
        weights = self._ones[:1] if chunk.weights is None else chunk.weights
        scale = 1.0 / self.data.total
        return self._gradient(xp, outputs, chunk.targets, self.data.classes, weights, scale=scale)

    def _mean(self, values: Array, weights: Array | None) -> Array:
        """What `values`, one for each sample of a chunk, add to the mean over all samples."""
        options = {"factor": 1.0 / self.data.total, "dtype": self.backend.accumulator}
        if weights is None:
            return total.sum(self.backend.xp, values, **options)
        return weighted_total.sum(self.backend.xp, values, weights, **options)

    def _mask(self, penalty: Penalty) -> Array:
        mask = self.backend.xp.ones(self.network.size, dtype=self.dtype, device=self.backend.device)
        if not penalty.biases:
            for name in self.network.layout.shapes:
                if name.endswith((".bias", ".scale")):
                    mask[self.network.layout.slice(name)] = 0.0
        return mask

    def _default_chunk(self) -> int:
        item = self.data.item
        sample = self.network.activation_size * item
        if self.backend.name == "cupy":
            fits = min(max(1, self.backend.free_memory() // (4 * sample)), self.data.most)
            return math.ceil(self.samples / math.ceil(self.samples / fits))
        chunks = math.ceil(self.samples / max(CHUNK_SAMPLES, CHUNK_BYTES // sample))
        if self._work >= THREAD_WORK:
            chunks += chunks % 2  # so that two threads end together
        chunk = math.ceil(self.samples / chunks)
        # rows that are a multiple of a page apart fall on the same cache lines: 0.7 of the speed
        return chunk + 16 if chunk * item % 4096 == 0 else chunk

    def __repr__(self) -> str:
        return (
            f"EmpiricalRisk({self.network!r}, {self.divergence!r}, samples={self.samples}, "
            f"backend={self.backend.name!r}, dtype={checks.dtype_name(self.dtype)!r})"
        )


def _sum(parts: Sequence[Array]) -> Array:
    """The sum of `parts` in their order, in the memory of the first."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
