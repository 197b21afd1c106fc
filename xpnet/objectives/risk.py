"""The empirical risk of a network: the mean divergence over all samples, and its full gradient.

The samples are walked in fixed chunks, each small enough that its activations stay in the cache (on a
GPU: in memory), so that memory does not grow with the number of samples. Consecutive chunks form groups;
a group adds its chunks into one partial gradient, in order, and the partial gradients are added in the
order of the groups. Threads take whole groups, so the bits of the result do not depend on how many
threads there are.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import checks
from ..backend import Array, Backend
from ..backend import backend as choose_backend
from ..divergences import Divergence, SquaredError
from ..dual import Dual, Namespace, values_of
from ..network import Network, Parameters
from ..threads import available, hold_blas, run_all
from .accumulate import Accumulator, SampleAccumulator, TangentAccumulator
from .base import Objective, require_memory
from .penalties import L2, Penalty
from .terms import divergence_rules, one_hot, total, weighted_total

# Measured on NumPy, see ci/results. A chunk holds about CHUNK_BYTES of activations, but not so few samples
# that threads wait for the interpreter lock between short calls, or that adding up the weight gradients
# costs more than their products. Below THREAD_WORK multiplications a second thread does not pay.
CHUNK_BYTES = 2**22
CHUNK_SAMPLES = 1000
THREAD_WORK = 4_000_000
GROUPS = 16  # the most partial gradients held at once
MATRIX_GROUPS = 4  # the most partial matrices held at once
JACOBIAN_BYTES = 2**24  # of the rows of a Jacobian that are multiplied at once


class EmpiricalRisk(Objective):
    """`Err(w) = sum_t c_t Div(Y_t, d_t) / sum_t c_t + penalties`, with its gradient over all samples.

    Args:
        network: the network that makes outputs `Y` of `X`.
        divergence: of outputs from targets. Softmax with cross-entropy and sigmoid with binary
            cross-entropy are evaluated from the logits.
        X: `(samples, features)`, as an array of NumPy or CuPy, nested lists, or anything with
            `__array__` or DLPack. Not copied if it is on the backend and of `dtype` already.
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
        training: whether a network with `Dropout` leaves units out, and then it must be said; the same
            ones at each evaluation, until `redraw` gives a risk with others.

    `w` is `(P,)`, or `(R, P)` for R replicas, of `dtype` and on the backend.

    Raises:
        TypeError: arguments of the wrong type; objects or strings as data.
        ValueError: empty data, lengths or widths that differ, NaN or infinity, labels that are not
            integers from 0 to outputs - 1, targets outside what the divergence takes.
        BackendError: as `xpnet.backend`.
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
        xp = self.backend.xp
        self.dtype = self.backend.dtype(dtype)
        self.network, self.divergence = network, divergence
        activation = getattr(network.layers[-1], "activation", None)
        self._divergence = divergence.logits.get(getattr(activation, "name", ""), divergence)
        self._network = network if self._divergence is divergence else network.on_logits()

        self.X = network.check_inputs(self.backend, X, self.dtype)
        self.samples = int(self.X.shape[0])
        self.targets = _check_targets(
            self.backend, divergence, targets, self.samples, network.outputs, self.dtype
        )
        self._classes = xp.arange(network.outputs, dtype=self.dtype, device=self.backend.device)[:, None]
        self._labels = self.targets.ndim == 1
        if self._labels and 8 * network.outputs <= network.inputs:
            # little beside the data
            self.targets = one_hot(xp, self.targets, self._classes, self.dtype)
            self._labels = False
        self.sample_weight, self._total = None, float(self.samples)
        if sample_weight is not None:
            self.sample_weight = _check_weights(self.backend, sample_weight, self.samples, dtype)
            self._total = float(xp.sum(self.sample_weight, dtype=self.backend.accumulator))
        self._value, self._gradient = divergence_rules(
            self._divergence, labels=self._labels, weighted=sample_weight is not None
        )
        self.penalties = [(item, self._mask(item)) for item in penalties]
        self.squares = isinstance(self._divergence, SquaredError) and all(
            isinstance(item, L2) for item in penalties
        )

        self.random, self._draw = bool(training) and network.has_dropout, 0
        self._numbers = None  # of the samples, where their masks are drawn by them
        if self.random:
            self._numbers = xp.arange(self.samples, dtype=xp.uint32, device=self.backend.device)
        self._wanted_chunk, self._wanted_threads = chunk, threads
        self._plan()

    def _plan(self) -> None:
        """Chunks, their groups, and the number of threads, for the samples that there are."""
        self._work = self.samples * self.network.size
        self.chunk = self._wanted_chunk or self._default_chunk()
        xp = self.backend.xp
        self._ones = xp.ones(min(self.chunk, self.samples), dtype=self.dtype, device=self.backend.device)
        chunks = math.ceil(self.samples / self.chunk)
        groups = min(chunks, GROUPS)
        self._groups = [range(chunks * k // groups, chunks * (k + 1) // groups) for k in range(groups)]
        self.threads = min(self._threads_for(self._work), groups)

    def _threads_for(self, work: float) -> int:
        small = work < THREAD_WORK or self.backend.name == "cupy"
        return 1 if small else self._wanted_threads or available()

    def value(self, w: Array) -> Array:
        parameters = self._parameters(w)
        with self.backend.quiet(), hold_blas():
            value = self._sum_over_groups(self._group_value, parameters)[0]
            return self._with_penalties(value, w)

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        parameters = self._parameters(w)
        with self.backend.quiet(), hold_blas():
            value, gradient = self._sum_over_groups(self._group_gradient, parameters, tuple(w.shape))
            for penalty, mask in self.penalties:
                penalty.add_gradient(self.backend.xp, gradient, w, mask)
            return self._with_penalties(value, w), gradient

    def hessian_product(self, w: Array, v: Array) -> Array:
        """`H v`, exact (Pearlmutter 1994): the gradient's code run on dual numbers.

        `v` of shape `(K, *w.shape)` gives K products for the price of fewer.
        """
        self._parameters(w)
        checks.direction(self.backend, w, v)
        dual = Namespace(self.backend.xp)
        parameters = self._network.parameters(Dual(w, v), dual)
        with self.backend.quiet(), hold_blas():
            product = self._sum_over_groups(self._group_hessian, dual, parameters, tuple(v.shape))[0]
            return self._with_penalty_products(product, v)

    def gauss_newton_product(self, w: Array, v: Array) -> Array:
        """`J' H_L J v` with the Jacobian `J` of the outputs (with softmax and cross-entropy or sigmoid
        and binary cross-entropy: of the logits) and the divergence's Hessian `H_L` (Schraudolph 2002).

        `v` of shape `(K, *w.shape)` gives K products for the price of fewer.
        """
        parameters = self._parameters(w)
        checks.direction(self.backend, w, v)
        dual = Namespace(self.backend.xp)
        duals = self._network.parameters(Dual(w, v), dual)
        with self.backend.quiet(), hold_blas():
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
        parts = []
        with self.backend.quiet(), hold_blas():
            for part in self._slices(self.chunk, 0, self.samples):
                outputs, _, targets, weights = self._outputs(self.backend.xp, parameters, part)
                parts.append(self._residuals(outputs, targets, weights))
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
        with self.backend.quiet(), hold_blas():
            for part in self._slices(self._jacobian_step(w), 0, self.samples):
                _, block = self._jacobian_block(parameters, part, lead)
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
        with self.backend.quiet(), hold_blas():
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
        xp = self.backend.xp
        part = copy.copy(self)
        part.samples = int(samples.shape[0])
        part.X = xp.take(self.X, samples, axis=0)
        part.targets = xp.take(self.targets, samples, axis=-1)
        part._total = float(part.samples)
        if self.sample_weight is not None:
            part.sample_weight = xp.take(self.sample_weight, samples)
            part._total = float(xp.sum(part.sample_weight, dtype=self.backend.accumulator))
            if part._total == 0.0:
                raise ValueError("samples must not all have the weight 0")
        if self._numbers is not None:
            part._numbers = xp.take(self._numbers, samples)
        part._plan()
        return part

    def redraw(self, draw: int) -> EmpiricalRisk:
        """The risk with other masks of dropout, those of the draw of this number."""
        if not self.random:
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

    def _residuals(self, outputs: Array, targets: Array, weights: Array | None) -> Array:
        """Those of a chunk, sample by sample, `(..., samples * outputs)`."""
        if self._labels:
            targets = one_hot(self.backend.xp, targets, self._classes, self.dtype)
        errors = (outputs - targets) * self._root(weights)
        return self.backend.xp.reshape(errors.mT, (*outputs.shape[:-2], -1))

    def _root(self, weights: Array | None) -> Any:
        """What a sample's error counts in its residual."""
        if weights is None:
            return self._total**-0.5
        return self.backend.xp.sqrt(weights / self._total)

    def _jacobian_step(self, w: Array) -> int:
        """Samples in a block of rows of the Jacobian."""
        item = 8 if self.dtype == self.backend.xp.float64 else 4
        return max(16, JACOBIAN_BYTES // (w.size * self.network.outputs * item))

    def _slices(self, step: int, start: int, stop: int) -> list[slice]:
        return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]

    def _jacobian_block(
        self, parameters: Parameters, part: slice, lead: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """The residuals of some samples and their derivatives, `(..., samples * outputs, P)`."""
        xp = self.backend.xp
        outputs, caches, targets, weights = self._outputs(xp, parameters, part)
        units, samples = self.network.outputs, int(outputs.shape[-1])
        shape = (*lead, samples, units, self.network.size)
        block = xp.empty(shape, dtype=self.dtype, device=self.backend.device)
        for unit in range(units):
            own = block[..., unit, :]
            views = self._network.parameters(own, xp)
            gradient = xp.zeros_like(outputs)
            gradient[..., unit, :] = self._root(weights)
            accumulators = [SampleAccumulator(self.backend, view) for view in views]
            self._network.backward(xp, parameters, list(caches), gradient, accumulators)
        rows = xp.reshape(block, (*lead, samples * units, self.network.size))
        return self._residuals(outputs, targets, weights), rows

    def _group_normal(
        self, parameters: Parameters, lead: tuple[int, ...], parts: list[slice]
    ) -> tuple[Array, Array, Array]:
        xp = self.backend.xp
        sums: list[Array] = []
        with self.backend.quiet():
            for part in parts:
                residuals, block = self._jacobian_block(parameters, part, lead)
                terms = [
                    0.5 * xp.sum(residuals * residuals, axis=-1, dtype=self.backend.accumulator),
                    (residuals[..., None, :] @ block)[..., 0, :],
                    block.mT @ block,
                ]
                sums = [_sum(pair) for pair in zip(sums, terms, strict=True)] if sums else terms
        value, gradient, matrix = sums
        return value, gradient, matrix

    def _parameters(self, w: Array) -> Parameters:
        checks.same_place(self.backend, "w", w, self.dtype)
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
        tasks = [functools.partial(function, *arguments, group) for group in self._groups]
        parts = run_all(tasks, self.threads)
        return [_sum(part) for part in zip(*parts, strict=True)]

    def _group_value(self, parameters: Parameters, group: range) -> tuple[Array]:
        xp, values = self.backend.xp, []
        with self.backend.quiet():
            for number in group:
                outputs, _, targets, weights = self._outputs(xp, parameters, self._slice(number))
                values.append(self._mean(self._value(xp, outputs, targets, self._classes), weights))
        return (_sum(values),)

    def _group_gradient(
        self, parameters: Parameters, shape: tuple[int, ...], group: range
    ) -> tuple[Array, Array]:
        xp, values = self.backend.xp, []
        total, accumulators = self._accumulators(shape)
        with self.backend.quiet():
            for number in group:
                outputs, caches, targets, weights = self._outputs(xp, parameters, self._slice(number))
                value, gradient = self._terms(xp, outputs, targets, weights)
                values.append(self._mean(value, weights))
                self._network.backward(xp, parameters, caches, gradient, accumulators)
        return _sum(values), total

    def _group_hessian(
        self, xp: Any, parameters: Parameters, shape: tuple[int, ...], group: range
    ) -> tuple[Array]:
        total, accumulators = self._accumulators(shape)
        with self.backend.quiet():
            for number in group:
                outputs, caches, targets, weights = self._outputs(xp, parameters, self._slice(number))
                _, gradient = self._terms(xp, outputs, targets, weights)
                tangents = [TangentAccumulator(own) for own in accumulators]
                self._network.backward(xp, parameters, caches, gradient, tangents)
        return (total,)

    def _group_gauss_newton(
        self,
        xp: Any,
        parameters: Parameters,
        duals: Parameters,
        shape: tuple[int, ...],
        group: range,
    ) -> tuple[Array]:
        total, accumulators = self._accumulators(shape)
        with self.backend.quiet():
            for number in group:
                outputs, caches, targets, weights = self._outputs(xp, duals, self._slice(number))
                _, gradient = self._terms(xp, outputs, targets, weights)
                self._network.backward(xp.xp, parameters, values_of(caches), gradient.tangent, accumulators)
        return (total,)

    def _accumulators(self, shape: tuple[int, ...]) -> tuple[Array, list[Accumulator]]:
        """A flat array, and for each layer what adds to its parts; the first time it sets them."""
        total = self.backend.xp.empty(shape, dtype=self.dtype, device=self.backend.device)
        views = self._network.parameters(total, self.backend.xp)
        return total, [Accumulator(self.backend, own, self._ones) for own in views]

    def _terms(self, xp: Any, outputs: Any, targets: Array, weights: Array | None) -> tuple[Any, Any]:
        """The divergence of each sample of a chunk, and what its outputs add to the mean's gradient."""
        weights = self._ones[:1] if weights is None else weights
        return self._gradient(xp, outputs, targets, self._classes, weights, scale=1.0 / self._total)

    def _slice(self, number: int) -> slice:
        """The samples of a chunk."""
        return slice(number * self.chunk, min((number + 1) * self.chunk, self.samples))

    def _outputs(
        self, xp: Any, parameters: Parameters, part: slice
    ) -> tuple[Any, list[Any], Array, Array | None]:
        """Of some samples: the outputs, the caches of the layers, targets, and weights."""
        if self._numbers is not None:
            numbers = self._numbers[part]
            parameters = self._network.with_masks(
                self.backend.xp, parameters, numbers, self._draw, self.dtype
            )
        outputs, caches = self._network.forward(xp, parameters, self.X[part, :].mT)
        weights = None if self.sample_weight is None else self.sample_weight[part]
        return outputs, caches, self.targets[..., part], weights

    def _mean(self, values: Array, weights: Array | None) -> Array:
        """What `values`, one for each sample of a chunk, add to the mean over all samples."""
        options = {"factor": 1.0 / self._total, "dtype": self.backend.accumulator}
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
        item = 8 if self.dtype == self.backend.xp.float64 else 4
        sample = self.network.activation_size * item
        if self.backend.name == "cupy":
            fits = max(1, self.backend.free_memory() // (4 * sample))
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


def _check_weights(backend: Backend, weights: Any, samples: int, dtype: Any) -> Array:
    xp = backend.xp
    weights = backend.asarray(weights, backend.dtype(dtype), name="sample_weight")
    if tuple(weights.shape) != (samples,):
        raise ValueError(
            f"sample_weight must be ({samples},), one for each sample, got shape {tuple(weights.shape)}"
        )
    checks.finite(xp, "sample_weight", weights)
    if bool(xp.any(weights < 0)) or not bool(xp.any(weights > 0)):
        raise ValueError("sample_weight must not be negative, and not all zero")
    return weights


def _check_targets(
    backend: Backend, divergence: Divergence, targets: Any, samples: int, outputs: int, dtype: Any
) -> Array:
    """Targets as `(outputs, samples)` of `dtype`, or labels as `(samples,)` integers."""
    xp = backend.xp
    targets = backend.asarray(targets, name="targets")
    if targets.ndim not in (1, 2) or targets.shape[0] != samples:
        raise ValueError(
            f"targets must be ({samples},) or ({samples}, {outputs}), as X has {samples} samples "
            f"and the network {outputs} outputs, got shape {tuple(targets.shape)}"
        )
    if targets.ndim == 1 and outputs > 1:
        return xp.astype(_check_labels(backend, targets, outputs), backend.dtype(dtype))
    if targets.ndim == 1:
        targets = targets[:, None]
    if targets.shape[1] != outputs:
        raise ValueError(
            f"targets must be ({samples}, {outputs}), as the network has {outputs} outputs, "
            f"got shape {tuple(targets.shape)}"
        )
    targets = xp.astype(targets, backend.dtype(dtype), copy=False)
    checks.finite(xp, "targets", targets)
    if divergence.targets == "distribution" and outputs == 1:
        raise ValueError(
            f"{divergence!r} needs a network of at least 2 outputs; "
            "for one output use BinaryCrossEntropy() with 'sigmoid'"
        )
    if divergence.targets != "real":
        low, high = float(xp.min(targets)), float(xp.max(targets))
        if low < 0.0 or high > 1.0:
            raise ValueError(
                f"targets of {divergence!r} must lie in [0, 1], got values from {low:g} to {high:g}"
            )
    if divergence.targets == "distribution":
        off = float(xp.max(xp.abs(xp.sum(targets, axis=1) - 1.0)))
        if off > 1e-5:
            raise ValueError(
                f"targets of {divergence!r} must sum to 1 over the outputs of each sample, "
                f"got a sum that is off by {off:g}"
            )
    rows = xp.empty((outputs, samples), dtype=targets.dtype, device=backend.device)
    rows[...] = targets.mT
    return rows


def _check_labels(backend: Backend, labels: Array, outputs: int) -> Array:
    xp = backend.xp
    if xp.isdtype(labels.dtype, "real floating"):
        checks.finite(xp, "targets", labels)
        if not bool(xp.all(labels == xp.floor(labels))):
            raise ValueError(
                "targets of shape (samples,) are class labels and must be integers, got fractions"
            )
    labels = xp.astype(labels, xp.int32, copy=False)
    low, high = int(xp.min(labels)), int(xp.max(labels))
    if low < 0 or high >= outputs:
        raise ValueError(
            f"targets must be labels from 0 to {outputs - 1}, as the network has {outputs} "
            f"outputs, got labels from {low} to {high}"
        )
    return labels
