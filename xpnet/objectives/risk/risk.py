"""The empirical risk of a network: the mean divergence over all samples, and its full gradient.

What it is made of: the samples are `data`, how they are walked `chunks`, what a walk adds up `passes`, and
what only sums of squares have `squares`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Literal, cast

from ... import checks
from ...device.arrays import Array, DTypeLike, Matrix, Samples, Scalar, Vector
from ...device.backend import Backend
from ...device.select import chosen as choose_backend
from ...distributed import communicator as choose_communicator
from ...divergences import Divergence, DivergenceName
from ...glossary import HintedAttributes, hinted
from ...network import Network
from ..base import Objective
from ..classifying import Classifying
from ..matrices import check_direction, on_grid
from ..offers import Offers
from . import checked
from .classes import wrong
from .data import Data
from .held import Holding
from .passes import Passes, passes_of
from .penalties import Penalties, Penalty
from .recorded import Kind, Replays
from .squares import Squares, lacking
from .sums import Sums
from .trial import check_parts
from .walking import planned

SQUARES = Offers.RESIDUALS | Offers.JACOBIAN | Offers.NORMAL_EQUATIONS


class EmpiricalRisk(Objective, Classifying, HintedAttributes):
    """`Err(w) = sum_t c_t Div(Y_t, d_t) / sum_t c_t + penalties`, with its gradient over all samples.

    Args:
        network: the network that makes outputs `Y` of `X`.
        divergence: of outputs from targets, or its name, "cross_entropy" for `CrossEntropy()`. Softmax with
            cross-entropy and sigmoid with binary cross-entropy are evaluated from the logits.
        X: `(samples, features)`, as an array of NumPy or CuPy, nested lists, or anything with
            `__array__` or DLPack. Not copied if it is on the backend and of `dtype` already. Or what has
            `shape`, `dtype` and `X[start:stop]`, such as a data set of h5py or zarr. Or a sparse matrix.
            `(R, samples, features)` where each of R replicas has samples of its own.
        targets: `(samples, outputs)`; or `(samples,)`: class labels 0, 1, ... as integers, or, for a
            network with one output, its targets. With an X of replicas `(R, samples, outputs)` or
            `(R, samples)`; the first also where all see the same X.
        backend: as `xpnet.backend` takes it.
        dtype: "float32" or "float64": of parameters, gradients, and all work. Values are summed in
            float64 wherever the device has it.
        sample_weight: `c`, `(samples,)`, not negative; all 1 if not given. Only their ratios count. Where
            replicas have their own, `(R, samples)`, `Err_r(w_r) = sum_t c_rt Div(Y_rt, d_rt) / sum_t c_rt`
            plus the penalties at `w_r`. A sample of weight 0 counts as if it were not there; so weights
            `1 - eye(samples)` leave one out, and how often each was drawn makes a bootstrap.
        penalty: an `L2` or `L1`, or a sequence of them.
        chunk: samples in a chunk; chosen from the network's size if not given.
        threads: the most threads to use on NumPy; all processors if not given. Each evaluation holds
            the host's BLAS to one thread and gives it back afterwards.
        resident: whether X, and targets `(samples, outputs)`, are kept on the device. If False they stay
            on the host, or in their file, and each evaluation reads them chunk by chunk, in threads of
            its own; arrays of CuPy stay where they are. "auto" reads them so if those to be copied would
            take more than half of the free memory, and on NumPy also if they are memory maps, sparse, or
            no arrays.
        communicator: the processes that have the samples together, each a share of them: "mpi", "self", or
            an MPI communicator, as `xpnet.distributed.communicator` takes it; by default what
            `XPNET_DISTRIBUTED` says. All make the same risks in the same order.
        local: whether X, targets and sample_weight are the samples of this process; else they are all, of
            which it takes, and reads, its share.
        training: whether a network with `Dropout` leaves units out, and then it must be said; the same
            ones at each evaluation, until `redraw` gives a risk with others.

    On NumPy, values and gradients that are evaluated again are recorded, and replayed as a list of calls,
    with the same bits. So layers, divergences and penalties must be frozen, and look at no number of an
    array; where they do the log says so. A recording holds a chunk's memory and each group's gradient.

    `w` is `(P,)`, or `(R, P)` for R replicas, of `dtype` and on the backend; R is that of the data where
    replicas have anything of their own, which stays on the device. A batch has the samples of the same
    numbers of each, so that a run of `Minibatch` is that of each alone too. Where memory runs out an
    evaluation is begun again with chunks half as large, and the log says so.

    Raises:
        TypeError: arguments of the wrong type; objects or strings as data.
        ValueError: empty data, lengths or widths that differ, NaN or infinity, labels that are not
            integers from 0 to outputs - 1, targets outside what the divergence takes.
        BackendError: as `xpnet.backend`.
        MemoryError: an evaluation does not fit in memory even with one sample in a chunk.

    >>> from xpnet import Dense, EmpiricalRisk, Network
    >>> network = Network(2, Dense(4, "tanh"), Dense(2, "softmax"))
    >>> X, labels = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> risk = EmpiricalRisk(network, "cross_entropy", X, labels, dtype="float64")
    >>> value, gradient = risk.value_and_gradient(risk.initialize(seed=0))
    >>> gradient.shape
    (22,)
    """

    backend: Backend

    def __init__(
        self,
        network: Network,
        divergence: Divergence | DivergenceName,
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
        communicator: Any = None,
        local: bool = False,
    ) -> None:
        self.communicator = choose_communicator(communicator)
        with self.communicator.together():
            network, divergence = checked.checked_model(network, divergence)
            self._random = checked.checked_training(network, training)
            penalties = checked.checked_penalties(penalty)
            self._wanted = checked.checked_walk(chunk, threads)
            resident, local = checked.checked_resident(resident), checks.flag("local", local)
            self.backend = backend = choose_backend(backend)
            self.dtype = self.backend.dtype(dtype)
            self.network, self.layout, self.divergence = network, network.layout, divergence
            self._divergence, on_logits = divergence.on(network.activation)
            self._network = network.on_logits() if on_logits else network
            check_parts(backend, self._network, self._divergence, self.dtype)
        holding = Holding(self.communicator, self._wanted[0])
        sample_weight = holding.count(backend, network, X, sample_weight) if local else sample_weight
        with self.communicator.together(), backend.quiet():
            given = X, targets, sample_weight, self.dtype, resident
            data = Data(backend, network, divergence, *given, holding=holding, numbered=self._random)
            self.penalties = Penalties(backend, network.layout, penalties, self.dtype)
        holding.require_same(data.replicas)
        self._logits = on_logits or bool(divergence.from_logits)
        self._no_squares = lacking(divergence, penalties)
        self.lacks = SQUARES if self._no_squares else Offers.NOTHING
        self.lacks |= Offers.NOTHING if self._random else Offers.REDRAW
        self._plan(passes_of(backend, self._network, self._divergence, data), data)
        backend.synchronize()  # so that it can be used on any stream

    @property
    def X(self) -> Samples:
        """`(samples, features)`: on the device, or what was handed over where it streams."""
        return self.data.inputs

    @property
    def replicas(self) -> int | None:
        """R, the rows of `w`, where replicas have samples or weights of their own; else None, for any."""
        return self.data.replicas

    @property
    def chunk(self) -> int:
        """Samples in a chunk, where memory suffices."""
        return self._chunks.chunk

    @property
    def threads(self) -> int:
        """How many threads walk the chunks."""
        return self._chunks.threads

    @hinted
    def initialize(self, seed: int = 0, replicas: int | None = None) -> Vector:
        """What `network.initialize` gives for this `dtype`, backend, and replicas if they have samples."""
        replicas = self.replicas if replicas is None else replicas
        return self.network.initialize(seed, self.backend, self.dtype, replicas)

    def _plan(self, passes: Passes, data: Data) -> None:
        """Takes over `data`: chunks, their groups, and the number of threads, for its samples."""
        self.samples, self._chunks = data.total, planned(self.backend, self.network, data, *self._wanted)
        self._take(passes.of(data, self._chunks.chunk))

    def _take(self, passes: Passes) -> None:
        self.data, self._passes, self._replays = passes.data, passes, Replays()
        self._sums = Sums(self.communicator, passes, self._chunks, self._replays, self.penalties)

    def value(self, w: Vector) -> Scalar:
        """The risk at `w`, `(..., P)`: `(...)`. Where replicas have samples of their own it is `(R, P)`."""
        if self.replicas is not None:
            return self._evaluate("value", w)[0]
        work = self.network.activation_size * (self.chunk if self.communicator.size == 1 else self.samples)
        return on_grid(self.backend, lambda own: self._evaluate("value", own)[0], w, self.dtype, work)

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        return cast(Any, self._evaluate("gradient", w))

    def error_rate(self, w: Vector) -> Scalar:
        """The fraction of samples put in a wrong class, each counting by its weight: 0-d or `(R,)`.

        The class is that of the largest output, and target. Of one output, and of targets
        `(samples, outputs)` for `BinaryCrossEntropy`, each must be on the right side: of 0.5; or with other
        divergences of the middle of the last activation's range, or of the targets' two values.

        Raises:
            ValueError: nothing says where the classes of one output part.
        """
        self.data.check_w(w, self.network.layout)
        walk = chain.from_iterable(self._chunks.groups(self.chunk))
        own = wrong(self.network, self.divergence, self._logits, self.data, [*walk], self.communicator)
        return self._sums.mean(own, self._network, w)

    def mean(self, function: Callable[..., Array], w: Vector) -> Scalar:
        """The mean of `function(xp, outputs, targets)` over the samples, by their weights: 0-d or `(R,)`.

        Both are `(..., outputs, samples)`, labels one-hot, chunk by chunk; it gives `(..., samples)`.
        """
        checks.function("function", function, "xp, outputs and targets")
        self.data.check_w(w, self.network.layout)
        return self._sums.mean(function, self.network, w)

    def _evaluate(self, kind: Kind, w: Vector) -> Sequence[Any]:
        """The value, and the gradient if that is wanted."""
        self.data.check_w(w, self.network.layout)
        return self._sums.evaluate(kind, w)

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        """`H v`, exact (Pearlmutter 1994): the gradient's code run on dual numbers.

        `v` of shape `(K, *w.shape)` gives K products for the price of fewer.
        """
        self.data.check_w(w, self.network.layout)
        check_direction(self.backend, w, v)
        return self._sums.hessian_product(w, v)

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        """`J' H_L J v` with the Jacobian `J` of the outputs (with softmax and cross-entropy or sigmoid
        and binary cross-entropy: of the logits) and the divergence's Hessian `H_L` (Schraudolph 2002).

        `v` of shape `(K, *w.shape)` gives K products for the price of fewer.
        """
        self.data.check_w(w, self.network.layout)
        check_direction(self.backend, w, v)
        return self._sums.gauss_newton_product(w, v)

    def residuals(self, w: Vector) -> Vector:
        """`sqrt(c_t / sum c) (Y_t - d_t)` for all samples and outputs, `(samples * outputs,)`, for
        `SquaredError`; with an `L2` penalty also `sqrt(strength) w`, `(P,)` more.
        """
        return self._squares(Squares.residuals, w)

    def jacobian(self, w: Vector) -> Matrix:
        """The derivatives of the residuals, by one backward pass for each output."""
        return self._squares(Squares.jacobian, w)

    def normal_equations(self, w: Vector) -> tuple[Scalar, Vector, Matrix]:
        """The value, the gradient and `J'J`, block by block."""
        return self._squares(Squares.normal_equations, w)

    def _squares(self, asked: Callable[..., Any], w: Vector) -> Any:
        if self._no_squares:
            raise NotImplementedError(self._no_squares)
        self.data.check_w(w, self.network.layout)
        return self._sums.squares(asked, w)

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
        with self.communicator.together(), self.backend.quiet():
            data = self.data.subset(samples)
        part._plan(self._passes, data)
        return part

    def redraw(self, draw: int) -> EmpiricalRisk:
        """The risk with other masks of dropout, those of the draw of this number."""
        if not self._random:
            raise NotImplementedError("a risk without dropout, or not in training, has nothing random")
        return self._by(replace(self._passes, draw=checks.count("draw", draw, 0)))

    def select_replicas(self, rows: list[int]) -> EmpiricalRisk:
        """The risk of these replicas' own samples, in the same chunks; itself where all see the same."""
        if self.data.replicas is None:
            return self
        with self.backend.quiet():
            return self._by(replace(self._passes, data=self.data.select_replicas(rows)))

    def _by(self, passes: Passes) -> EmpiricalRisk:
        """The same risk, walked in the same chunks, by other passes."""
        other = copy.copy(self)
        other._take(passes)
        return other

    def recording(self, w: Vector) -> int | str:
        """The chunk that a recording of gradients at `w` holds for; or why there can be none."""
        return self._sums.recording(w)

    def __repr__(self) -> str:
        own = "" if self.replicas is None else f", replicas={self.replicas}"
        own += f", backend={self.backend.name!r}, dtype={checks.dtype_name(self.dtype)!r}"
        return f"EmpiricalRisk({self.network!r}, {self.divergence!r:.80}, samples={self.samples}{own})"
