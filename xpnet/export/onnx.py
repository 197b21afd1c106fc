"""A network as a model of ONNX."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from .. import checks
from ..device.arrays import DTypeLike, Vector
from ..network import Network
from ..storage.replacing import replacing
from ..version import version
from .nodes import Nodes, write
from .steps import HostArray, steps

OPSET, IR = 17, 8  # which onnxruntime has read since 1.12
MOST = 2**31 - 2**16  # bytes of a model


def to_onnx(
    network: Network,
    w: Vector,
    path: str | os.PathLike[str] | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Any:
    """The network as an `onnx.ModelProto`, checked by `onnx.checker`; written to `path` if one is given.

    Its input "X" is `(samples, inputs)` and its output "outputs" `(samples, outputs)`, for any number of
    samples. Needs ONNX: `pip install '.[onnx]'` in a checkout.

    Args:
        network: of dense, normalization and dropout layers; activations may be your own.
        w: its parameters, `(P,)`.
        path: of the file, which is written whole or not at all.
        dtype: "float32" or "float64", in which it computes; by default that of `w`. Runtimes have few
            operators in float64, but those of the library's own activations.

    Raises:
        TypeError: a layer that cannot be written, or an activation that cannot be traced.
        ValueError: `w` of replicas, of another size, or not finite; more than a model can hold, 2 GB.
        ImportError: ONNX is not installed.

    >>> from xpnet import Dense, Network
    >>> from xpnet.export import to_onnx
    >>> network = Network(2, Dense(3, "tanh"), Dense(1))
    >>> model = to_onnx(network, network.initialize(seed=0))  # doctest: +SKIP
    """
    onnx = import_onnx()
    found, name = steps(network, w, dtype)
    needed = network.size * (4 if name == "float32" else 8)
    if needed > MOST:
        raise ValueError(f"w must fit in 2 GB, as a model of ONNX has to, got {needed / 1e9:.3g} GB")
    kind = onnx.TensorProto.FLOAT if name == "float32" else onnx.TensorProto.DOUBLE
    nodes = _Graph(onnx, name)
    last = write(nodes, found, "X")
    nodes.nodes.append(onnx.helper.make_node("Identity", [last], ["outputs"]))
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes.nodes,
        "xpnet",
        [value("X", kind, ["samples", network.inputs])],
        [value("outputs", kind, ["samples", network.outputs])],
        nodes.tensors,
    )
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="xpnet",
        producer_version=version(),
        doc_string=repr(network),
    )
    onnx.checker.check_model(model, full_check=True)
    if path is not None:
        with replacing(os.fspath(path)) as file:
            file.write(model.SerializeToString())
    return model


class _Graph(Nodes):
    """The nodes and tensors of one model."""

    def __init__(self, onnx: Any, dtype: str) -> None:
        super().__init__(dtype, OPSET)
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self._names: dict[tuple[str, bytes], str] = {}  # of numbers

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def tensor(self, values: HostArray) -> str:
        values = np.ascontiguousarray(values).reshape(values.shape)
        key = (str((values.dtype, values.shape)), values.tobytes() if values.size == 1 else b"")
        if values.size == 1 and key in self._names:
            return self._names[key]
        name = self._names[key] = f"c{len(self.tensors)}"
        self.tensors.append(self.onnx.numpy_helper.from_array(values, name))
        return name


def import_onnx() -> Any:
    """ONNX, with what of it is used here."""
    try:
        onnx = importlib.import_module("onnx")
        for part in ("checker", "helper", "numpy_helper"):
            importlib.import_module(f"onnx.{part}")
    except ImportError as error:
        raise ImportError(f"to_onnx needs ONNX: {checks.installing('onnx')}") from error
    return onnx
