"""The network: layers one after the other over one flat vector of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import checks
from .device.arrays import Array, Namespace, host_generator
from .device.backend import Backend
from .device.select import backend as choose_backend
from .device.select import backend_of
from .layers import Accumulate, Dense, Dropout, Layer
from .parameters import Layout

Parameters = Sequence[Mapping[str, Array]]  # for each layer, its named parameters


class Network:
    """A feed-forward network on `inputs` features.

    `Network(64, Dense(64, "tanh"), Dense(10, "softmax"))` has parameters `0.weights` (64, 64), `0.bias`
    (64,), `1.weights` (10, 64), `1.bias` (10,), in this order in the flat vector `w`.

    Attributes:
        inputs, outputs: the number of input features and of output units.
        layers: the layers, a tuple.
        layout: where each parameter lies in `w`.
        has_dropout: whether there is a `Dropout` among the layers.
        size: the number of parameters, P.

    Raises:
        TypeError, ValueError: `inputs` is not a positive integer; something that is no layer; none.
    """

    def __init__(self, inputs: int, *layers: Layer) -> None:
        self.inputs = checks.count("inputs", inputs)
        for number, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers[{number}] must be a Layer such as Dense, got {layer!r}")
        if not layers:
            raise ValueError("layers must not be empty: a network has at least one layer")
        self.layers = layers
        self._units = [self.inputs]  # of the inputs, and of each layer's outputs
        for layer in layers:
            self._units.append(layer.units or self._units[-1])
        self._shapes = [layer.shapes(units) for layer, units in zip(layers, self._units, strict=False)]
        self.layout = Layout(
            {
                f"{number}.{name}": shape
                for number, shapes in enumerate(self._shapes)
                for name, shape in shapes.items()
            }
        )
        self.size = self.layout.size
        self.outputs = self._units[-1]
        self.has_dropout = any(isinstance(layer, Dropout) for layer in layers)

    def initialize(
        self,
        seed: int = 0,
        backend: Backend | str | None = None,
        dtype: Any = "float32",
        replicas: int | None = None,
    ) -> Array:
        """Parameters to start from: `(P,)`, or `(R, P)` for `replicas=R`.

        They are drawn on the host in double precision, so that a seed gives the same numbers on every
        backend. Replica r starts from what `initialize(seed + r)` gives.

        Raises:
            TypeError, ValueError: a seed that is no integer or negative; replicas below 1.
        """
        checks.count("seed", seed, 0)
        backend = choose_backend(backend)
        if replicas is None:
            return backend.asarray(self._draw(seed), backend.dtype(dtype))
        rows = [self._draw(seed + r) for r in range(checks.count("replicas", replicas))]
        return backend.asarray(rows, backend.dtype(dtype))

    def _draw(self, seed: int) -> Array:
        random = host_generator(seed)
        flat = 0.0 * random.random(self.size)
        for number, (layer, units) in enumerate(zip(self.layers, self._units, strict=False)):
            for name, values in layer.initialize(random, units).items():
                flat[self.layout.slice(f"{number}.{name}")] = values.ravel()
        return flat

    def parameters(self, w: Array, xp: Namespace = None) -> Parameters:
        """The named parameters of each layer, views into `w`."""
        views = iter(self.layout.views(w, xp).values())
        return [{name: next(views) for name in shapes} for shapes in self._shapes]

    def with_masks(
        self, xp: Namespace, parameters: Parameters, samples: Array, draw: int, dtype: Any
    ) -> Parameters:
        """`parameters` and the masks of dropout for the `samples` of these numbers, `(samples,)` uint32."""
        return [
            {**own, "mask": layer.mask(xp, units, samples, dtype, place=place, draw=draw)}
            if isinstance(layer, Dropout)
            else own
            for place, (layer, units, own) in enumerate(
                zip(self.layers, self._units[1:], parameters, strict=True)
            )
        ]

    def forward(self, xp: Namespace, parameters: Parameters, inputs: Array) -> tuple[Array, list[Any]]:
        """The outputs `(..., outputs, samples)` of `inputs` `(features, samples)`, and the caches."""
        caches = []
        for layer, own in zip(self.layers, parameters, strict=True):
            inputs, cache = layer.forward(xp, own, inputs)
            caches.append(cache)
        return inputs, caches

    def backward(
        self,
        xp: Namespace,
        parameters: Parameters,
        caches: list[Any],
        gradient: Array,
        accumulate: Sequence[Accumulate],
    ) -> None:
        """Carries the outputs' `gradient` back; `accumulate[k]` takes those of layer k's parameters.

        Empties `caches` on the way, so that memory is free as soon as it can be.
        """
        for number in reversed(range(len(self.layers))):
            gradient = self.layers[number].backward(
                xp,
                parameters[number],
                caches.pop(),
                gradient,
                accumulate[number],
                input_gradient=number > 0,
            )

    def predict(self, w: Array, X: Any) -> Array:
        """The outputs for `X` `(samples, features)`: `(samples, outputs)`, or `(R, samples, outputs)`.

        They are an array of the library and on the device of `w`.

        Raises:
            TypeError, ValueError: `w` or `X` of the wrong kind, shape, or not finite.
        """
        backend = backend_of(w)
        xp = backend.xp
        self.layout.check(w)
        with backend.quiet():
            checks.finite(xp, "w", w)
            X = self.check_inputs(backend, X, w.dtype)
            parameters = self.parameters(w, xp)
            step = max(1, 2**18 // self.activation_size)
            parts = [
                self.forward(xp, parameters, X[start : min(start + step, X.shape[0]), :].mT)[0]
                for start in range(0, X.shape[0], step)
            ]
            return xp.concat(parts, axis=-1).mT

    @property
    def activation_size(self) -> int:
        """The numbers that one sample occupies on its way through the network."""
        return sum(self._units)

    def check_inputs(self, backend: Backend, X: Any, dtype: Any) -> Array:
        """`X` as an array of `backend` and `dtype`.

        Raises:
            TypeError, ValueError: no numbers, empty, of the wrong width, or not finite.
        """
        X = backend.asarray(X, name="X")
        self.check_shape(X)
        with backend.quiet():  # what overflows is found below
            X = backend.xp.astype(X, backend.dtype(dtype), copy=False)
        checks.finite(backend.xp, "X", X)
        return X

    def check_shape(self, X: Any) -> None:
        """Raises ValueError unless `X` is `(samples, inputs)` and holds a sample."""
        shape = tuple(X.shape)
        if len(shape) != 2 or shape[1] != self.inputs:
            raise ValueError(
                f"X must be (samples, {self.inputs}) as the network has {self.inputs} inputs, "
                f"got shape {shape}"
            )
        if shape[0] == 0:
            raise ValueError("X is empty: there must be at least one sample")

    def on_logits(self) -> Network:
        """The same network, its parameters in the same places, without its output activation."""
        last = self.layers[-1]
        if not isinstance(last, Dense):
            raise TypeError(f"the last layer must be Dense to have logits, got {last!r}")
        return Network(self.inputs, *self.layers[:-1], Dense(last.units, bias=last.bias))

    def describe(self) -> str:
        """A table of the layers, with the shapes and number of their parameters."""
        rows = [("layer", "outputs", "parameters", "number")]
        for layer, units, shapes in zip(self.layers, self._units[1:], self._shapes, strict=True):
            size = Layout(shapes).size
            text = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            kind = f"{type(layer).__name__} {getattr(layer, 'activation', '')}".strip()
            rows.append((kind, str(units), text, f"{size:,}"))
        rows.append(("total", "", f"{self.inputs} inputs", f"{self.size:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def __repr__(self) -> str:
        return f"Network({', '.join(map(repr, (self.inputs, *self.layers)))})"
