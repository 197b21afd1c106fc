"""Converters for skl2onnx, so that a whole pipeline of scikit-learn's becomes one model of ONNX."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from .. import checks
from ..device.select import backend_of
from .nodes import Nodes, write
from .steps import HostArray, steps

OPTIONS = {  # those of scikit-learn's own classifiers
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
}


def register_skl2onnx() -> None:
    """Tells skl2onnx how `NetworkClassifier` and `NetworkRegressor` are converted, alone or in a pipeline.

    Afterwards `skl2onnx.to_onnx(pipeline, X[:1])` converts them as it does scikit-learn's own estimators:
    a classifier has the outputs "label" and "probabilities", and takes its options, such as
    `options={"zipmap": False}`. A model computes in the dtype of its inputs.

    Raises:
        ImportError: skl2onnx or scikit-learn is not installed.
    """
    try:
        register: Any = importlib.import_module("skl2onnx").update_registered_converter
    except ImportError as error:
        raise ImportError(f"register_skl2onnx needs skl2onnx: {checks.installing('onnx')}") from error
    from ..sklearn import NetworkClassifier, NetworkRegressor

    kinds = (
        (NetworkClassifier, _classifier_shapes, _convert_classifier, OPTIONS),
        (NetworkRegressor, _regressor_shapes, _convert_regressor, None),
    )
    for kind, shapes, convert, options in kinds:
        register(kind, f"Xpnet{kind.__name__}", shapes, convert, options=options)


def _classifier_shapes(operator: Any) -> None:
    shapes = importlib.import_module("skl2onnx.common.shape_calculator")
    shapes.calculate_linear_classifier_output_shapes(operator)
    model = operator.raw_operator
    if _multilabel(model):
        types = importlib.import_module("skl2onnx.common.data_types")
        operator.outputs[0].type = types.Int64TensorType([None, model.n_outputs_])


def _regressor_shapes(operator: Any) -> None:
    shapes = importlib.import_module("skl2onnx.common.shape_calculator")
    shapes.calculate_linear_regressor_output_shapes(operator)
    operator.outputs[0].type = operator.outputs[0].type.__class__([None, operator.raw_operator.n_outputs_])


def _multilabel(model: Any) -> bool:
    """Whether each sample has several labels, or none."""
    backend = backend_of(model.w_)
    nothing = backend.xp.zeros((1, model.n_features_in_), dtype=model.w_.dtype, device=backend.device)
    return model.predict(nothing).ndim == 2


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    nodes, outputs = _outputs(scope, operator, container)
    label, probabilities = (output.full_name for output in operator.outputs)
    if _multilabel(model):
        above = nodes.node("Greater", outputs, nodes.number(0.5))
        nodes.to(label, "Cast", above, to=_kinds().INT64)
        nodes.to(probabilities, "Identity", outputs)
        return
    likeliest = nodes.node("ArgMax", outputs, axis=1, keepdims=0)
    nodes.to(label, "Gather", nodes.classes(_host(model.classes_)), likeliest)
    if not model.network_.activation.distribution:
        total = nodes.reduce("ReduceSum", outputs)
        even = nodes.number(1.0 / model.n_outputs_)
        share = nodes.node("Div", outputs, total)
        outputs = nodes.node("Where", nodes.node("Greater", total, nodes.number(0.0)), share, even)
    nodes.to(probabilities, "Identity", outputs)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    nodes, outputs = _outputs(scope, operator, container)
    if model.y_mean_ is not None:
        outputs = nodes.node("Mul", outputs, nodes.numbers(model.y_scale_))
        outputs = nodes.node("Add", outputs, nodes.numbers(model.y_mean_))
    nodes.to(operator.outputs[0].full_name, "Identity", outputs)


def _outputs(scope: Any, operator: Any, container: Any) -> tuple[_Container, str]:
    """The network's outputs for the operator's input, standardized as the model does it."""
    model, given = operator.raw_operator, operator.inputs[0]
    types = importlib.import_module("skl2onnx.common.data_types")
    double = isinstance(given.type, types.DoubleTensorType)
    nodes = _Container(scope, container, "float64" if double else "float32")
    y = given.full_name
    if not isinstance(given.type, types.DoubleTensorType | types.FloatTensorType):
        y = nodes.node("Cast", y, to=_kinds().FLOAT)
    if model.X_mean_ is not None:
        centred = nodes.node("Sub", y, nodes.numbers(model.X_mean_))
        y = nodes.node("Div", centred, nodes.numbers(model.X_scale_))
    return nodes, write(nodes, steps(model.network_, model.w_, nodes.dtype)[0], y)


class _Container(Nodes):
    """The nodes of skl2onnx's model."""

    def __init__(self, scope: Any, container: Any, dtype: str) -> None:
        super().__init__(dtype, container.target_opset_any_domain(""))
        self.scope, self.container = scope, container

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = self.scope.get_unique_variable_name("xpnet")
        self.to(name, operator, *inputs, **attributes)
        return name

    def to(self, name: str, operator: str, *inputs: str, **attributes: Any) -> None:
        """As `node`, for a value of this name."""
        own = self.scope.get_unique_operator_name(operator)
        self.container.add_node(
            operator, list(inputs), [name], op_version=self.opset, name=own, **attributes
        )

    def tensor(self, values: HostArray) -> str:
        onnx = importlib.import_module("onnx")
        name = self.scope.get_unique_variable_name("xpnet_constant")
        made = onnx.numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name)
        self.container.add_initializer(name, made.data_type, list(values.shape), made)
        return name

    def numbers(self, values: Any) -> str:
        """The name of an array of any device, in the model's dtype."""
        return self.tensor(_host(values).astype(self.dtype))

    def classes(self, values: HostArray) -> str:
        """The name of the classes, integers or words."""
        if values.dtype.kind in "biu":
            return self.tensor(values.astype("int64"))
        name = self.scope.get_unique_variable_name("xpnet_classes")
        words = [str(value).encode() for value in values.tolist()]
        self.container.add_initializer(name, _kinds().STRING, [len(words)], words)
        return name


def _host(values: Any) -> HostArray:
    own: Any = np.ndarray
    return values if isinstance(values, own) else backend_of(values).to_numpy(values)


def _kinds() -> Any:
    return importlib.import_module("onnx").TensorProto
