"""The network: layers one after the other over one flat vector of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import checks
from .device.arrays import Array, DTypeLike, Namespace, Samples, Units, Vector, host_generator
from .device.backend import Backend
from .device.retry import halving
from .device.select import backend_of
from .device.select import chosen as choose_backend
from .device.walk import finite_parts
from .glossary import Hinted, HintedAttributes, hinted
from .layers import Accumulate, Activation, Layer, RandomLayer
from .layers.activations import IDENTITY
from .parameters import Layout, named_shapes

Parameters = Sequence[Mapping[str, Array]]  # for each layer, its named parameters

PREDICTED = 2**18  # numbers in the activations of the samples that are predicted at once
VECTORS = 3  # as long as `w`, that any use of it takes: itself, its gradient, and a copy


class Network(Hinted, HintedAttributes):
    """A feed-forward network on `inputs` features.

    `Network(64, Dense(32, "tanh"), Dense(10, "softmax"))` has parameters `0.weights` (32, 64), `0.bias`
    (32,), `1.weights` (10, 32), `1.bias` (10,), in this order in the flat vector `w`. Networks are equal
    if their inputs and layers are.

    Attributes:
        inputs, outputs: the number of input features and of output units.
        layers: the layers, a tuple.
        activation: that of the last layer; None if it has none.
        layout: where each parameter lies in `w`.
        random: whether a layer draws something in training, as `Dropout` does.
        size: the number of parameters, P.

    Raises:
        TypeError, ValueError: `inputs` is not a positive integer; something that is no layer; none.

    >>> from xpnet import Dense, Network
    >>> network = Network(64, Dense(32, "tanh"), Dense(10, "softmax"))
    >>> network.size
    2410
    >>> w = network.initialize(seed=0, replicas=3)
    >>> w.shape
    (3, 2410)
    >>> network.predict(w, [[0.5] * 64]).shape  # (replicas, samples, outputs)
    (3, 1, 10)
    """

    def __init__(self, inputs: int, *layers: Layer) -> None:
        self.inputs = checks.count("inputs", inputs)
        for number, layer in enumerate(layers):
            checks.instance(f"layers[{number}]", layer, Layer, "a Layer such as Dense")
        if not layers:
            raise ValueError("layers must not be empty: a network has at least one layer")
        self.layers = layers
        self._units = [self.inputs]  # of the inputs, and of each layer's outputs
        for number, layer in enumerate(layers):
            units = self._units[-1] if layer.units is None else layer.units
            self._units.append(checks.count(f"units of layers[{number}]", units))
        self._shapes = [
            named_shapes(f"layers[{number}]", layer.shapes(units))
            for number, (layer, units) in enumerate(zip(layers, self._units, strict=False))
        ]
        self.layout = Layout(
            {
                f"{number}.{name}": shape
                for number, shapes in enumerate(self._shapes)
                for name, shape in shapes.items()
            }
        )
        self.size = self.layout.size
        self.outputs = self._units[-1]
        self.activation: Activation | None = layers[-1].activation
        self.random = any(isinstance(layer, RandomLayer) for layer in layers)

    @hinted
    def initialize(
        self,
        seed: int = 0,
        backend: Backend | str | None = None,
        dtype: DTypeLike = "float32",
        replicas: int | None = None,
    ) -> Vector:
        """Parameters to start from: `(P,)`, or `(R, P)` for `replicas=R`.

        They are drawn on the host in double precision, so that a seed gives the same numbers on every
        backend. Replica r starts from what `initialize(seed + r)` gives.

        Raises:
            TypeError, ValueError: a seed that is no integer or negative; replicas below 1.
            MemoryError: they, their gradient and a copy would not fit in memory; before any is drawn.
        """
        seed = checks.seed("seed", seed)
        count = 1 if replicas is None else checks.count("replicas", replicas)
        backend = choose_backend(backend)
        own = backend.dtype(dtype)
        name = checks.dtype_name(own)
        needed = VECTORS * count * self.size * (8 if name == "float64" else 4)
        free = min(backend.free_memory(), choose_backend("numpy").free_memory())
        if needed > free:
            raise MemoryError(
                f"{count:,} x {self.size:,} parameters in {name} need {needed / 1e9:.3g} GB with gradient "
                f"and a copy, more than the {free / 1e9:.3g} GB that are free; use fewer replicas"
            )
        host = backend.host
        rows = host.empty((count, self.size), dtype=getattr(host, name))
        with choose_backend("numpy").quiet():
            for r in range(count):
                rows[r, :] = self._draw(host, seed + r, name)
        return backend.asarray(rows[0, :] if replicas is None else rows, own)

    def _draw(self, host: Namespace, seed: int, dtype: str) -> Vector:
        random, place = host_generator(seed), choose_backend("numpy")
        flat = host.asarray(0.0 * random.random(self.size))  # a seed's numbers begin after as many
        for number, (layer, shapes) in enumerate(zip(self.layers, self._shapes, strict=True)):
            where = f"layers[{number}], {layer!r},"
            drawn = layer.initialize(random, self._units[number])
            for name, given in checks.instance(
                f"what {where} initializes", drawn, Mapping, "by name"
            ).items():
                if name not in shapes:
                    raise ValueError(f"{where} initializes {name!r}, but its parameters are {[*shapes]}")
                what = f"{name!r} of {where} at its start"
                values = place.asarray(given, "float64", name=what)
                if tuple(values.shape) not in ((), shapes[name]):
                    raise ValueError(
                        f"{where} must initialize {name!r} by one number or an array of shape "
                        f"{shapes[name]}, got shape {tuple(values.shape)}"
                    )
                checks.finite(host, f"{what}, in {dtype},", host.astype(values, getattr(host, dtype)))
                flat[self.layout.slice(f"{number}.{name}")] = host.reshape(values, (-1,))
        return flat

    def parameters(self, w: Vector, xp: Namespace = None) -> Parameters:
        """The named parameters of each layer, views into `w`."""
        views = iter(self.layout.views(w, xp).values())
        return [{name: next(views) for name in shapes} for shapes in self._shapes]

    def with_draws(
        self, xp: Namespace, parameters: Parameters, samples: Array, draw: int, dtype: Any
    ) -> Parameters:
        """`parameters`, and what layers draw for the `samples` of these numbers, `(samples,)` uint32."""
        return [
            {**own, **layer.draws(xp, units, samples, dtype, place=place, draw=draw)}
            if isinstance(layer, RandomLayer)
            else own
            for place, (layer, units, own) in enumerate(
                zip(self.layers, self._units, parameters, strict=False)
            )
        ]

    def forward(self, xp: Namespace, parameters: Parameters, inputs: Units) -> tuple[Units, list[Any]]:
        """The outputs `(..., outputs, samples)` of `inputs` `(features, samples)`, and the caches."""
        caches: list[Any] = []
        for layer, own in zip(self.layers, parameters, strict=True):
            inputs, cache = layer.forward(xp, own, inputs)
            caches.append(cache)
        return inputs, caches

    def backward(
        self,
        xp: Namespace,
        parameters: Parameters,
        caches: list[Any],
        gradient: Units,
        accumulate: Sequence[Accumulate],
    ) -> None:
        """Carries the outputs' `gradient` back; `accumulate[k]` takes those of layer k's parameters.

        Empties `caches` on the way, so that memory is free as soon as it can be.
        """
        carried: Any = gradient
        for number in reversed(range(len(self.layers))):
            carried = self.layers[number].backward(
                xp,
                parameters[number],
                caches.pop(),
                carried,
                accumulate[number],
                input_gradient=number > 0,
            )

    def predict(self, w: Vector, X: Any) -> Samples:
        """The outputs for `X` `(samples, features)`: `(samples, outputs)`, or `(R, samples, outputs)`.

        They are an array of the library and on the device of `w`. With a divergence that takes logits,
        `from_logits=True`, they are the logits. `X` is what a risk takes: arrays of any library, nested
        lists, memory maps, sparse matrices, or what has `shape`, `dtype` and `X[start:stop]`, as h5py's
        data sets; all is read part by part, so that only the outputs need memory that grows with them.
        Where each of R replicas has samples of its own it is `(R, samples, features)`.

        Raises:
            TypeError, ValueError: `w` or `X` of the wrong kind, shape, or not finite.
            MemoryError: it does not fit in memory even with one sample at once; where memory runs out it
                is begun again with half as many, which the log says.
        """
        backend = backend_of(w)
        xp = backend.xp
        self.layout.check(w)
        if w.ndim > 2:
            raise ValueError(f"w must be (P,) or (R, P), got shape {tuple(w.shape)}")
        if w.dtype not in (xp.float32, xp.float64):
            raise TypeError(f"w must be float32 or float64, got {checks.dtype_name(w.dtype)}")
        given, lead = backend.admit(X, name="X"), tuple(w.shape[:-1])
        self.check_shape(given, replicas=bool(lead))
        samples, own = int(given.shape[-2]), tuple(given.shape[:-2])
        if own not in ((), lead):
            raise ValueError(
                f"X must be of {lead[0]} replicas, as w is, or (samples, {self.inputs}) for all of them, "
                f"got shape {tuple(given.shape)}"
            )
        with backend.quiet():
            checks.finite(xp, "w", w)
            if own and not backend.owns(given):
                given = backend.asarray(given[0 : lead[0]], name="X")
            parameters = self.parameters(w, xp)
            outputs = xp.empty((*lead, samples, self.outputs), dtype=w.dtype, device=backend.device)

            def work(step: int) -> Samples:
                for part, rows in finite_parts(backend, given, step, w.dtype):
                    outputs[..., part, :] = self.forward(xp, parameters, rows.mT)[0].mT
                return outputs

            most = max(1, PREDICTED // (self.activation_size * max(1, math.prod(lead))))
            return halving(backend, min(most, samples), work)

    @property
    def activation_size(self) -> int:
        """The numbers that one sample occupies on its way through the network."""
        return sum(self._units)

    def check_shape(self, X: Any, *, replicas: bool = False) -> None:
        """Raises ValueError unless `X` is `(samples, inputs)` and holds a sample.

        With `replicas` it may be `(R, samples, inputs)` too.
        """
        shape = checks.shape_of(X)
        if shape is None:
            raise TypeError(f"X must be an array (samples, {self.inputs}), got {checks.shown(X)}")
        if len(shape) not in ((2, 3) if replicas else (2,)) or shape[-1] != self.inputs:
            own = f", or (R, samples, {self.inputs}) of R replicas," if replicas and len(shape) > 2 else ""
            raise ValueError(
                f"X must be (samples, {self.inputs}){own} as the network has {self.inputs} inputs, "
                f"got shape {shape}"
            )
        if 0 in shape:
            raise ValueError("X is empty: there must be at least one sample")

    def on_logits(self) -> Network:
        """The same network, its parameters in the same places, without its output activation.

        Raises:
            TypeError: the last layer has none.
        """
        last: Any = self.layers[-1]
        if self.activation is None:
            raise TypeError(f"the last layer must have an activation to have logits, got {last!r}")
        return Network(self.inputs, *self.layers[:-1], replace(last, activation=IDENTITY))

    def describe(self) -> str:
        """A table of the layers, with the shapes and number of their parameters."""
        rows = [("layer", "outputs", "parameters", "number")]
        for layer, units, shapes in zip(self.layers, self._units[1:], self._shapes, strict=True):
            size = Layout(shapes).size
            text = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            kind = f"{type(layer).__name__} {layer.activation or ''}".strip()
            rows.append((kind, str(units), text, f"{size:,}"))
        rows.append(("total", "", f"{self.inputs} inputs", f"{self.size:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return (self.inputs, self.layers) == (other.inputs, other.layers)

    def __hash__(self) -> int:
        return hash((self.inputs, self.layers))

    def __reduce__(self) -> tuple[Any, ...]:
        return Network, (self.inputs, *self.layers)

    def __repr__(self) -> str:
        text = f"Network({', '.join(map(repr, (self.inputs, *self.layers)))})"
        if len(text) <= 240:
            return text
        ends = f"{self.layers[0]!r:.60}, ..., {self.layers[-1]!r:.60}"
        return f"<Network of {len(self.layers)} layers, {self.size} parameters: {ends}>"
