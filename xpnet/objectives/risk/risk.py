"""The empirical risk of a network: the mean divergence over all samples, and its full gradient.

What it is made of: the samples are `data`, how they are walked `chunks`, what a walk adds up `passes`, and
what only sums of squares have `squares`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from ... import checks
from ...device.arrays import Array, DTypeLike, Matrix, Samples, Scalar, Vector
from ...device.backend import Backend
from ...device.select import backend as choose_backend
from ...divergences import Divergence
from ...dual import Dual, Namespace
from ...network import Network, Parameters
from ..base import Objective
from ..matrices import check_direction, check_point
from ..offers import Offers
from .checked import check_model, checked_penalties, checked_resident, checked_training
from .chunks import Chunks, default_chunk
from .data import Data
from .passes import Passes, without_last_bias
from .penalties import Penalties, Penalty
from .recorded import Kind, Replays, unsettled
from .squares import Squares, lacking
from .terms import Terms
from .trial import check_parts

SQUARES = Offers.RESIDUALS | Offers.JACOBIAN | Offers.NORMAL_EQUATIONS


class EmpiricalRisk(Objective):
    """`Err(w) = sum_t c_t Div(Y_t, d_t) / sum_t c_t + penalties`, with its gradient over all samples.

    Args:
        network: the network that makes outputs `Y` of `X`.
        divergence: of outputs from targets. Softmax with cross-entropy and sigmoid with binary
            cross-entropy are evaluated from the logits.
        X: `(samples, features)`, as an array of NumPy or CuPy, nested lists, or anything with
            `__array__` or DLPack. Not copied if it is on the backend and of `dtype` already. Or what has
            `shape`, `dtype` and `X[start:stop]`, such as a data set of h5py or zarr. Or a sparse matrix.
        targets: `(samples, outputs)`; or `(samples,)`: class labels 0, 1, ... as integers, or, for a
            network with one output, its targets.
        backend: as `xpnet.backend` takes it.
        dtype: "float32" or "float64": of parameters, gradients, and all work. Values are summed in
            float64 wherever the device has it.
        sample_weight: `c`, `(samples,)`, not negative; all 1 if not given. Only their ratios count.
        penalty: an `L2` or `L1`, or a sequence of them.
        chunk: samples in a chunk; chosen from the network's size if not given.
        threads: the most threads to use on NumPy; all processors if not given. Each evaluation holds
            the host's BLAS to one thread and gives it back afterwards.
        resident: whether X, and targets `(samples, outputs)`, are kept on the device. If False they stay
            on the host, or in their file, and each evaluation reads them chunk by chunk, in threads of
            its own; arrays of CuPy stay where they are. "auto" reads them so if those to be copied would
            take more than half of the free memory, and on NumPy also if they are memory maps, sparse, or
            no arrays.
        training: whether a network with `Dropout` leaves units out, and then it must be said; the same
            ones at each evaluation, until `redraw` gives a risk with others.

    On NumPy, values and gradients that are evaluated again are recorded, and replayed from then on as a
    list of calls, with the same bits. So layers, divergences and penalties must be frozen, and look at no
    number of an array; where they do not keep to that the log says so, and evaluations take longer. While
    the risk lives, a recording holds what a chunk needs, for each thread, and each group's gradient.

    `w` is `(P,)`, or `(R, P)` for R replicas, of `dtype` and on the backend. Where memory runs out in an
    evaluation it is begun again with chunks half as large, which the log says; so are the next of its kind,
    until the whole chunk is tried again.

    Raises:
        TypeError: arguments of the wrong type; objects or strings as data.
        ValueError: empty data, lengths or widths that differ, NaN or infinity, labels that are not
            integers from 0 to outputs - 1, targets outside what the divergence takes.
        BackendError: as `xpnet.backend`.
        MemoryError: an evaluation does not fit in memory even with one sample in a chunk.

    >>> from xpnet import CrossEntropy, Dense, EmpiricalRisk, Network
    >>> network = Network(2, Dense(4, "tanh"), Dense(2, "softmax"))
    >>> X, labels = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> risk = EmpiricalRisk(network, CrossEntropy(), X, labels, dtype="float64")
    >>> value, gradient = risk.value_and_gradient(network.initialize(dtype="float64"))
    >>> gradient.shape
    (22,)
    """

    backend: Backend

    def __init__(
        self,
        network: Network,
        divergence: Divergence,
        X: Any,
        targets: Any,
        *,
        backend: Backend | str | None = None,
        dtype: DTypeLike = "float32",
        sample_weight: Any = None,
        penalty: Penalty | Sequence[Penalty] | None = None,
        chunk: int | None = None,
        threads: int | None = None,
        resident: bool | Literal["auto"] = "auto",
        training: bool | None = None,
    ) -> None:
        check_model(network, divergence)
        self._random = checked_training(network, training)
        penalties = checked_penalties(penalty)
        self._wanted = (
            None if chunk is None else checks.count("chunk", chunk),
            None if threads is None else checks.count("threads", threads),
        )
        resident = checked_resident(resident)
        self.backend = choose_backend(backend)
        self.dtype = self.backend.dtype(dtype)
        self.network, self.divergence = network, divergence
        self._divergence, on_logits = divergence.on(network.activation)
        self._network = network.on_logits() if on_logits else network

        check_parts(self.backend, self._network, self._divergence, self.dtype)
        with self.backend.quiet():
            data = Data(
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
            self.penalties = Penalties(self.backend, network.layout, penalties, self.dtype)
        stem = without_last_bias(self._network)
        weighted, biased = data.weights is not None, stem is not self._network
        terms = Terms(self._divergence, data.labels, weighted, biased)
        self._no_squares = lacking(divergence, penalties)
        self.lacks = Offers.NOTHING if self._random else Offers.REDRAW
        self.lacks |= SQUARES if self._no_squares else Offers.NOTHING
        ones = self.backend.xp.empty(0, dtype=self.dtype, device=self.backend.device)
        self._plan(Passes(self.backend, self._network, stem, terms, data, ones, draw=0))
        self.backend.synchronize()  # so that it can be used on any stream

    @property
    def X(self) -> Samples:
        """`(samples, features)`: on the device, or what was handed over where it streams."""
        return self.data.inputs

    @property
    def chunk(self) -> int:
        """Samples in a chunk, where memory suffices."""
        return self._chunks.chunk

    @property
    def threads(self) -> int:
        """How many threads walk the chunks."""
        return self._chunks.threads

    def _plan(self, passes: Passes) -> None:
        """Takes over `passes`: chunks, their groups, and the number of threads, for their samples."""
        backend, network, data = self.backend, self.network, passes.data
        self.data, self.samples = data, data.samples
        chunk, threads = self._wanted
        work = data.samples * network.size
        chunk = chunk or default_chunk(
            backend, data.samples, network.activation_size * data.item, data.item, work, data.most
        )
        self._chunks = Chunks(backend, data.samples, chunk, work, threads)
        length, ones, xp = min(chunk, data.samples), passes.ones, backend.xp
        with backend.quiet():
            if ones.shape[0] < length:
                ones = xp.ones(length, dtype=self.dtype, device=backend.device)
        self._passes = replace(passes, ones=ones)
        self._replays = Replays()

    def value(self, w: Vector) -> Scalar:
        return self._evaluate("value", w)[0]

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        value, gradient = self._evaluate("gradient", w)
        return value, gradient

    def _evaluate(self, kind: Kind, w: Vector) -> tuple[Any, ...]:
        """The value, and the gradient if that is wanted: recorded, or as the passes go."""
        check_point(self.backend, w, self.dtype)
        self.network.layout.check(w)
        shape, chunks, xp = tuple(w.shape), self._chunks, self.backend.xp

        def work(chunk: int) -> tuple[Any, ...]:
            key = kind, shape, chunk
            found = self._replays.evaluate(key, self._passes, self.penalties, chunks, w)
            if found is not None:
                return found
            parameters = self._network.parameters(w, xp)
            if kind == "value":
                (value,) = chunks.total(chunk, self._passes.value, parameters)
                return (self.penalties.with_value(xp, value, w),)
            value, gradient = chunks.total(chunk, self._passes.gradient, parameters, shape)
            self.penalties.add_gradient(xp, gradient, w)
            return self.penalties.with_value(xp, value, w), gradient

        with self.backend.working():
            return chunks.in_memory((kind, shape), work, chunks.chunk)

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        """`H v`, exact (Pearlmutter 1994): the gradient's code run on dual numbers.

        `v` of shape `(K, *w.shape)` gives K products for the price of fewer.
        """
        self._parameters(w)
        moving, kind = self._moving(w, v), ("hessian_product", tuple(v.shape))
        with self.backend.working():
            (product,) = self._chunks.sum(kind, self._passes.hessian_product, *moving, kind[1])
            self.penalties.add_product(product, v)
            return product

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        """`J' H_L J v` with the Jacobian `J` of the outputs (with softmax and cross-entropy or sigmoid
        and binary cross-entropy: of the logits) and the divergence's Hessian `H_L` (Schraudolph 2002).

        `v` of shape `(K, *w.shape)` gives K products for the price of fewer.
        """
        parameters = self._parameters(w)
        dual, duals, shape = *self._moving(w, v), tuple(v.shape)
        with self.backend.working():
            kind, product_of = ("gauss_newton_product", shape), self._passes.gauss_newton_product
            (product,) = self._chunks.sum(kind, product_of, dual, parameters, duals, shape)
            self.penalties.add_product(product, v)
            return product

    def residuals(self, w: Vector) -> Vector:
        """`sqrt(c_t / sum c) (Y_t - d_t)` for all samples and outputs, `(samples * outputs,)`, for
        `SquaredError`; with an `L2` penalty also `sqrt(strength) w`, `(P,)` more.
        """
        squares, parameters = self._squares(), self._parameters(w)
        with self.backend.working():
            return squares.residuals(parameters, w)

    def jacobian(self, w: Vector) -> Matrix:
        """The derivatives of the residuals, by one backward pass for each output."""
        squares, parameters = self._squares(), self._parameters(w)
        with self.backend.working():
            return squares.jacobian(parameters, w)

    def normal_equations(self, w: Vector) -> tuple[Scalar, Vector, Matrix]:
        """The value, the gradient and `J'J`, block by block."""
        squares, parameters = self._squares(), self._parameters(w)
        with self.backend.working():
            return squares.normal_equations(parameters, w)

    def subset(self, samples: Array) -> EmpiricalRisk:
        """The risk of a batch, with the same penalties: the samples of these numbers, or of a mask.

        Its weights are those of the whole: of n samples it is
        `samples / n * sum_(t in batch) c_t Div(Y_t, d_t) / sum c`, with `sum c` over all, so that its
        gradients average to the whole risk's over the batches, whatever their weights.

        Args:
            samples: integers from 0 to samples - 1, `(n,)`, or booleans, `(samples,)`.

        Raises:
            TypeError, ValueError: neither, or none.
        """
        part = copy.copy(self)
        with self.backend.quiet():
            data = self.data.subset(samples)
        part._plan(replace(self._passes, data=data))
        return part

    def redraw(self, draw: int) -> EmpiricalRisk:
        """The risk with other masks of dropout, those of the draw of this number."""
        if not self._random:
            raise NotImplementedError("a risk without dropout, or not in training, has nothing random")
        other, draw = copy.copy(self), checks.count("draw", draw, 0)
        other._passes, other._replays = replace(self._passes, draw=draw), Replays()
        return other

    def select_replicas(self, rows: list[int]) -> EmpiricalRisk:
        """The risk itself: all replicas see the same data."""
        return self

    def recording(self, w: Vector) -> int | str:
        """The chunk that a recording of gradients at such a `w` holds for; or why there can be none."""
        return unsettled(self._passes, self.penalties) or self._chunks.fitting(("gradient", tuple(w.shape)))

    def _squares(self) -> Squares:
        if self._no_squares:
            raise NotImplementedError(self._no_squares)
        return Squares(self._passes, self._chunks, self.penalties)

    def _moving(self, w: Vector, v: Vector) -> tuple[Namespace, Parameters]:
        """The namespace of dual numbers, and the parameters as such, which move along `v`."""
        check_direction(self.backend, w, v)
        dual = Namespace(self.backend.xp)
        return dual, self._network.parameters(cast(Any, Dual(w, v)), dual)

    def _parameters(self, w: Vector) -> Parameters:
        check_point(self.backend, w, self.dtype)
        return self._network.parameters(w, self.backend.xp)

    def __repr__(self) -> str:
        network = repr(self.network)
        if len(network) > 200:
            network = f"Network of {len(self.network.layers)} layers, {self.network.size} parameters"
        return (
            f"EmpiricalRisk({network}, {self.divergence!r:.80}, samples={self.samples}, "
            f"backend={self.backend.name!r}, dtype={checks.dtype_name(self.dtype)!r})"
        )
