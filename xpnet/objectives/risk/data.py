"""The samples of an empirical risk, asked for part by part, wherever they are.

What is resident lies on the device, and a part of it is a view. The rest stays on the host, in memory or
in a file, and streams: the next part is under way while one is used, so that memory does not grow with
the number of samples. All of it is checked once, when it is taken over, part by part too.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from ... import checks
from ...device.arrays import Array, Vector
from ...device.backend import Backend
from ...device.host_data import on_host, take
from ...divergences import Divergence
from ...network import Network
from ...parameters import Layout
from ..matrices import check_point
from .checked import (
    check_labels,
    check_shape,
    check_targets,
    common_replicas,
    normalized_weights,
    sample_numbers,
    whole,
)
from .chunks import Share
from .held import Holding, held_here
from .terms import one_hot
from .walking import chunk_of

RESIDENT_FRACTION = 0.5  # of the free memory that data may take; the rest is for the work on it
STREAM_BYTES = 2**26  # the most of one array in a part that is copied to a CUDA device
READ_BYTES = 2**24  # of one array in a part that is read to be checked
TURNED_BYTES = 2**22  # the most of X that is kept turned too: for products it takes 0.3 to 1 of the time


class Chunk(NamedTuple):
    """Some samples, on the device, samples on the last axis; `(R, ...)` where replicas have their own."""

    inputs: Array  # (features, samples)
    targets: Array  # (outputs, samples), or labels (1, samples)
    weights: Array | None  # (samples,)
    numbers: Array | None  # (samples,) uint32, of all replicas


class Data:
    """Inputs, targets and weights of the samples that a network learns from; arguments as of the risk.

    Each of them has one axis more in front, of the replicas, where these have their own.

    Attributes:
        item: the bytes of a number of `dtype`.
        samples: the number of those that this process holds, its `share`; `total` of all.
        replicas: how many there are, if these have anything of their own; else None.
        inputs: `(samples, features)`, the X.
        targets: `(outputs, samples)`, or labels `(1, samples)`; `(samples, outputs)` while on the host.
        named: whether the targets came as labels of classes.
        labels: whether they still are, in the dtype of the rest.
        classes: the numbers of the classes, `(outputs, 1)`.
        weights: `(samples,)`, of mean 1 over all samples, or None where all are 1. A sample of weight c
            counts `c / samples` in the risk; so the risks of batches have that of all samples for a mean.
        numbers: of the samples, where they are `numbered`, else None.
        streamed: those of X and targets that stay on the host, by name.
    """

    def __init__(
        self,
        backend: Backend,
        network: Network,
        divergence: Divergence,
        X: Any,
        targets: Any,
        weights: Any,
        dtype: Any,
        resident: bool | Literal["auto"],
        *,
        holding: Holding,
        numbered: bool = False,
    ) -> None:
        self.backend, self.dtype = backend, dtype
        self.item = 8 if dtype == backend.xp.float64 else 4
        inputs = backend.admit(X, name="X")
        network.check_shape(inputs, replicas=True)
        lead, given = tuple(inputs.shape[:-2]), int(inputs.shape[-2])
        targets = backend.admit(targets, name="targets")
        check_shape(targets, lead, given, network.outputs)
        self.total = holding.total(given)
        self.places: Array | None = None  # of the samples among all, where they do not follow one another
        self.labels = False
        if len(targets.shape) == len(lead) + 1:  # little beside the data
            targets = backend.asarray(whole(targets), name="targets")
            self.labels = network.outputs > 1
            if self.labels:
                check_labels(backend, targets, network.outputs)
            targets = targets[..., None, :] if self.labels else targets[..., None]
            targets = backend.xp.astype(targets, dtype, copy=False)
        self.weights = None
        if weights is not None:
            self.weights = normalized_weights(backend, weights, self.total, dtype)
        parts: dict[str, tuple[Any, int]] = {
            "X": (inputs, 2),
            "targets": (targets, 2),
            "sample_weight": (self.weights, 1),
        }
        counts = {name: int(own.shape[0]) for name, (own, ndim) in parts.items() if _leads(own, ndim)}
        self.replicas = common_replicas(counts)
        most = chunk_of(backend, network, self.item, self.replicas, holding.wanted, self.total, self.total)
        self.share = share = holding.share(backend, given, most)
        self.samples = share.samples
        inputs = holding.rows(share, inputs, -2)
        targets = holding.rows(share, targets, -1 if self.labels else -2)
        if self.weights is not None:
            self.weights = self.weights[..., share.first : share.first + share.samples]

        sources = {"X": inputs} if self.labels else {"X": inputs, "targets": targets}
        self.streamed = self._choose(sources, resident)
        self.inputs, self.targets = inputs, targets
        if "X" not in self.streamed:
            self.inputs = self._place("X", inputs)
            checks.finite(backend.xp, "X", self.inputs)
        if not self.labels and "targets" not in self.streamed:
            self.targets = self._rows(self._place("targets", targets))
            check_targets(backend, divergence, self.targets)
        xp, self.named = backend.xp, self.labels
        self.classes = xp.arange(network.outputs, dtype=dtype, device=backend.device)[:, None]
        if self.labels and not self.streamed and 8 * network.outputs <= network.inputs:
            self.targets = one_hot(xp, self.targets, self.classes, dtype)  # little beside the data
            self.labels = False
        self._turned = self._columns()
        self.numbers = None
        if numbered:
            stop = share.first + share.samples
            self.numbers = xp.arange(share.first, stop, dtype=xp.uint32, device=backend.device)
        if self.streamed:
            for chunk in self.walk(self._reads(*self.streamed.values())):
                if "X" in self.streamed:
                    checks.finite(xp, "X", chunk.inputs)
                if "targets" in self.streamed:
                    check_targets(backend, divergence, chunk.targets)

    def check_w(self, w: Vector, layout: Layout) -> None:
        """Raises unless `w` is on the backend, of `dtype`, and has the replicas that there are."""
        check_point(self.backend, w, self.dtype)
        layout.check(w)
        if self.replicas is not None and tuple(w.shape[-2:-1]) != (self.replicas,):
            raise ValueError(
                f"w must be ({self.replicas}, {layout.size}), as {self.replicas} replicas have samples or "
                f"weights of their own, got shape {tuple(w.shape)}"
            )

    def walk(self, parts: Sequence[slice]) -> Iterator[Chunk]:
        """Each of `parts` in turn; a chunk is valid until the next is asked for."""
        if not self.streamed:
            for part in parts:
                yield self._part(part, {})
            return
        stream = self.backend.stream(self.streamed, parts, self.dtype)
        for part, arrays in zip(parts, stream, strict=True):
            yield self._part(part, dict(zip(self.streamed, arrays, strict=True)))

    def seen(self, through: Callable[[Array], Any]) -> Data:
        """The same data, all resident, with `through(array)` for each of its arrays."""
        part = copy.copy(self)
        part.inputs, part.targets = through(self.inputs), through(self.targets)
        part.classes = through(self.classes)
        part._turned = None if self._turned is None else through(self._turned)
        part.weights = None if self.weights is None else through(self.weights)
        part.numbers = None if self.numbers is None else through(self.numbers)
        return part

    def subset(self, samples: Any) -> Data:
        """The samples of these numbers, or of this mask, all resident.

        Raises:
            TypeError, ValueError: as `sample_numbers`.
        """
        xp, part = self.backend.xp, copy.copy(self)
        numbers = sample_numbers(self.backend, samples, self.total)
        part.total = int(numbers.shape[0])
        if self.samples < self.total:
            numbers, part.places = held_here(self.backend, numbers, self.share, self.places)
        part.samples, part.streamed = int(numbers.shape[0]), {}
        part.share = Share(0, part.samples, part.total)
        came: dict[str, Array] = {}
        if self.streamed:
            chosen = self.backend.to_numpy(numbers)
            for name, source in self.streamed.items():
                came[name] = self.backend.asarray(take(name, source, chosen), self.dtype)
        part.inputs = came["X"] if "X" in came else xp.take(self.inputs, numbers, axis=-2)
        part._turned = part._columns()
        part.targets = (
            self._rows(came["targets"]) if "targets" in came else xp.take(self.targets, numbers, axis=-1)
        )
        if self.numbers is not None:
            part.numbers = xp.take(self.numbers, numbers)
        if self.weights is not None:
            part.weights = xp.take(self.weights, numbers, axis=-1)
        return part

    def select_replicas(self, rows: list[int]) -> Data:
        """The data of these replicas, which have something of their own."""
        xp, part = self.backend.xp, copy.copy(self)
        numbers = xp.asarray(rows, dtype=xp.int64, device=self.backend.device)

        def own(array: Any, ndim: int) -> Any:
            return xp.take(array, numbers, axis=0) if _leads(array, ndim) else array

        part.replicas = len(rows)
        part.inputs, part.targets = own(self.inputs, 2), own(self.targets, 2)
        part._turned, part.weights = own(self._turned, 2), own(self.weights, 1)
        return part

    @property
    def most(self) -> int:
        """The most samples that should be on their way from the host at once; all of them if resident."""
        widths = [math.prod(source.shape[1:]) for source in self.streamed.values()]
        return max(1, STREAM_BYTES // (max(widths) * self.item)) if widths else self.total

    def _choose(self, arrays: dict[str, Any], resident: bool | Literal["auto"]) -> dict[str, Any]:
        """Those of `arrays` that stream."""
        backend = self.backend
        own = {name: backend.owns(array) and not on_host(array) for name, array in arrays.items()}
        able = {name: array for name, array in arrays.items() if backend.name == "numpy" or not own[name]}
        replicas = [name for name, array in arrays.items() if _leads(array, 2)]
        if replicas:
            if resident is False:
                raise ValueError(
                    f"resident must be True or 'auto', as replicas have {' and '.join(replicas)} of their "
                    "own, which cannot be read chunk by chunk, got False"
                )
            return {}
        if isinstance(resident, bool):
            return {} if resident else able
        needed = sum(
            math.prod(array.shape) * self.item
            for name, array in arrays.items()
            if not own[name] or array.dtype != self.dtype
        )
        if needed and needed > RESIDENT_FRACTION * backend.free_memory():
            return able
        files = backend.name != "cupy"
        return {name: array for name, array in able.items() if files and on_host(array)}

    def _place(self, name: str, array: Any) -> Array:
        """`array` on the device."""
        xp, backend = self.backend.xp, self.backend
        with backend.quiet():  # what overflows is found by the checks
            if backend.owns(array) and not on_host(array):
                return xp.astype(array, self.dtype, copy=False)
            whole = xp.empty(tuple(array.shape), dtype=self.dtype, device=backend.device)
            parts = self._reads(array)
            for part, (block,) in zip(parts, backend.stream({name: array}, parts, self.dtype), strict=True):
                whole[part, ...] = block
            return whole

    def _reads(self, *arrays: Any) -> list[slice]:
        """Parts of all along the first axis, of a size to read at once."""
        step = max(1, READ_BYTES // (self.item * max(math.prod(array.shape[1:]) for array in arrays)))
        length = int(arrays[0].shape[0])
        return [slice(k, min(k + step, length)) for k in range(0, length, step)]

    def _part(self, part: slice, came: dict[str, Array]) -> Chunk:
        xp = self.backend.xp
        if self._turned is not None:
            inputs = self._turned[..., part]
        else:
            rows = (
                xp.astype(came["X"], self.dtype, copy=False) if "X" in came else self.inputs[..., part, :]
            )
            inputs = rows.mT
        return Chunk(
            inputs,
            self._rows(came["targets"]) if "targets" in came else self.targets[..., part],
            None if self.weights is None else self.weights[..., part],
            None if self.numbers is None else self.numbers[part],
        )

    def _columns(self) -> Array | None:
        """The inputs, on the host, turned as `_rows` turns; None if they stream or are not little."""
        size = self.samples * self.item
        aliased = size % 4096 == 0  # rows that are a multiple of a page apart fall on the same cache lines
        whole = self.item * math.prod(self.inputs.shape)
        little = self.backend.name == "numpy" and whole <= TURNED_BYTES
        return self._rows(self.inputs) if little and "X" not in self.streamed and not aliased else None

    def _rows(self, targets: Array) -> Array:
        """`targets`, `(..., samples, outputs)`, turned so that those of an output lie together."""
        *lead, samples, outputs = map(int, targets.shape)
        shape = (*lead, outputs, samples)
        rows = self.backend.xp.empty(shape, dtype=self.dtype, device=self.backend.device)
        rows[...] = targets.mT
        return rows


def _leads(array: Any, ndim: int) -> bool:
    """Whether an array, of so many axes where it is of all replicas alike, has that of replicas too."""
    return array is not None and len(array.shape) > ndim
