"""The table of all public callables, with valid arguments and what a right result is for them."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from generated import (
    BACKEND,
    CHANGES,
    Argument,
    Call,
    Right,
    accepted,
    flag,
    integer,
    number,
    optional,
    plain,
    word,
)

import xpnet
import xpnet.testing
from xpnet import analysis, distributed, linear, optimizers, plotting
from xpnet.layers.activations import sigmoid_with_offset
from xpnet.optimizers import schedules

CALLS: dict[str, Call] = {}
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((6, 2))
LABELS = np.array([0, 1, 1, 0, 1, 0])
REALS = RANDOM.standard_normal((6, 2))
WEIGHTS = np.array([1.0, 2.0, 0.0, 0.5, 1.0, 3.0])
BACKENDS = Argument(["numpy", None, BACKEND, "NumPy"], words=("XPNET_BACKEND",))
DTYPES = Argument(["float64", "float32", np.float64, np.dtype("float32")])
CLASSIFIER = xpnet.Network(2, xpnet.Dense(3, "tanh"), xpnet.Dense(2, "softmax"))
REGRESSION = xpnet.Network(2, xpnet.Dense(3, "tanh"), xpnet.Dense(2))
DROPPING = xpnet.Network(2, xpnet.Dense(3, "tanh"), xpnet.Dropout(0.5), xpnet.Dense(2))
W = CLASSIFIER.initialize(0, BACKEND, "float64")


def close(got: Any, want: Any, tolerance: float = 1e-9) -> None:
    """Within `tolerance` of the largest entry; NaN where NaN is wanted."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"shape {got.shape} for {want.shape}"
    finite = np.abs(want[np.isfinite(want)])
    scale = float(np.max(finite, initial=0.0))
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * scale)


# --- what the numbers are, written down a second time --------------------------------------------------


def outputs(w: np.ndarray, x: np.ndarray, softmax: bool) -> np.ndarray:
    """Of a network 2-3-2, `(samples, 2)`, for one `w`, complex or real."""
    hidden = np.tanh(x @ w[:6].reshape(3, 2).T + w[6:9])
    z = hidden @ w[9:15].reshape(2, 3).T + w[15:]
    if not softmax:
        return z
    y = np.exp(z - np.max(z.real, axis=1, keepdims=True))
    return y / np.sum(y, axis=1, keepdims=True)


def penalty_value(w: np.ndarray, penalties: list[Any]) -> Any:
    inside = np.concatenate([np.ones(6), np.zeros(3), np.ones(6), np.zeros(2)])
    total: Any = 0.0
    for item in penalties:
        mask = np.ones(17) if item.biases else inside
        if isinstance(item, xpnet.L2):
            total += item.strength / 2 * np.sum(mask * w * w)
        else:
            total += item.strength * np.sum(mask * w * np.sign(w.real))
    return total


def risk_value(
    w: np.ndarray,
    x: np.ndarray,
    targets: np.ndarray,
    c: Any,
    softmax: bool,
    penalties: list[Any],
    entropy: bool | None = None,
) -> Any:
    c = np.ones(len(x)) if c is None else c
    y = outputs(w, x, softmax)
    if softmax if entropy is None else entropy:
        d = np.eye(2)[targets.astype(int)] if targets.ndim == 1 else targets
        own = -np.sum(np.where(d != 0, d, 0) * np.log(np.where(d != 0, y, 1.0)), axis=1)
    else:
        d = np.eye(2)[targets.astype(int)] if targets.ndim == 1 else targets
        own = 0.5 * np.sum((y - d) ** 2, axis=1)
    return np.sum(c / c.max() * own) / np.sum(c / c.max()) + penalty_value(w, penalties)


def rows(function: Callable[[np.ndarray], Any], w: np.ndarray) -> np.ndarray:
    """`function` of each replica."""
    return np.array([rows(function, own) for own in w]) if w.ndim > 1 else np.asarray(function(w))


def slopes(function: Callable[[np.ndarray], Any], w: np.ndarray) -> np.ndarray:
    """The derivatives of `function`, exact, by a complex step; on a last axis."""
    steps = 1e-30j * np.eye(len(w))
    return np.stack([np.imag(function(w + step)) / 1e-30 for step in steps], axis=-1)


def second(function: Callable[[np.ndarray], Any], w: np.ndarray) -> np.ndarray:
    h = 1e-4
    steps = h * np.eye(len(w))
    parts = [(slopes(function, w + step) - slopes(function, w - step)) / (2 * h) for step in steps]
    return np.stack(parts, axis=-1)


# --- objectives --------------------------------------------------------------------------------------


class Bowl(xpnet.Objective):
    """No more than value and gradient."""

    def value(self, w: Any) -> Any:
        return (w**4).sum(axis=-1)

    def value_and_gradient(self, w: Any) -> tuple[Any, Any]:
        return self.value(w), 4 * w**3


class Line(xpnet.SumOfSquares):
    """Residuals `A w - b` of a user's own."""

    A, b = np.arange(12.0).reshape(4, 3) ** 0.5, np.arange(4.0)

    def residuals(self, w: Any) -> Any:
        return w @ self.A.T - self.b

    def jacobian(self, w: Any) -> Any:
        return np.broadcast_to(self.A, (*w.shape[:-1], 4, 3)).copy()


def valley(xp: Any, w: Any) -> Any:
    return [10.0 * (w[..., 1] - w[..., 0] ** 2), 1.0 - w[..., 0], xp.exp(w[..., 2]) - 1.0]


TURNED = np.array([[2.0, 0.5, 0.0], [0.0, 1.0, 0.25], [0.5, 0.0, 1.0]])


def curved(xp: Any, w: Any) -> Any:
    return xp.exp(w[..., 0] * w[..., 1]) + w[..., 2] ** 4 * w[..., 0]


def total_of_fourths(xp: Any, w: Any) -> Any:
    return xp.sum(w**4, axis=-1)


class Nonsense(xpnet.Objective):
    """Returns what is no number."""

    def value(self, w: Any) -> Any:
        return "nonsense"

    def value_and_gradient(self, w: Any) -> Any:
        return "nonsense", None


A = np.array([[3.0, 1.0, 0.0], [0.5, 2.0, 0.2], [0.0, 0.1, 1.0]])
SYMMETRIC = (A + A.T) / 2


@dataclasses.dataclass
class Known:
    """An objective, its value for one `w`, complex or real, and its residuals if it has them."""

    objective: Any
    value: Callable[[np.ndarray], Any]
    start: np.ndarray
    residuals: Callable[[np.ndarray], Any] | None = None
    replicas: bool = True
    lacks: tuple[str, ...] = ()


def _threshold(w: np.ndarray) -> Any:
    margins = np.where(LABELS > 0, 1.0, -1.0) * (X @ w[:2] + w[2])
    return np.mean(np.where(margins.real < 0, -margins, 0.0))


def _squares(w: np.ndarray) -> np.ndarray:
    own = np.sqrt(WEIGHTS / WEIGHTS.sum())[:, None] * (outputs(w, X, False) - REALS)
    return np.concatenate([own.reshape(-1), np.sqrt(0.1) * w])


def make_risk(**options: Any) -> xpnet.EmpiricalRisk:
    return xpnet.EmpiricalRisk(
        CLASSIFIER, xpnet.CrossEntropy(), X, LABELS, backend="numpy", **{"dtype": "float64"} | options
    )


PENALTIES = [xpnet.L2(0.1), xpnet.L1(0.2, biases=True)]
KNOWN = {
    "risk": Known(
        make_risk(penalty=PENALTIES, chunk=4),
        lambda w: risk_value(w, X, LABELS, None, True, PENALTIES),
        W + 0.05,
        lacks=("residuals", "jacobian", "normal_equations", "redraw"),
    ),
    "squares": Known(
        xpnet.EmpiricalRisk(
            REGRESSION,
            xpnet.SquaredError(),
            X,
            REALS,
            sample_weight=WEIGHTS,
            penalty=xpnet.L2(0.1, biases=True),
            backend="numpy",
            dtype="float64",
        ),
        lambda w: risk_value(w, X, REALS, WEIGHTS, False, [xpnet.L2(0.1, biases=True)]),
        W,
        _squares,
        lacks=("redraw",),
    ),
    "Quadratic": Known(
        xpnet.Quadratic(A, [1.0, 2.0, 3.0], 4.0, backend="numpy"),
        lambda w: 0.5 * w @ A @ w + w @ [1.0, 2.0, 3.0] + 4.0,
        np.array([0.5, -1.0, 2.0]),
        lacks=("residuals", "jacobian", "normal_equations", "subset", "redraw"),
    ),
    "Scaled": Known(
        xpnet.Scaled(xpnet.LeastSquares(valley, backend="numpy"), TURNED),
        lambda u: 0.5 * np.sum(np.array(valley(np, np.linalg.solve(TURNED, u))) ** 2),
        np.array([-1.2, 1.0, 0.3]),
        lambda u: np.array(valley(np, np.linalg.solve(TURNED, u))),
        lacks=("subset", "redraw", "select_replicas"),
    ),
    "LeastSquares": Known(
        xpnet.LeastSquares(valley, backend="numpy"),
        lambda w: 0.5 * np.sum(np.array([10 * (w[1] - w[0] ** 2), 1 - w[0], np.exp(w[2]) - 1]) ** 2),
        np.array([-1.2, 1.0, 0.3]),
        lambda w: np.array([10 * (w[1] - w[0] ** 2), 1 - w[0], np.exp(w[2]) - 1]),
        lacks=("subset", "redraw", "select_replicas"),
    ),
    "Formula": Known(
        xpnet.Formula(curved, backend="numpy"),
        lambda w: np.exp(w[0] * w[1]) + w[2] ** 4 * w[0],
        np.array([-1.2, 1.0, 0.3]),
        lacks=(
            *("gauss_newton", "gauss_newton_product", "residuals", "jacobian", "normal_equations"),
            *("subset", "redraw"),
        ),
    ),
    "SumOfSquares": Known(
        Line(),
        lambda w: 0.5 * np.sum((Line.A @ w - Line.b) ** 2),
        np.array([0.5, -1.0, 2.0]),
        lambda w: Line.A @ w - Line.b,
        lacks=("hessian", "hessian_product", "subset", "redraw", "select_replicas"),
    ),
    "Objective": Known(
        Bowl(),
        lambda w: np.sum(w**4),
        np.array([0.5, -1.0, 2.0]),
        lacks=(
            *("hessian", "hessian_product", "gauss_newton", "gauss_newton_product", "residuals"),
            *("jacobian", "normal_equations", "subset", "redraw", "select_replicas"),
        ),
    ),
    "ThresholdUnit": Known(
        xpnet.ThresholdUnit(X, np.where(LABELS > 0, 1, -1), backend="numpy"),
        _threshold,
        np.array([0.5, -1.0, 0.2]),
        lacks=(
            *("hessian", "hessian_product", "gauss_newton", "gauss_newton_product", "residuals"),
            *("jacobian", "normal_equations", "subset", "redraw"),
        ),
    ),
}


def _at(known: Known) -> Argument:
    odd = (known.start.astype("float32"), known.start[None, None], known.start.tolist())
    words = ("Line.residuals",) if isinstance(known.objective, Line) else ()
    choices = [known.start, -0.5 * known.start, np.stack([known.start, 0.3 * known.start])]
    return Argument(choices, "", words, odd)


def _like_a_point(given: Any) -> np.ndarray:
    assert isinstance(given, np.ndarray), "no array, but taken for a point"
    assert given.dtype == np.float64, f"a point in {given.dtype} was taken"
    return np.asarray(given)


OWN_SIZES = ("Formula", "LeastSquares", "SumOfSquares", "Objective")


def _judge_method(name: str, known: Known, method: str) -> Right:
    """Compares what a method returns with the reference."""

    def hessian(own: np.ndarray) -> np.ndarray:
        return second(known.value, own)

    def jacobian(own: np.ndarray) -> np.ndarray:
        assert known.residuals is not None
        return slopes(known.residuals, own)

    def gauss_newton(own: np.ndarray) -> np.ndarray:
        return jacobian(own).T @ jacobian(own) if known.residuals else hessian(own)

    def judge(result: Any, given: dict[str, Any]) -> None:
        w = _like_a_point(given["w"])
        if not np.isfinite(w).all():
            return  # what is not finite may be evaluated, and is not finite
        if name in OWN_SIZES and w.shape[-1] != known.start.shape[-1]:
            return  # a formula of any number of parameters
        exact = not (np.abs(w) > 1e4).any() and w.shape[-1] == known.start.shape[-1]
        assert exact or np.abs(w).max() > 1e4, "a point of another size was taken"
        if not exact:
            return
        if method == "value":
            close(result, rows(known.value, w))
        elif method == "value_and_gradient":
            close(result[0], rows(known.value, w))
            close(result[1], rows(lambda own: slopes(known.value, own), w))
        elif method in ("hessian", "hessian_product") and np.abs(w).min() > 1e-3:  # away from kinks
            matrix = rows(hessian, w)
            _product(result, matrix, given, 1e-6)
        elif method in ("gauss_newton", "gauss_newton_product"):
            if known.residuals or known.objective is KNOWN["Quadratic"].objective:
                _product(result, rows(gauss_newton, w), given, 1e-6)
        elif method == "residuals":
            close(result, rows(known.residuals, w))
        elif method == "jacobian":
            close(result, rows(jacobian, w))
        elif method == "normal_equations":
            close(result[0], rows(known.value, w))
            close(result[1], rows(lambda own: slopes(known.value, own), w))
            close(result[2], rows(gauss_newton, w))

    return judge


def _product(result: Any, matrix: np.ndarray, given: dict[str, Any], tolerance: float) -> None:
    if "v" not in given:
        close(result, matrix, tolerance)
        return
    v = _like_a_point(given["v"])
    if np.isfinite(v).all() and np.abs(v).max() < 1e4:
        close(result, np.einsum("...ij,...j->...i", matrix, v), tolerance)


def _add_methods() -> None:
    for name, known in KNOWN.items():
        for method in (
            "value",
            "value_and_gradient",
            "hessian",
            "hessian_product",
            "gauss_newton",
            "gauss_newton_product",
            "residuals",
            "jacobian",
            "normal_equations",
        ):
            if getattr(type(known.objective), method) is vars(type(known.objective)).get(
                method
            ) and isinstance(known.objective, Bowl | Line):
                continue  # a user's own
            arguments = {"w": _at(known)}
            if "product" in method:
                v = 0.7 + known.start
                # a single w, so that v fits
                arguments = {
                    "w": Argument([known.start, -0.5 * known.start], words=("v",)),
                    "v": Argument([v, 0.1 * v, np.stack([v, known.start])]),
                }
            if method in known.lacks:
                arguments = {}
            CALLS[f"{name}.{method}"] = Call(
                getattr(known.objective, method),
                arguments,
                None if method in known.lacks else _judge_method(name, known, method),
            )


_add_methods()


def _lacking(name: str, method: str, argument: Any) -> None:
    """A method that an objective has not: that is said, whatever it is called with."""
    function = getattr(KNOWN[name].objective, method)

    def call(given: Any) -> None:
        with pytest.raises(NotImplementedError, match="has no|only|without"):
            function(given, given) if "product" in method else function(given)

    CALLS[f"{name}.{method}"] = Call(call, {"given": Argument([argument])}, lambda result, given: None)


for _name, _known in KNOWN.items():
    for _method in _known.lacks:
        _lacking(_name, _method, _known.start)


def _judge_subset(result: Any, given: dict[str, Any]) -> None:
    chosen = plain(given["samples"])
    assert chosen is not None, "taken for samples"
    chosen = np.flatnonzero(chosen) if np.asarray(given["samples"]).dtype == bool else chosen.astype(int)
    want = risk_value(W, X[chosen], LABELS[chosen], None, True, PENALTIES)
    close(result.value(W), want)


CALLS["risk.subset"] = Call(
    KNOWN["risk"].objective.subset,
    {
        "samples": Argument(
            [np.array([0, 2, 5]), [1, 1], np.array([True, False, True, True, False, False]), range(3)],
            odd=(np.array([6]), np.array([-1, 2]), [0.0, 1.0], np.ones(5, bool), np.zeros(6, bool), 2**70),
        )
    },
    _judge_subset,
)
CALLS["squares.subset"] = Call(
    KNOWN["squares"].objective.subset,
    {"samples": Argument([np.array([0, 2, 5]), [1, 1]], odd=(np.array([6.0]), [True, False]))},
    lambda result, given: close(
        result.value(W),
        float(
            (WEIGHTS / WEIGHTS.sum() * 0.5 * np.sum((outputs(W, X, False) - REALS) ** 2, 1))[
                np.asarray(given["samples"])
                if np.asarray(given["samples"]).dtype != bool
                else np.flatnonzero(given["samples"])
            ].sum()
            * 6
            / result.samples
            + 0.05 * np.sum(W**2)
        ),
    ),
)


def _judge_redraw(result: Any, given: dict[str, Any]) -> None:
    draw = accepted(given["draw"], "integer")
    w = DROPPING.initialize(0, "numpy", "float64")
    risk = xpnet.EmpiricalRisk(
        DROPPING, xpnet.SquaredError(), X, REALS, backend="numpy", dtype="float64", training=True
    )
    assert draw == 0 or result.value(w) == risk.redraw(int(draw)).value(w)


CALLS["EmpiricalRisk.redraw"] = Call(
    xpnet.EmpiricalRisk(
        DROPPING, xpnet.SquaredError(), X, REALS, backend="numpy", dtype="float64", training=True
    ).redraw,
    {"draw": integer(0, 1, 5)},
    _judge_redraw,
)
for _name in ("Formula", "risk", "squares", "Quadratic", "ThresholdUnit"):
    CALLS[f"{_name}.select_replicas"] = Call(
        KNOWN[_name].objective.select_replicas,
        {"rows": Argument([[0], [0, 1]])},
        lambda result, given: None,
    )


def _wrong(w: np.ndarray) -> Any:
    return np.mean(np.argmax(outputs(w, X, True), axis=1) != LABELS)


CALLS["risk.error_rate"] = Call(
    KNOWN["risk"].objective.error_rate,
    {"w": _at(KNOWN["risk"])},
    lambda result, given: close(result, rows(_wrong, _like_a_point(given["w"]))),
)
CALLS["risk.mean"] = Call(
    KNOWN["risk"].objective.mean,
    {
        "function": Argument(
            [lambda xp, outputs, targets: xp.sum(targets, axis=-2) + 0.0 * outputs[..., 0, :]],
            odd=(3, "mse", None),
        ),
        "w": _at(KNOWN["risk"]),
    },
    lambda result, given: close(result, rows(lambda w: 1.0, _like_a_point(given["w"]))),
)
CALLS["ThresholdUnit.error_rate"] = Call(
    KNOWN["ThresholdUnit"].objective.error_rate,
    {"w": _at(KNOWN["ThresholdUnit"])},
    lambda result, given: close(
        result,
        rows(
            lambda w: np.mean(np.where(LABELS > 0, 1, -1) * (X @ w[:2] + w[2]) <= 0),
            _like_a_point(given["w"]),
        ),
    ),
)
_MANY = xpnet.Quadratic(A, np.arange(6.0).reshape(2, 3), backend="numpy")
CALLS["Quadratic.select_replicas"] = Call(
    _MANY.select_replicas,
    {"rows": Argument([[0], [0, 1], [1]], odd=([2], [-1], [0.5], [True]))},
    lambda result, given: close(
        result.value(np.ones((len(given["rows"]), 3))), _MANY.value(np.ones((2, 3)))[list(given["rows"])]
    ),
)

CALLS["ThresholdUnit.margins"] = Call(
    KNOWN["ThresholdUnit"].objective.margins,
    {"w": _at(KNOWN["ThresholdUnit"])},
    lambda result, given: close(
        result,
        rows(lambda w: np.where(LABELS > 0, 1, -1) * (X @ w[:2] + w[2]), _like_a_point(given["w"])),
    ),
)
CALLS["ThresholdUnit.mistakes"] = Call(
    KNOWN["ThresholdUnit"].objective.mistakes,
    {"w": _at(KNOWN["ThresholdUnit"])},
    lambda result, given: close(
        result,
        rows(
            lambda w: np.sum(np.where(LABELS > 0, 1, -1) * (X @ w[:2] + w[2]) <= 0),
            _like_a_point(given["w"]),
        ),
    ),
)
CALLS["ThresholdUnit.predict"] = Call(
    KNOWN["ThresholdUnit"].objective.predict,
    {
        "w": Argument([np.array([0.5, -1.0, 0.2])]),
        "X": Argument([X, X[:1], X.tolist(), X.astype("float32")]),
    },
    lambda result, given: close(
        result,
        rows(
            lambda w: np.where(plain(given["X"]) @ w[:2] + w[2] > 0, 1.0, -1.0), _like_a_point(given["w"])
        ),
    ),
)
_SEPARABLE = xpnet.ThresholdUnit([[1.0, 0.0], [-1.0, 0.5]], [1, -1], backend="numpy")
CALLS["ThresholdUnit.mistake_bound"] = Call(
    _SEPARABLE.mistake_bound,
    {"w": Argument([np.array([1.0, 0.0, 0.0]), np.array([2.0, -0.5, 0.1])], odd=(-np.ones(3),))},
    lambda result, given: close(
        result,
        2.25 * np.sum(given["w"] ** 2) / min(given["w"] @ [1, 0, 1], -(given["w"] @ [-1, 0.5, 1])) ** 2,
    ),
)


def _judge_threshold(result: Any, given: dict[str, Any]) -> None:
    inputs, signs = plain(given["X"]), plain(given["targets"])
    assert inputs is not None
    assert signs is not None
    w = np.linspace(-1, 1, inputs.shape[1] + 1).astype(result.dtype)
    margins = signs * (inputs @ w[:-1] + w[-1])
    close(result.value(w), np.mean(np.maximum(0, -margins)), 1e-5)


CALLS["ThresholdUnit"] = Call(
    xpnet.ThresholdUnit,
    {
        "X": Argument([X, X.tolist()]),
        "targets": Argument([np.where(LABELS > 0, 1, -1), np.where(LABELS > 0, 1.0, -1.0)], odd=(LABELS,)),
        "backend": BACKENDS,
        "dtype": DTYPES,
    },
    _judge_threshold,
)


def _judge_quadratic(result: Any, given: dict[str, Any]) -> None:
    matrix, b, c = plain(given["A"]), plain(given["b"]), plain(given["c"])
    assert matrix is not None, "A was taken"
    assert b is not None or given["b"] is None, "b was taken"
    assert c is not None, "c was taken"
    lead = {*matrix.shape[:-2], *(() if b is None else b.shape[:-1]), *c.shape}
    size = matrix.shape[-1]
    w = np.linspace(-1, 1, size) * np.ones((*lead, 1)) if lead else np.linspace(-1, 1, size)
    own = w.astype(result.dtype)
    want = 0.5 * np.einsum("...i,...ij,...j->...", w, matrix, w) + c
    if b is not None:
        want = want + np.sum(b * w, axis=-1)
    if np.abs(want).max() < 1e30:
        close(result.value(own), want, 1e-5 if result.dtype == np.float32 else 1e-9)


CALLS["Quadratic"] = Call(
    xpnet.Quadratic,
    {
        "A": Argument([SYMMETRIC, A, A.tolist(), np.stack([A, 2 * A])]),
        "b": Argument([np.arange(3.0), None, [1, 2, 3], np.arange(6.0).reshape(2, 3)]),
        "c": Argument([0.0, 3, np.arange(2.0), Fraction(1, 2) and 0.5]),
        "backend": BACKENDS,
        "dtype": DTYPES,
    },
    _judge_quadratic,
)


def _judge_formula(result: Any, given: dict[str, Any]) -> None:
    if given["function"] is valley:
        w = np.array([-1.2, 1.0, 0.3], result.dtype)
        close(result.value(w), KNOWN["LeastSquares"].value(w), 1e-5)


def _judge_scalar_formula(result: Any, given: dict[str, Any]) -> None:
    if given["function"] is total_of_fourths:
        close(result.value(np.array([2.0, -1.0], result.dtype)), 17.0)


CALLS["Formula"] = Call(
    xpnet.Formula,
    {"function": Argument([total_of_fourths]), "backend": BACKENDS, "dtype": DTYPES},
    _judge_scalar_formula,
)


def _judge_scaled(result: Any, given: dict[str, Any]) -> None:
    matrix = plain(given["S"])
    assert matrix is not None, "S was taken"
    u = np.array([0.5, -1.0, 2.0])[: len(matrix)]
    w = u / matrix if matrix.ndim == 1 else np.linalg.solve(matrix, u)
    if len(matrix) == 3 and np.linalg.cond(np.diag(matrix) if matrix.ndim == 1 else matrix) < 1e4:
        close(result.value(u), KNOWN["Quadratic"].value(w))


def _judge_moved(inverse: bool) -> Right:
    def judge(result: Any, given: dict[str, Any]) -> None:
        (point,) = map(_like_a_point, given.values())
        matrix = np.linalg.inv(TURNED) if inverse else TURNED
        if np.isfinite(point).all() and np.abs(point).max() < 1e4:
            close(result, point @ matrix.T)

    return judge


CALLS["Scaled.to"] = Call(
    KNOWN["Scaled"].objective.to, {"w": Argument([np.ones(3), np.ones((2, 3))])}, _judge_moved(False)
)
CALLS["Scaled.back"] = Call(
    KNOWN["Scaled"].objective.back, {"u": Argument([np.ones(3), np.ones((2, 3))])}, _judge_moved(True)
)
CALLS["Scaled"] = Call(
    xpnet.Scaled,
    {
        "objective": Argument([KNOWN["Quadratic"].objective]),
        "S": Argument([TURNED, np.array([1.0, 2.0, 0.5]), TURNED.tolist()], odd=(np.ones((3, 3)),)),
        "backend": BACKENDS,
    },
    _judge_scaled,
)
CALLS["LeastSquares"] = Call(
    xpnet.LeastSquares,
    {"function": Argument([valley]), "backend": BACKENDS, "dtype": DTYPES},
    _judge_formula,
)


def _judge_risk(result: Any, given: dict[str, Any]) -> None:
    x, d, c = plain(given["X"]), plain(given["targets"]), plain(given["sample_weight"])
    assert x is not None, "X was taken"
    assert d is not None, "targets were taken"
    assert c is not None or given["sample_weight"] is None, "sample_weight was taken"
    penalty = given["penalty"]
    penalties = [] if penalty is None else [penalty] if isinstance(penalty, xpnet.Penalty) else [*penalty]
    for name in ("chunk", "threads"):
        if given[name] is not None:
            accepted(given[name], "integer")
    if c is not None and c.ndim == 2:  # of replicas
        assert result.replicas == len(c)
        assert np.all(np.isfinite(result.value(result.initialize())))
        return
    divergence = given["divergence"]
    softmax = given["network"] == CLASSIFIER or bool(divergence.from_logits)
    entropy = not isinstance(divergence, xpnet.SquaredError)
    w = W.astype(result.dtype)
    wide = w.astype(float)
    single = result.dtype == np.float32
    if np.abs(x).max() < 1e4:
        want = risk_value(wide, x, d, c, softmax, penalties, entropy)
        close(result.value(w), want, 1e-5 if single else 1e-9)
        gradient = slopes(lambda own: risk_value(own, x, d, c, softmax, penalties, entropy), wide)
        close(result.value_and_gradient(w)[1], gradient, 1e-4 if single else 1e-9)
    else:
        assert np.isfinite(result.value(w))


CALLS["EmpiricalRisk"] = Call(
    xpnet.EmpiricalRisk,
    {
        "network": Argument([CLASSIFIER], odd=(REGRESSION, DROPPING)),
        "divergence": Argument(
            [xpnet.CrossEntropy()], odd=(xpnet.SquaredError(), xpnet.CrossEntropy(True))
        ),
        "X": Argument([X, X.tolist(), X.astype("float32")], words=("samples",)),
        "targets": Argument([LABELS, np.eye(2)[LABELS], LABELS.tolist(), LABELS > 0, LABELS.astype(float)]),
        "backend": BACKENDS,
        "dtype": DTYPES,
        "sample_weight": Argument([WEIGHTS, None, WEIGHTS.tolist(), 1e-30 * WEIGHTS]),
        "penalty": Argument([None, xpnet.L2(0.1), PENALTIES, (xpnet.L1(Fraction(1, 3)),), []]),
        "chunk": optional(integer(1, 4, 100)),
        "threads": optional(integer(1, 2)),
        "resident": Argument(["auto", True, False, np.True_], words=("resident",), odd=("Auto", "yes", 1)),
        "training": Argument([None, False, True, np.False_], odd=(1, "False", 0.0)),
        "communicator": Argument([None, "self", distributed.ALONE], odd=("world", "Self", 1, b"mpi")),
        "local": Argument([False, True, np.False_], odd=(1, "False", 0.0)),
    },
    _judge_risk,
)
CALLS["EmpiricalRisk of squares"] = dataclasses.replace(
    CALLS["EmpiricalRisk"],
    arguments=CALLS["EmpiricalRisk"].arguments
    | {
        "network": Argument([REGRESSION], odd=(CLASSIFIER,)),
        "divergence": Argument([xpnet.SquaredError()], odd=(xpnet.CrossEntropy(), xpnet.KullbackLeibler())),
        "targets": Argument([REALS, REALS.tolist(), LABELS]),
    },
)


def _judge_difference_hessian(result: Any, given: dict[str, Any]) -> None:
    assert (
        given["objective"] is KNOWN["Quadratic"].objective or given["objective"] is KNOWN["risk"].objective
    )
    w = _like_a_point(given["w"])
    if given["objective"] is KNOWN["Quadratic"].objective and np.abs(w).max() < 1e4:
        close(result, rows(lambda own: SYMMETRIC, w), 1e-6)


CALLS["difference_hessian"] = Call(
    xpnet.difference_hessian,
    {
        "objective": Argument(
            [KNOWN["Quadratic"].objective],
            odd=(Nonsense(), KNOWN["risk"].objective),
            words=("gradient", "w"),
        ),
        "w": _at(KNOWN["Quadratic"]),
    },
    _judge_difference_hessian,
)


# --- settings: kept as they are --------------------------------------------------------------------------

POSITIVE = number(0.25, 0.5, 1.0)
NOT_NEGATIVE = number(0.25, 0.0, 1.0)
FRACTION = number(0.25, 0.5)
ROWS = [np.array([[0.1], [0.2]]), np.array([0.1, 0.2, 0.3])]
RATE = Argument(
    [0.1, 1, Fraction(1, 4), np.float32(0.5), *ROWS, schedules.Cosine(0.1, 10), lambda step: 0.1],
    odd=(np.array([[0.1], [-0.1]]), np.array([0.1, 0.0]), np.array([[0.1, 0.2]]), np.array([True])),
)
SEARCH = Argument(
    [xpnet.StrongWolfe(), xpnet.Backtracking(), xpnet.Fixed(0.5), xpnet.Exact()],
    odd=("strong wolfe", xpnet.StrongWolfe, xpnet.after(2)),
)


def _judge_rate(name: str) -> Right:
    def judge(result: Any, given: dict[str, Any]) -> None:
        kept, value = getattr(result, name), given[name]
        if isinstance(value, schedules.Schedule) or callable(value):
            assert kept is value
            return
        want = plain(value) if isinstance(value, np.ndarray) else accepted(value, "number")
        assert want is not None, f"{name} was taken"
        assert np.all(np.asarray(want) >= 0), f"{name} was taken"
        assert type(kept) is float if np.ndim(want) == 0 else kept is not value
        np.testing.assert_allclose(np.asarray(kept, float), want, rtol=1e-6)

    return judge


BOUNDS = {"smallest": "largest", "radius": "largest", "damping": "largest", "initial": "minimum"}


def settings(kind: Any, **arguments: Argument) -> None:
    """A frozen setting, which keeps what it is given."""
    for name, bounded in BOUNDS.items():
        if name in arguments and bounded in arguments:
            arguments[name] = dataclasses.replace(arguments[name], words=(bounded,))
    names = [name for name in ("rate", "momentum") if name in arguments and not arguments[name].meaning]

    def judge(result: Any, given: dict[str, Any]) -> None:
        for name in names:
            _judge_rate(name)(result, given)
        assert result == kind(**given)
        assert hash(result) == hash(kind(**given))
        repr(result)

    own = {field.name for field in dataclasses.fields(kind) if field.init}
    assert own == set(arguments), f"{kind.__name__} has {own}"
    CALLS[kind.__name__] = Call(kind, arguments, judge, keeps=True)


MOMENTUM = Argument(
    [0.9, 0, np.array([[0.5], [0.25]]), Fraction(1, 2)], odd=(1.0, np.array([[0.5], [1.0]]))
)
settings(xpnet.GradientDescent, rate=RATE)
settings(xpnet.Momentum, rate=RATE, momentum=MOMENTUM, rate_inside=flag(), dampening=FRACTION)
settings(xpnet.Nesterov, rate=RATE, momentum=MOMENTUM, rate_inside=flag())
settings(
    xpnet.RMSprop,
    rate=RATE,
    rho=FRACTION,
    epsilon=NOT_NEGATIVE,
    epsilon_inside=flag(),
    momentum=FRACTION,
    centred=flag(),
)
settings(xpnet.Adagrad, rate=RATE, accumulator=NOT_NEGATIVE, epsilon=NOT_NEGATIVE, epsilon_inside=flag())
settings(xpnet.Adadelta, rate=RATE, rho=FRACTION, epsilon=POSITIVE)
settings(
    xpnet.Adam,
    rate=RATE,
    beta1=FRACTION,
    beta2=FRACTION,
    weight_decay=NOT_NEGATIVE,
    epsilon=NOT_NEGATIVE,
    epsilon_inside=Argument([False]),
    epsilon_hat=flag(),
    amsgrad=flag(),
)
BETAS = {"beta1": FRACTION, "beta2": FRACTION, "weight_decay": NOT_NEGATIVE}
settings(xpnet.NAdam, rate=RATE, **BETAS, epsilon=NOT_NEGATIVE, momentum_decay=NOT_NEGATIVE)
settings(xpnet.RAdam, rate=RATE, **BETAS, epsilon=NOT_NEGATIVE)
settings(xpnet.Lion, rate=RATE, **BETAS)
settings(xpnet.QuickProp, rate=RATE, growth=number(1.5, 2.0), weight_decay=NOT_NEGATIVE, guards=flag())
settings(
    xpnet.Rprop,
    variant=word("RPROP+", "RPROP-", "iRprop+", "iRprop-", "textbook"),
    rate=Argument([0.1, 1, *ROWS], odd=(schedules.Constant(0.1), lambda step: 0.1)),
    up=number(1.25, 1.0),
    down=FRACTION,
    smallest=number(0.0, 0.125),
    largest=number(50.0, 1.0),
)
settings(
    xpnet.Minibatch,
    optimizer=Argument([xpnet.Nesterov()], odd=(xpnet.BFGS(), "adam")),
    size=integer(1, 9),
    seed=integer(0, 3),
)
settings(
    xpnet.Projected,
    optimizer=Argument([xpnet.Momentum(), "adam"], odd=(xpnet.BFGS(), xpnet.Nesterov(), "nesterov")),
    radius=Argument([1.0, 2, Fraction(1, 4), ROWS[0]], odd=(0.0, -1.0, ROWS[1])),
)


def _judge_projected(result: Any, given: dict[str, Any]) -> None:
    w = _like_a_point(given["w"])
    if np.isfinite(w).all():
        size = np.sqrt(np.sum((w / 2) ** 2, axis=-1, keepdims=True))
        close(result, np.where(size > 1, w / np.where(size > 1, size, 1), w))


CALLS["Optimizer.project"] = Call(
    xpnet.Projected("momentum", 2.0).project,
    {"w": Argument([np.ones(3), 3 * np.ones(3), np.array([[1.0, 0.0], [3.0, 4.0]])])},
    _judge_projected,
)
settings(xpnet.Perceptron)
settings(xpnet.Fixed, rate=RATE)
settings(xpnet.Exact)
settings(xpnet.Backtracking, decrease=FRACTION, shrink=FRACTION, trials=integer(1, 60))
settings(
    xpnet.StrongWolfe,
    decrease=number(0.125, 0.25, words=("curvature",)),
    curvature=number(0.5, 0.75),
    trials=integer(1, 60),
)
settings(xpnet.SteepestDescent, search=SEARCH)
settings(xpnet.NonlinearCG, formula=word("PR+", "HZ"), search=SEARCH)
settings(xpnet.BFGS, search=SEARCH, scaled=flag())
settings(xpnet.LBFGS, pairs=integer(1, 10), search=SEARCH, scaling=word("each", "first", "none"))
settings(
    xpnet.Newton,
    indefinite=word("absolute", "damp", "error"),
    search=SEARCH,
    damping=FRACTION,
    blocks=Argument(
        [None, "layer", "unit", [range(3), [3, 4]], (slice(0, 2), (2,))],
        odd=("layers", [0, 1], [[]], [[-1]], [slice(3, None)], [[0.5]], []),
    ),
)
settings(xpnet.NewtonCG, iterations=optional(integer(1, 10)), search=SEARCH)
settings(xpnet.GaussNewton, matrix_free=flag(), search=SEARCH)
settings(
    xpnet.TrustRegion,
    subproblem=word("exact", "cg"),
    radius=POSITIVE,
    largest=number(2.0, 1e10),
    trials=integer(1, 60),
)
settings(
    xpnet.LevenbergMarquardt,
    damping=POSITIVE,
    factor=number(2.0, 4.0),
    largest=number(8.0, 1e30),
    scaling=word("diagonal", "identity"),
    matrix_free=Argument([False]),
    trials=integer(1, 60),
)

settings(xpnet.L1, strength=NOT_NEGATIVE, biases=flag())
settings(xpnet.L2, strength=NOT_NEGATIVE, biases=flag())
settings(xpnet.CrossEntropy, from_logits=flag())
settings(xpnet.BinaryCrossEntropy, from_logits=flag())
settings(xpnet.KullbackLeibler, from_logits=flag())
settings(xpnet.SquaredError)
settings(xpnet.ThresholdSquaredError, middle=number(0.5, 0.0, -1.0))
settings(xpnet.Dropout, rate=number(0.0, 0.5), seed=integer(0, 3))
settings(xpnet.LayerNorm, epsilon=POSITIVE)

settings(xpnet.after, steps=integer(1, 300))
settings(xpnet.evaluations, limit=integer(2, 300))
settings(xpnet.time_limit, seconds=number(0.5, 30.0))
settings(xpnet.value_below, limit=number(0.5, -1.0))
settings(xpnet.gradient_below, limit=NOT_NEGATIVE)
settings(xpnet.change_below, limit=NOT_NEGATIVE)
settings(xpnet.patience, evaluations=integer(1, 20), threshold=NOT_NEGATIVE)

FORMULAS: dict[Any, Callable[[Any, int], float]] = {
    schedules.Constant: lambda s, k: s.initial,
    schedules.LinearDecay: lambda s, k: s.initial / (k + 1),
    schedules.QuadraticDecay: lambda s, k: s.initial / (k + 1) ** 2,
    schedules.ExponentialDecay: lambda s, k: s.initial * math.exp(-s.decay * k),
    schedules.Cosine: lambda s, k: (
        s.minimum + (s.initial - s.minimum) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, k / s.steps)))
    ),
}


def schedule(kind: Any, **arguments: Argument) -> None:
    settings(kind, **arguments)
    before = CALLS.pop(kind.__name__)

    def judge(result: Any, given: dict[str, Any]) -> None:
        assert before.right is not None
        before.right(result, given)
        if kind in FORMULAS:
            for step in (0, 1, 5, 1000):
                close(result.rate(step, {}), FORMULAS[kind](result, step), 1e-12)

    CALLS[f"schedules.{kind.__name__}"] = dataclasses.replace(before, right=judge)


schedule(schedules.Constant, initial=POSITIVE)
schedule(schedules.Step, initial=POSITIVE, every=integer(1, 9), factor=POSITIVE)
schedule(
    schedules.MultiStep,
    initial=POSITIVE,
    milestones=Argument([(3,), (1, 4), [2, 2]], odd=("3", 3, (-1,))),
    factor=POSITIVE,
)
schedule(schedules.Polynomial, initial=POSITIVE, steps=integer(1, 9), power=POSITIVE)
schedule(schedules.Lambda, initial=POSITIVE, function=Argument([abs], odd=("abs", 0.1)))
schedule(
    schedules.OneCycle,
    maximum=POSITIVE,
    steps=integer(9, 99),
    rise=number(0.2, 0.5),
    start=number(1.0, 25.0),
    end=number(1.0, 1e4),
    shape=word("cosine", "linear"),
    three_phase=flag(),
)
schedule(
    schedules.Cyclic,
    minimum=number(0.0, 0.5),
    maximum=number(1.0, 2.0),
    up=integer(1, 9),
    down=Argument([None, 3], odd=(0, "3")),
    mode=word("constant", "halved", "exponential"),
    factor=number(0.5, 1.0),
)
schedule(schedules.LinearDecay, initial=POSITIVE)
schedule(schedules.QuadraticDecay, initial=POSITIVE)
schedule(schedules.ExponentialDecay, initial=POSITIVE, decay=POSITIVE)
schedule(schedules.Cosine, initial=number(1.0, 2.0), steps=integer(1, 100), minimum=number(0.0, 0.5))
schedule(
    schedules.Plateau,
    initial=number(1.0, 2.0),
    factor=FRACTION,
    patience=integer(0, 10),
    threshold=number(0.0, 0.5),
    minimum=number(0.0, 0.5),
    watch=word("value", "held_out"),
    cooldown=integer(0, 3),
    mode=word("min", "max"),
    threshold_mode=word("rel"),
)
schedule(
    schedules.Restarts,
    schedule=Argument(
        [schedules.Cosine(0.1, 4), schedules.Constant(0.1)], odd=(0.1, schedules.Plateau(0.1))
    ),
    period=integer(1, 4),
    growth=integer(1, 2),
)
schedule(
    schedules.WarmUp,
    schedule=Argument(
        [0.1, schedules.Cosine(0.1, 4), schedules.Plateau(0.1), lambda step: 0.1],
        odd=(np.array([[0.1], [-0.1]]),),
    ),
    steps=integer(1, 4),
)
_SAVED = [{"kind": "Cosine", "initial": 0.1, "steps": 4}, {"kind": "Constant", "initial": 1}]
CALLS["schedules.from_dict"] = Call(
    schedules.from_dict,
    {
        "settings": Argument(
            _SAVED,
            words=("kind", "initial", "steps", "minimum"),
            odd=(
                {"kind": "cosine"},
                {"kind": "Cosine", "initial": "0.1", "steps": 3},
                {"kind": "Cosine", "initial": 0.1, "stepz": 3},
                {"kind": "Cosine", "initial": 0.1},
                {1: 2},
            ),
        )
    },
    lambda result, given: close(result.rate(0, {}), float(given["settings"]["initial"])),
)
CALLS["schedules.to_dict"] = Call(
    schedules.to_dict,
    {
        "schedule": Argument(
            [schedules.Cosine(0.1, 4), schedules.WarmUp(0.1, 3)], odd=(schedules.WarmUp(abs, 3),)
        )
    },
    lambda result, given: _equal(schedules.from_dict(result), given["schedule"]),
)
for _helper in ("as_schedule", "checked_rate"):
    CALLS[f"schedules.{_helper}"] = Call(
        getattr(schedules, _helper), {"rate": RATE}, lambda result, given: None
    )


def _equal(got: Any, want: Any) -> None:
    assert got == want, f"{got!r} for {want!r}"


def _or(other: Any) -> Any:
    return xpnet.after(3) | other


def _and(other: Any) -> Any:
    return (
        other & xpnet.after(3)
        if isinstance(other, type(xpnet.after(2)).__mro__[1])
        else xpnet.after(3) & other
    )


_OTHERS = Argument(
    [xpnet.after(2), xpnet.gradient_below(0.1), xpnet.after(2) | xpnet.value_below(1.0)],
    words=("rule", "stop"),
    odd=(3, "after", xpnet.after, True, 0.1),
)
CALLS["Rule.__or__"] = Call(
    _or, {"other": _OTHERS}, lambda result, given: _equal("3 steps" in str(result), True)
)
CALLS["Rule.__and__"] = Call(
    _and, {"other": _OTHERS}, lambda result, given: _equal("3 steps" in str(result), True)
)


# --- layers, networks, parameters -----------------------------------------------------------------------


def _judge_dense(result: Any, given: dict[str, Any]) -> None:
    assert result.units == accepted(given["units"], "integer")
    assert type(result.units) is int
    assert result == xpnet.Dense(**given)
    repr(result)


CALLS["Dense"] = Call(
    xpnet.Dense,
    {
        "units": integer(1, 3),
        "activation": Argument(
            ["tanh", xpnet.leaky_relu(0.2), "softmax", np.str_("relu")], odd=("Tanh", abs)
        ),
        "bias": flag(),
        "initializer": Argument([None, "glorot", xpnet.uniform(0.1)], odd=("Glorot", "uniform", abs)),
    },
    _judge_dense,
)
CALLS["leaky_relu"] = Call(
    xpnet.leaky_relu,
    {"slope": FRACTION},
    lambda result, given: close(
        result.forward(np, np.array([[-2.0, 3.0]]), None)[0], [[-2.0 * float(given["slope"]), 3.0]]
    ),
)
CALLS["sigmoid_with_offset"] = Call(
    sigmoid_with_offset,
    {"offset": NOT_NEGATIVE},
    lambda result, given: close(
        result.backward(np, np.array([[0.5]]), np.array([[1.0]])),
        [[0.25 + accepted(given["offset"], "number")]],
    ),
)


def square(xp: Any, z: Any) -> Any:
    return z * z


def square_slope(xp: Any, z: Any) -> Any:
    return 2.0 * z


def _judge_activation(result: Any, given: dict[str, Any]) -> None:
    assert type(result.name) is str
    assert result.name
    if given["function"] is square:
        close(result.forward(np, np.array([[2.0, 3.0]]), None)[0], [[4.0, 9.0]])
    if result.range is not None:
        assert result.range[0] < result.range[1]
        assert all(type(end) is float for end in result.range)
    repr(result)
    xpnet.Dense(2, result)


CALLS["ElementwiseActivation"] = Call(
    xpnet.ElementwiseActivation,
    {
        "name": Argument(["square", "my own", "ä"], odd=("",)),
        "function": Argument([square]),
        "derivative": Argument([square_slope]),
        "of": Argument(["input"], odd=("Input", "outputs")),
        "initializer": word("glorot", "he", "lecun", "zeros"),
        "range": Argument(
            [None, (0.0, math.inf), (0, 1), [Fraction(1, 2), 2]], odd=((1.0, 0.0), (0, 0), "01")
        ),
    },
    _judge_activation,
)


def draw(random: Any, shape: Any) -> Any:
    return random.uniform(-1, 1, shape)


CALLS["ElementwiseActivation.check_traceable"] = Call(
    xpnet.ElementwiseActivation("square", square, square_slope).check_traceable,
    {},
    lambda result, given: _equal(result, None),
)
CALLS["ElementwiseActivation.backward_with_sum"] = Call(
    lambda: xpnet.ElementwiseActivation("square", square, square_slope).backward_with_sum(
        np, np.array([[2.0, 3.0]]), np.ones((1, 2))
    ),
    {},
    lambda result, given: close(result[0], [[4.0, 6.0]]),
)
CALLS["Initializer"] = Call(
    xpnet.Initializer,
    {"name": Argument(["mine", "other"]), "draw": Argument([draw])},
    lambda result, given: _equal(
        (type(result.name), callable(result.draw), repr(result) != ""), (str, True, True)
    ),
)
CALLS["uniform"] = Call(
    xpnet.uniform,
    {"limit": POSITIVE},
    lambda result, given: _equal(
        bool(
            np.max(np.abs(result.draw(np.random.default_rng(0), (50, 2))))
            <= accepted(given["limit"], "number")
        ),
        True,
    ),
)


def _judge_layout(result: Any, given: dict[str, Any]) -> None:
    want = {name: tuple(accepted(n, "integer") for n in shape) for name, shape in given["shapes"].items()}
    assert result.shapes == want
    assert all(type(n) is int for shape in result.shapes.values() for n in shape)
    assert result.size == sum(math.prod(shape) for shape in want.values())


CALLS["Layout"] = Call(
    xpnet.Layout,
    {
        "shapes": Argument(
            [{"a": (3, 2), "b": (3,)}, {"a": [2]}, {"a": ()}, {"a": (np.int64(2), np.array(3))}, {}],
            words=("'a'", "length", "shape"),
            odd=(
                {"a": 3},
                {"a": (0,)},
                {"a": (-1, 2)},
                {"a": (2.0,)},
                {"": (2,)},
                {3: (2,)},
                {"a": "12"},
                {"a": (True,)},
                {"a": (10**400,)},
                [("a", (2,))],
            ),
        )
    },
    _judge_layout,
)
LAYOUT = xpnet.Layout({"weights": (3, 2), "bias": (3,)})
FLAT = np.arange(9.0)


def _judge_views(result: Any, given: dict[str, Any]) -> None:
    flat = given["w"]
    assert isinstance(flat, np.ndarray)
    if flat.dtype.kind not in "fiu":
        return
    close(result["weights"], np.asarray(flat)[..., :6].reshape(*flat.shape[:-1], 3, 2))
    close(result["bias"], np.asarray(flat)[..., 6:])
    assert np.shares_memory(result["bias"], flat)


CALLS["Layout.views"] = Call(
    LAYOUT.views,
    {
        "w": Argument([FLAT, np.stack([FLAT, FLAT]), FLAT.astype("float32")]),
        "xp": Argument([None], fixed=True),
    },
    _judge_views,
)
CALLS["Layout.check"] = Call(
    LAYOUT.check,
    {"w": Argument([FLAT, np.stack([FLAT, FLAT])])},
    lambda result, given: _equal(given["w"].shape[-1], 9),
)
CALLS["Layout.slice"] = Call(
    LAYOUT.slice,
    {"name": Argument(["weights", "bias"], words=("parameter",), odd=("weight", ("bias",)))},
    lambda result, given: _equal(result, {"weights": slice(0, 6), "bias": slice(6, 9)}[given["name"]]),
    errors=(KeyError,),
)


def _network(inputs: Any, first: Any, last: Any) -> Any:
    return xpnet.Network(inputs, first, last)


CALLS["Network"] = Call(
    _network,
    {
        "inputs": integer(1, 4),
        "first": Argument(
            [xpnet.Dense(2), xpnet.LayerNorm(), xpnet.Dropout()], words=("layers[0]",), odd=([],)
        ),
        "last": Argument([xpnet.Dense(3, "softmax")], words=("layers[1]",), odd=(xpnet.Dense,)),
    },
    lambda result, given: _equal(
        (result.inputs, result.outputs), (accepted(given["inputs"], "integer"), given["last"].units)
    ),
)


def _judge_initialize(result: Any, given: dict[str, Any]) -> None:
    seed = accepted(given["seed"], "integer")
    if given["replicas"] is None:
        assert result.shape == (17,)
        rows = [result]
    else:
        assert result.shape == (accepted(given["replicas"], "integer"), 17)
        rows = list(result)[:3]
    for r, own in enumerate(rows):
        close(own, CLASSIFIER.initialize(int(seed) + r, "numpy", "float64"), 1e-6)
        assert np.abs(own[:6]).max() <= math.sqrt(6 / 5)
        assert (own[6:9] == 0).all()


CALLS["Network.initialize"] = Call(
    CLASSIFIER.initialize,
    {"seed": integer(0, 5), "backend": BACKENDS, "dtype": DTYPES, "replicas": optional(integer(1, 3))},
    _judge_initialize,
)
CALLS["risk.initialize"] = Call(
    make_risk().initialize, {"seed": integer(0, 5), "replicas": optional(integer(1, 3))}, _judge_initialize
)
NET_W = Argument([W, W.astype("float32"), np.stack([W, -W])], odd=(W[:-1], W[None, None], W.tolist()))


def _judge_predict(result: Any, given: dict[str, Any]) -> None:
    w, x = given["w"], plain(given["X"])
    assert isinstance(w, np.ndarray)
    assert x is not None
    if np.abs(x).max() < 1e4 and np.abs(w).max() < 1e4:
        want = rows(lambda own: outputs(own.astype(float), x, True), np.asarray(w))
        close(result, want, 1e-4 if w.dtype == np.float32 else 1e-9)


CALLS["Network.predict"] = Call(
    CLASSIFIER.predict,
    {"w": NET_W, "X": Argument([X, X.tolist(), X[:1], X.astype("float32")])},
    _judge_predict,
)

CALLS["Network.parameters"] = Call(
    CLASSIFIER.parameters,
    {"w": NET_W, "xp": Argument([None], fixed=True)},
    lambda result, given: _equal(
        result[0]["weights"].tolist(),
        np.asarray(given["w"])[..., :6].reshape(*given["w"].shape[:-1], 3, 2).tolist(),
    ),
)
CALLS["Network.check_shape"] = Call(
    CLASSIFIER.check_shape,
    {"X": Argument([X, X[:1]])},
    lambda result, given: _equal(np.shape(given["X"])[1:], (2,)),
)
CALLS["Network.describe"] = Call(
    CLASSIFIER.describe, {}, lambda result, given: _equal("17" in result, True)
)
CALLS["Network.on_logits"] = Call(
    CLASSIFIER.on_logits, {}, lambda result, given: _equal(result.activation.name, "identity")
)

# --- backends -------------------------------------------------------------------------------------------

CALLS["Backend"] = Call(
    xpnet.Backend,
    {
        "name": Argument(["numpy"]),
        "xp": Argument([BACKEND.xp], fixed=True),
        "device": Argument(["cpu"], fixed=True),
    },
    lambda result, given: _equal((type(result.name), result.xp.asarray(1.0) + 1), (str, 2.0)),
)
CALLS["backend"] = Call(
    xpnet.backend,
    {
        "name": Argument(
            ["numpy", BACKEND, " NumPy ", np.str_("numpy")],
            odd=("cupy:1", "cpu", "numpy:0", "auto:1"),
            words=("cupy",),
        ),
        "device": Argument([None]),
    },
    lambda result, given: _equal(result, BACKEND),
)


def _judge_asarray(result: Any, given: dict[str, Any]) -> None:
    want = plain(given["values"])
    assert want is not None, "taken for numbers"
    dtype = given["dtype"]
    assert isinstance(result, np.ndarray)
    assert result.dtype.isnative
    if dtype is not None:
        assert result.dtype == np.dtype(dtype)
    with np.errstate(all="ignore"):
        want = want.astype(result.dtype) if result.dtype.kind == "f" else want
    np.testing.assert_allclose(np.asarray(result, float), want, rtol=1e-6)


CALLS["Backend.asarray"] = Call(
    BACKEND.asarray,
    {
        "values": Argument([X, X.tolist(), 3, LABELS, LABELS > 0]),
        "dtype": Argument([None, "float32", np.float64], odd=("int64", "half", int)),
    },
    _judge_asarray,
)
CALLS["Backend.admit"] = Call(
    BACKEND.admit,
    {"values": Argument([X, X.tolist(), LABELS])},
    lambda result, given: _equal(plain(given["values"]) is not None or result is given["values"], True),
)
CALLS["Backend.to_numpy"] = Call(
    BACKEND.to_numpy,
    {"array": Argument([X, 1.5, np.float32(2)])},
    lambda result, given: _equal(isinstance(result, np.ndarray), True),
)
CALLS["Backend.dtype"] = Call(
    BACKEND.dtype,
    {"dtype": DTYPES},
    lambda result, given: _equal(np.dtype(result), np.dtype(given["dtype"])),
)
CALLS["Backend.owns"] = Call(
    BACKEND.owns,
    {"array": Argument([X])},
    lambda result, given: _equal(
        result,
        isinstance(given["array"], np.ndarray)
        and not isinstance(given["array"], np.matrix | np.ma.MaskedArray),
    ),
)
CALLS["Backend.check"] = Call(
    BACKEND.check,
    {
        "name": Argument(["w"], fixed=True),
        "array": Argument([X], words=("w",)),
        "dtype": Argument([X.dtype, np.float64], fixed=True),
    },
    lambda result, given: _equal(given["array"].dtype, np.dtype(given["dtype"])),
)
CALLS["Backend.describe"] = Call(
    BACKEND.describe, {}, lambda result, given: _equal("numpy" in result, True)
)
CALLS["Backend.free_memory"] = Call(BACKEND.free_memory, {}, lambda result, given: _equal(result > 0, True))
CALLS["Backend.synchronize"] = Call(BACKEND.synchronize, {}, lambda result, given: _equal(result, None))

# --- rules -----------------------------------------------------------------------------------------------


def rule_function(xp: Any, a: Any, b: Any, *, p: float) -> Any:
    return a * b + p


def two(xp: Any, a: Any) -> Any:
    return a, a * a


def quietly(function: Callable[[], Any]) -> Any:
    """A rule warns of what overflows as NumPy does; the library calls it where warnings are off."""
    with np.errstate(all="ignore"):
        return function()


RULE, TWO = xpnet.elementwise(rule_function), xpnet.elementwise(two)
RULE_ARGUMENTS = {
    "a": Argument([np.arange(3.0), np.ones((2, 3)), np.arange(3.0)[::-1]]),
    "b": Argument([np.ones(3), np.arange(3.0), np.ones((2, 1))]),
    "p": Argument([0.5, 2, Fraction(1, 2), np.float64(3), np.array([[1.0], [2.0]]), np.array(2)]),
}


def _judge_rule(result: Any, given: dict[str, Any]) -> None:
    a, b = (np.asarray(given[name], float) for name in "ab")
    p = given["p"] if isinstance(given["p"], np.ndarray) else float(given["p"])
    assert not isinstance(given["p"], bool | np.bool_)
    with np.errstate(all="ignore"):
        want = a * b + np.asarray(p, float)
        close(result, want.astype(result.dtype), 1e-6)


for _kind, _make in (("Elementwise", xpnet.elementwise), ("Samplewise", xpnet.samplewise)):
    for _name, _function in ((_kind, getattr(xpnet, _kind)), (_kind.lower(), _make)):
        CALLS[_name] = Call(
            _function,
            {
                "function": Argument(
                    [rule_function, two], words=("a rule", "rule"), odd=(lambda: 1, lambda *a: 1, abs, int)
                )
            },
            lambda result, given: _equal(callable(result) and repr(result) != "", True),
        )
CALLS["Elementwise.compute"] = Call(
    lambda a, b, p: quietly(lambda: RULE.compute(np, a, b, p=p)), RULE_ARGUMENTS, _judge_rule
)
CALLS["Elementwise.reuse"] = Call(
    lambda a, b, p: quietly(lambda: RULE.reuse(np, a.copy() if isinstance(a, np.ndarray) else a, b, p=p)),
    RULE_ARGUMENTS
    | {
        "a": Argument([np.ones((2, 3)), np.arange(6.0).reshape(2, 3)], words=("into", "shape")),
        "b": Argument([np.ones(3), np.arange(3.0), np.ones((2, 1))], words=("shape",)),
    },
    _judge_rule,
)


def _write(into: Any, a: Any, b: Any, p: Any) -> Any:
    quietly(lambda: RULE.write(np, into, a, b, p=p))
    return into[0].copy()


CALLS["Elementwise.write"] = Call(
    lambda a, b, p: _write((np.empty((2, 3)),), a, b, p),
    RULE_ARGUMENTS
    | {
        "a": Argument([np.ones((2, 3))], words=("yields", "into")),
        "b": Argument([np.ones(3), np.ones((2, 1))], words=("yields", "into")),
        "p": Argument([0.5, 2, np.array([[1.0], [2.0]])], words=("yields", "into")),
    },
    _judge_rule,
)
CALLS["Elementwise.write into"] = Call(
    lambda into: RULE.write(np, into, np.ones(3), np.ones(3), p=1.0),
    {
        "into": Argument(
            [
                (),
            ],
            words=("yields",),
            odd=((np.ones(3, "float32"),), (np.ones(2),), ([1.0, 2.0, 3.0],)),
        )
    },
    errors=(),
)
CALLS["Elementwise.write into"] = dataclasses.replace(
    CALLS["Elementwise.write into"],
    function=lambda into: RULE.write(
        np, (np.empty(3),) if type(into) is tuple and not into else into, np.ones(3), np.ones(3), p=1.0
    ),
    right=lambda result, given: None,
)


def _judge_sum(result: Any, given: dict[str, Any]) -> None:
    with np.errstate(all="ignore"):
        terms = np.asarray(given["a"], float) * np.asarray(given["b"], float) + float(given["p"])
        close(result, np.sum(terms, axis=-1), 1e-6)


CALLS["Elementwise.sum"] = Call(
    lambda a, b, p: quietly(lambda: RULE.sum(np, a, b, p=p, dtype=np.float64)),
    RULE_ARGUMENTS | {"p": Argument([0.5, 2, Fraction(1, 2)])},
    _judge_sum,
)
CALLS["Elementwise.compute_with_sum"] = Call(
    lambda a, b, p: quietly(lambda: RULE.compute_with_sum(np, a, b, p=p))[0], RULE_ARGUMENTS, _judge_rule
)
CALLS["Samplewise.compute_with_sum"] = Call(
    lambda: xpnet.samplewise(two).compute_with_sum(np, *[np.ones((2, 3))] * len(TWO.arrays)),
    {},
    lambda result, given: _equal(result[1], None),
)
CALLS["Elementwise.__call__"] = Call(
    lambda: RULE(np, np.ones(3), np.ones(3), p=0.5),
    {},
    lambda result, given: close(result, np.full(3, 1.5)),
)

# --- linear algebra --------------------------------------------------------------------------------------

EIGEN = np.linalg.eigvalsh(SYMMETRIC)


def times(v: Any) -> Any:
    return v @ SYMMETRIC.astype(v.dtype)


def zero(v: Any) -> Any:
    return 0.0 * v


PRODUCT = Argument([times], odd=(lambda v: v[:1], lambda v: v * math.nan, lambda v: v.astype("float32")))
STARTS = Argument([np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 0.0])], odd=(np.zeros(3),))
MANY = Argument(
    [np.array([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]), np.eye(3)], odd=(np.ones(3), np.zeros((2, 3)))
)


def _judge_cg(result: Any, given: dict[str, Any]) -> None:
    b = np.asarray(given["b"])
    assert np.isfinite(result.x).all()
    if given["product"] is not times or b.shape[-1] != 3:
        return  # another matrix, or one that nobody asked for a product
    outcomes = result.outcome if isinstance(result.outcome, tuple) else (result.outcome,)
    for own, x, right in zip(outcomes, np.atleast_2d(result.x), np.atleast_2d(b), strict=True):
        assert np.isfinite(x).all()
        residual = np.linalg.norm(right - SYMMETRIC @ x)
        if own == "converged":
            tolerance = min(1.0, np.max(np.asarray(given["tolerance"], float)))
            single = 1e-5 if b.dtype == np.float32 else 1e-12
            assert residual <= 1.01 * (tolerance + single) * np.linalg.norm(right), "not converged"
        if given["radius"] is not None:
            assert np.linalg.norm(x) <= 1.0001 * np.max(np.asarray(given["radius"], float))


CALLS["linear.conjugate_gradient"] = Call(
    linear.conjugate_gradient,
    {
        "product": PRODUCT,
        "b": Argument([np.array([1.0, 2.0, 3.0]), np.ones((2, 3)), np.ones(3, "float32"), np.zeros(3)]),
        "tolerance": Argument(
            [1e-10, Fraction(1, 10), np.array(0.01), 0], odd=(np.array([0.01]), -1.0, np.array([math.nan]))
        ),
        "iterations": optional(integer(1, 7)),
        "radius": Argument([None, np.array(0.5), 2.0], odd=(0.0, -1.0, np.array(math.nan))),
    },
    _judge_cg,
)


def _judge_lanczos(result: Any, given: dict[str, Any]) -> None:
    assert given["product"] is times
    diagonal, beside, V = result
    if diagonal.ndim == 1:
        T = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
        close(V @ SYMMETRIC @ V.T, T, 1e-5 if V.dtype == np.float32 else 1e-9)


CALLS["linear.lanczos"] = Call(
    linear.lanczos, {"product": PRODUCT, "start": STARTS, "steps": integer(1, 3, 9)}, _judge_lanczos
)
CALLS["linear.ritz"] = Call(
    linear.ritz,
    {
        "diagonal": Argument([np.array([1.0, 2.0, 3.0])], words=("beside",)),
        "beside": Argument([np.array([0.1, 0.2, 0.3])]),
    },
    lambda result, given: close(
        result[0],
        np.linalg.eigvalsh(
            np.diag(given["diagonal"])
            + np.diag(given["beside"][:-1], 1)
            + np.diag(given["beside"][:-1], -1)
        ),
        1e-5,
    ),
)


def _judge_extremes(result: Any, given: dict[str, Any]) -> None:
    assert given["product"] is times
    if given["steps"] is None and accepted(given["tolerance"], "number") < 1e-6:
        tolerance = 1e-5 if given["start"].dtype == np.float32 else 1e-7
        close([result.smallest, result.largest], [EIGEN[0], EIGEN[-1]], tolerance)
    assert EIGEN[0] - 1e-5 <= result.smallest <= result.largest <= EIGEN[-1] + 1e-5


CALLS["linear.extreme_eigenvalues"] = Call(
    linear.extreme_eigenvalues,
    {
        "product": PRODUCT,
        "start": STARTS,
        "tolerance": number(1e-8, 0.5),
        "steps": optional(integer(1, 3, 9)),
    },
    _judge_extremes,
)
CALLS["linear.probes"] = Call(
    linear.probes,
    {
        "w": Argument([np.ones(3), np.ones((2, 3)), np.ones(3, "float32")]),
        "count": integer(1, 4),
        "seed": integer(0, 3),
        "kind": word("signs", "normal"),
    },
    lambda result, given: _equal(
        (result.shape, result.dtype),
        ((accepted(given["count"], "integer"), given["w"].shape[-1]), given["w"].dtype),
    ),
)
CALLS["linear.trace"] = Call(
    linear.trace,
    {"product": PRODUCT, "vectors": MANY},
    lambda result, given: close(
        result[0], np.mean([v @ SYMMETRIC @ v for v in np.asarray(given["vectors"], float)]), 1e-5
    ),
)


def _judge_density(result: Any, given: dict[str, Any]) -> None:
    grid, density = result
    assert given["product"] is times
    assert np.isfinite(density).all()
    assert (density >= 0).all()
    points = accepted(given["points"], "integer")
    assert grid.shape == density.shape == (points,)
    if points >= 100 and (given["width"] is None or accepted(given["width"], "number") > 0.1):
        total = np.sum(density[1:] * np.diff(grid))
        assert abs(total - 1) < 0.05, f"integrates to {total}"


CALLS["linear.spectral_density"] = Call(
    linear.spectral_density,
    {
        "product": PRODUCT,
        "vectors": MANY,
        "steps": integer(1, 3),
        "points": integer(200, 100),
        "width": optional(number(0.5, 1.0)),
    },
    _judge_density,
)
# --- analysis, testing ---------------------------------------------------------------------------------


def _judge_rates(result: Any, given: dict[str, Any]) -> None:
    values, least = plain(given["values"]), accepted(given["minimum"], "number")
    assert values is not None, "taken for values"
    with np.errstate(all="ignore"):
        errors = np.abs(values - least)
        want = errors[1:] / np.where(errors[:-1] > 0, errors[:-1], math.nan)
    np.testing.assert_allclose(result, want, rtol=1e-12)


CALLS["analysis.convergence_rates"] = Call(
    analysis.convergence_rates,
    {
        "values": Argument(
            [np.array([8.0, 4.0, 2.0]), [3, 2, 1], np.ones((3, 2)), np.array([[1.0, 2.0], [0.5, math.nan]])]
        ),
        "minimum": number(0.0, 0.5, -1.0),
    },
    _judge_rates,
)


def _judge_bound(result: Any, given: dict[str, Any]) -> None:
    distance, rate = accepted(given["distance"], "number"), accepted(given["rate"], "number")
    steps = accepted(given["steps"], "integer")
    want = [Fraction(distance) ** 2 / (2 * Fraction(rate) * k) for k in range(1, min(steps, 100) + 1)]
    assert result.shape == (steps,)
    close(result[:100], [float(bound) for bound in want])


CALLS["analysis.sublinear_bound"] = Call(
    analysis.sublinear_bound,
    {"distance": NOT_NEGATIVE, "rate": POSITIVE, "steps": integer(1, 5)},
    _judge_bound,
)


def _judge_axes(result: Any, given: dict[str, Any]) -> None:
    curvatures, rate = plain(given["curvatures"]), accepted(given["rate"], "number")
    assert curvatures is not None
    with np.errstate(over="ignore"):
        close([axis.factor for axis in result], 1 - rate * curvatures)


CALLS["analysis.axes"] = Call(
    analysis.axes,
    {"curvatures": Argument([np.array([1.0, 4.0, -1.0]), [1, 2], np.array([1e-18])]), "rate": POSITIVE},
    _judge_axes,
)


def _judge_outcome(result: Any, given: dict[str, Any]) -> None:
    values = plain(given["values"])
    assert values is not None
    assert np.shape(result) == values.shape[1:]
    assert {*np.atleast_1d(result)} <= {"converging", "jittering", "diverging"}


CALLS["analysis.outcome"] = Call(
    analysis.outcome,
    {
        "values": Argument([0.5 ** np.arange(9.0), [*range(8)], np.ones((9, 2))]),
        "minimum": optional(number(0.0, 0.5, -1.0)),
        "tolerance": number(1e-9, 0.5),
    },
    _judge_outcome,
)


def _judge_angle(result: Any, given: dict[str, Any]) -> None:
    u, v = (np.atleast_2d(plain(given[name])) for name in ("first", "second"))
    cosine = np.sum(u * v, axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(np.atleast_1d(result), np.rad2deg(np.arccos(cosine)), rtol=1e-6)


CALLS["analysis.boundary_angle"] = Call(
    analysis.boundary_angle,
    {
        "first": Argument([np.array([1.0, 4.0, -1.0]), [[1, 2, 3], [3, 2, 2]]]),
        "second": Argument([np.array([0.5, 1.0, 1.0]), [1, 1, 0]]),
    },
    _judge_angle,
)
# lines, planes, curvature, regions and bands
PLACE = np.array([0.5, -1.0, 2.0])
POINT = Argument([PLACE, [1.0, 2.0, 3.0], np.ones(3, "float32")], words=("points", "origin", "directions"))
PATH = Argument(
    [RANDOM.standard_normal((5, 3)), RANDOM.standard_normal((4, 2, 3))], words=("points", "paths")
)
KNOWN_BOWL = xpnet.Quadratic(SYMMETRIC, backend=BACKEND)
BOWLS = Argument([KNOWN_BOWL], odd=(Nonsense(),), words=("w", "dtype"))
AXIS, FLAT = analysis.coordinate_frame(PLACE, 0), analysis.coordinate_frame(PLACE, 0, 2)
ENDS = Argument([(-1.0, 2.0), [0, 1]], odd=((1, 0), (0, math.inf), (0,)))
CORNERS = Argument([((-1.0, 2.0), (0, 1))], odd=(((0, 1), (1, 0)), (0, 1)))
GRID = integer(2, 4)
OF_PLACE = Argument([PLACE])
CURVATURE = word("hessian", "gauss-newton")


def _judge_frame(result: Any, given: dict[str, Any]) -> None:
    assert np.isfinite(result.origin).all()
    assert np.isfinite(result.directions).all()
    ends = result.origin + result.directions
    near = 1e-4 if result.origin.dtype == np.float32 else 1e-6
    if np.abs(ends).max() < 1e3 * np.linalg.norm(np.asarray(result.directions, float), axis=1).min():
        close(result.coordinates(ends), np.eye(len(ends)), near)


def _judge_line(result: Any, given: dict[str, Any]) -> None:
    w = result.frame.origin + result.positions[:, None] * result.frame.directions
    close(result.values, 0.5 * np.einsum("ij,jk,ik->i", w, SYMMETRIC, w), 1e-9)


def _judge_plane(result: Any, given: dict[str, Any]) -> None:
    x, y = np.meshgrid(result.x, result.y)
    w = result.frame.origin + np.stack([x, y], axis=-1) @ result.frame.directions
    close(result.values, 0.5 * np.einsum("...j,jk,...k->...", w, SYMMETRIC, w), 1e-9)


def _judge_levels(result: Any, given: dict[str, Any]) -> None:
    assert len(result) == accepted(given["count"], "integer")
    assert (np.diff(result) > 0).all()


CALLS["analysis.coordinate_frame"] = Call(
    lambda w, which: analysis.coordinate_frame(w, which), {"w": POINT, "which": integer(0, 2)}, _judge_frame
)
CALLS["analysis.frame_through"] = Call(
    lambda points: analysis.frame_through(np.zeros(3), points),
    {"points": Argument([PLACE, [1.0, 2.0, 3.0]], words=("directions", "numbers"))},
    _judge_frame,
)
CALLS["analysis.random_frame"] = Call(
    analysis.random_frame, {"w": POINT, "count": integer(1, 2), "seed": integer(0, 3)}, _judge_frame
)
CALLS["analysis.path_frame"] = Call(
    lambda paths, count: analysis.path_frame(paths, count=count),
    {"paths": PATH, "count": integer(1, 2)},
    _judge_frame,
)
CALLS["Frame"] = Call(
    analysis.Frame,
    {
        "origin": Argument([PLACE, [1, 2, 3]], words=("directions",)),
        "directions": Argument([np.eye(3)[:2], [[1.0, 1.0, 0.0], [0.0, 1.0, 3.0]]]),
        "names": Argument([("x", "y")], odd=(("x",), ("x", ""), ["x", "y"])),
    },
    _judge_frame,
)
CALLS["Frame.coordinates"] = Call(FLAT.coordinates, {"points": PATH})
CALLS["Frame.distances"] = Call(FLAT.distances, {"points": PATH})
CALLS["analysis.line"] = Call(
    analysis.line,
    {"objective": BOWLS, "frame": Argument([AXIS], odd=(FLAT,)), "limits": ENDS, "points": GRID},
    _judge_line,
)
CALLS["analysis.between"] = Call(
    analysis.between,
    {
        "objective": BOWLS,
        "first": Argument([PLACE], words=("points[0]", "points", "w", "directions")),
        "second": Argument([-PLACE], words=("points[1]", "points", "w", "directions")),
        "points": GRID,
    },
    _judge_line,
)
CALLS["analysis.plane"] = Call(
    analysis.plane,
    {
        "objective": BOWLS,
        "frame": Argument([FLAT], odd=(AXIS,)),
        "limits": optional(CORNERS),
        "points": GRID,
    },
    _judge_plane,
)
CALLS["Plane.levels"] = Call(
    analysis.plane(KNOWN_BOWL, FLAT, points=9).levels,
    {"count": integer(2, 9), "scale": word("log", "linear")},
    _judge_levels,
)
CALLS["analysis.hessian_spectrum"] = Call(
    analysis.hessian_spectrum,
    {
        "objective": BOWLS,
        "w": OF_PLACE,
        "curvature": CURVATURE,
        "exact": optional(flag()),
        "steps": integer(3, 9),
        "tolerance": number(0.5, 1e-3),
        "seed": integer(0, 3),
    },
    lambda result, given: close(
        result.eigenvalues[[0, -1]] if int(given["steps"]) > 2 or result.exact else EIGEN[[0, -1]],
        EIGEN[[0, -1]],
        1e-7,
    ),
)
CALLS["analysis.critical_points"] = Call(
    analysis.critical_points,
    {
        "objective": BOWLS,
        "starts": Argument([PLACE, [[1, 2, 3], [3, 2, 1]]], words=("starts", "w")),
        "tolerance": number(1e-8, 0.5),
        "steps": integer(30, 100),
        "distance": NOT_NEGATIVE,
        "flat": number(1e-7, 0.5),
    },
    lambda result, given: _equal(bool(np.all(result.gradient_norms <= given["tolerance"])), True),
)
CALLS["analysis.hessian_density"] = Call(
    analysis.hessian_density,
    {
        "objective": BOWLS,
        "w": OF_PLACE,
        "curvature": CURVATURE,
        "count": integer(1, 4),
        "steps": integer(1, 3),
        "points": integer(200, 100),
        "width": optional(number(0.5, 1.0)),
        "seed": integer(0, 3),
    },
)
UNIT = xpnet.Network(2, xpnet.Dense(1))
CALLS["analysis.decision_regions"] = Call(
    analysis.decision_regions,
    {
        "network": Argument([UNIT], odd=(CLASSIFIER,), words=("w", "w must have")),
        "w": Argument([np.array([1.0, 2.0, 0.5])]),
        "limits": CORNERS,
        "points": GRID,
        "threshold": optional(number(0.5, -1.0)),
    },
    lambda result, given: _equal(
        result.labels.tolist(), (result.outputs[..., 0] > result.threshold).astype(int).tolist()
    ),
)
CALLS["analysis.band"] = Call(
    analysis.band,
    {
        "history": Argument(
            [xpnet.minimize(KNOWN_BOWL, "momentum", PLACE.copy(), stop=xpnet.after(3))],
        ),
        "column": word("value", "gradient_norm", "rate"),
        "quantiles": Argument([(0.1, 0.5, 0.9), [0, 0, 1]], odd=((0.5, 0.1, 0.9), (0, 1), (0, 0.5, 2))),
    },
)


def _pictures() -> dict[str, Call]:
    """Of results that are right, with odd values for all arguments."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    def drawn(result: Any, given: dict[str, Any]) -> None:
        for own in result if isinstance(result, list) else [result]:
            assert own.get_xlabel()
            assert own.get_ylabel()
            own.figure.canvas.draw()
            plt.close(own.figure)
            own.clear()

    ax, axes = optional(Argument([Figure().subplots()])), Figure().subplots(1, 3)
    looks = CALLS["analysis.band"].arguments["history"]
    along, scale = word("step", "seconds", "evaluations"), word("log", "linear")
    quantiles, label = CALLS["analysis.band"].arguments["quantiles"], optional(word("a label"))
    flat = analysis.plane(KNOWN_BOWL, FLAT, points=5)
    samples, labels = np.array([[0.5, 0.5], [2.0, 1.0]]), np.array([0, 1])
    decided = analysis.decision_regions(UNIT, np.array([1.0, 2.0, 0.5]), ((0, 1), (0, 1)), points=5)
    return {
        "history": Call(
            plotting.history,
            {
                **{"history": looks, "ax": ax, "along": along, "quantiles": quantiles, "scale": scale},
                "columns": Argument([["value"], ("value", "rate")], odd=([], ["value", "valu"], "value")),
                "label": label,
            },
            drawn,
        ),
        "overview": Call(
            plotting.overview,
            {
                **{"history": looks, "along": along, "quantiles": quantiles, "label": label},
                "axes": Argument([None], odd=(axes[:2], [1, 2, 3])),
            },
            drawn,
        ),
        "contours": Call(
            plotting.contours,
            {
                **{"plane": Argument([flat]), "ax": ax, "scale": scale, "levels": integer(2, 9)},
                "paths": Argument(
                    [{"a": np.ones((4, 3))}, None, {}], odd=({"a": None}, {1: np.ones((4, 3))})
                ),
                "bar": flag(),
            },
            drawn,
        ),
        "line": Call(
            plotting.line,
            {
                "line": Argument([analysis.line(KNOWN_BOWL, AXIS, points=5)], odd=(flat,)),
                **{"ax": ax, "label": label, "scale": scale, "chord": flag()},
            },
            drawn,
        ),
        "spectrum": Call(
            plotting.spectrum,
            {"spectrum": Argument([analysis.hessian_spectrum(KNOWN_BOWL, PLACE)]), "ax": ax},
            drawn,
        ),
        "density": Call(
            plotting.density,
            {"density": Argument([analysis.hessian_density(KNOWN_BOWL, PLACE)]), "ax": ax, "label": label},
            drawn,
        ),
        "regions": Call(
            plotting.regions,
            {
                **{"regions": Argument([decided]), "ax": ax},
                "X": Argument([samples], words=("labels",)),
                "labels": Argument([labels, None]),
            },
            drawn,
        ),
    }


if importlib.util.find_spec("matplotlib"):
    CALLS |= {f"plotting.{name}": call for name, call in _pictures().items()}


def _judge_optimal_rate(result: Any, given: dict[str, Any]) -> None:
    _like_a_point(given["w"])
    direction = given["direction"]
    if direction is None:
        close(result, np.broadcast_to(1 / np.diag(SYMMETRIC), given["w"].shape))
    elif not isinstance(direction, str):
        v = _like_a_point(direction)
        if v.ndim == 1 and 1e-100 < np.abs(v).max() < 1e100:
            close(result, v @ v / (v @ SYMMETRIC @ v))


CALLS["analysis.optimal_rate"] = Call(
    analysis.optimal_rate,
    {
        "objective": Argument([KNOWN["Quadratic"].objective], odd=(Bowl(),)),
        "w": Argument([np.array([0.5, -1.0, 2.0])], words=("direction",)),
        "direction": Argument(
            [None, np.array([1.0, 2.0, 0.0]), "gradient"], odd=(np.zeros(3), "w"), words=("v",)
        ),
    },
    _judge_optimal_rate,
)


def _judge_condition(result: Any, given: dict[str, Any]) -> None:
    if isinstance(given["matrix"], xpnet.Objective):
        close(result, np.linalg.cond(SYMMETRIC))
        return
    matrix = plain(given["matrix"])
    assert matrix is not None, "the matrix was taken"
    want = np.linalg.cond(matrix)
    assert result > 1e12 if want > 1e14 else np.isclose(result, want, rtol=1e-3)


CALLS["analysis.condition_number"] = Call(
    analysis.condition_number,
    {"matrix": Argument([A, SYMMETRIC, A.tolist()]), "w": Argument([None])},
    _judge_condition,
)
CALLS["analysis.condition_number at a point"] = Call(
    analysis.condition_number,
    {
        "matrix": Argument([KNOWN["Quadratic"].objective], words=("objective",), odd=(Bowl(),)),
        "w": Argument([np.array([0.5, -1.0, 2.0])], words=("matrix",)),
    },
    _judge_condition,
)


def _judge_linear_network(result: Any, given: dict[str, Any]) -> None:
    x, y, p = plain(given["X"]), plain(given["Y"]), accepted(given["p"], "integer")
    assert x is not None, "X was taken"
    assert y is not None, "Y was taken"
    y = y[:, None] if y.ndim == 1 else y
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    values = np.linalg.svd(fitted, compute_uv=False) ** 2
    want = 0.5 * (np.sum(y**2) - np.sum(values[: int(min(p, 10))])) / len(x)
    if 1e-10 < np.abs(x).max() < 1e10 and np.abs(y).max() < 1e10:
        close(result.minimum + np.mean(y**2), want + np.mean(y**2), 1e-6)


CALLS["analysis.linear_network"] = Call(
    analysis.linear_network,
    {
        "X": Argument([X, X.tolist()]),
        "Y": Argument([REALS, X, LABELS.astype(float)]),
        "p": integer(1, 2, 7),
    },
    _judge_linear_network,
)
TOLERANCE = optional(number(1e-5, 0.5))
CALLS["testing.check_gradient"] = Call(
    xpnet.testing.check_gradient,
    {
        "objective": Argument(
            [KNOWN["Quadratic"].objective, Bowl(), Line()], odd=(Nonsense(),), words=("gradient", "w")
        ),
        "w": Argument(
            [np.array([0.5, -1.0, 2.0]), np.array([[0.5, -1.0, 2.0], [0.1, 0.2, 0.3]])],
            words=("Line.residuals",),
        ),
        "tolerance": TOLERANCE,
    },
    lambda result, given: _equal(result, None),
    errors=(AssertionError,),
)
CALLS["testing.check_layer"] = Call(
    xpnet.testing.check_layer,
    {
        "layer": Argument([xpnet.Dense(2, "tanh"), xpnet.LayerNorm(), xpnet.Dropout()]),
        "inputs": integer(2, 3),
        "samples": integer(3, 6),
        "seed": integer(0, 3),
        "tolerance": TOLERANCE,
    },
    lambda result, given: _equal(result, None),
    errors=(AssertionError,),
)
CALLS["testing.check_activation"] = Call(
    xpnet.testing.check_activation,
    {
        "activation": Argument(
            [xpnet.ElementwiseActivation("square", square, square_slope), xpnet.leaky_relu(0.2)]
        ),
        "z": Argument([np.array([[0.5, -1.0], [2.0, 3.0]]), None, [[0.5, 1.0]]], words=("derivative",)),
        "seed": integer(0, 3),
        "tolerance": TOLERANCE,
    },
    lambda result, given: _equal(result, None),
    errors=(AssertionError,),
)
CALLS["testing.check_divergence"] = Call(
    xpnet.testing.check_divergence,
    {
        "divergence": Argument([xpnet.SquaredError(), xpnet.CrossEntropy()]),
        "outputs": Argument([np.array([[0.2, 0.4], [0.8, 0.6]]), [[0.5, 0.1], [0.5, 0.9]]]),
        "targets": Argument([np.array([[0.0, 1.0], [1.0, 0.0]]), [[1, 0], [0, 1]]]),
        "tolerance": TOLERANCE,
    },
    lambda result, given: _equal(result, None),
    errors=(AssertionError,),
)


# --- training ---------------------------------------------------------------------------------------------


def _start(value: Any) -> Argument:
    return Argument(
        [value, 0.5 * value, np.stack([value, -value])],
        odd=(value.astype("float32"), value[None, None], value.tolist(), value.astype(int)),
    )


QUADRATIC = KNOWN["Quadratic"]


class Returns(xpnet.Objective):
    """An objective of a user's own that goes wrong in some way."""

    def __init__(self, value: Any, gradient: Any) -> None:
        self.given = value, gradient

    def value(self, w: Any) -> Any:
        return self.given[0](w)

    def value_and_gradient(self, w: Any) -> tuple[Any, Any]:
        return self.given[0](w), self.given[1](w)


def _zero(w: Any) -> Any:
    return (0.0 * w).sum(axis=-1)


ODD_OBJECTIVES = (
    Nonsense(),
    xpnet.Quadratic,
    valley,
    KNOWN["risk"].objective,
    *[
        Returns(_zero, gradient)
        for gradient in (
            lambda w: w,
            lambda w: w[..., :-1],
            lambda w: w[None],
            lambda w: w.astype("float32"),
            lambda w: w * 1j,
            lambda w: w.tolist(),
            lambda w: 1.0,
            lambda w: w > 0,
            lambda w: np.ma.array(w, mask=True),
            lambda w: math.nan * w,
        )
    ],
    *[
        Returns(value, lambda w: 2.0 * w)
        for value in (
            lambda w: None,
            lambda w: w,
            lambda w: np.ones(7),
            lambda w: [1.0],
            lambda w: 1j,
            lambda w: np.array(1j),
            lambda w: np.array("a"),
            lambda w: np.array(None),
            lambda w: math.nan,
            lambda w: np.array(True),
        )
    ],
)
ODD_OPTIMIZERS = (
    xpnet.Nesterov,
    "Adam",
    "l-bfgs",
    xpnet.GradientDescent(lambda step: "nonsense"),
    xpnet.GradientDescent(lambda step: -1.0),
    *[
        xpnet.GradientDescent(lambda step, rate=rate: rate)
        for rate in (None, math.nan, True, 1j, [0.1], np.ones((5, 5)), np.array([[0.1], [math.inf]]), {})
    ],
    *[
        xpnet.GradientDescent(lambda step, rate=rate: rate)
        for rate in (np.array(1j), np.array("a"), 10**400)
    ],
    xpnet.GradientDescent(np.array([[0.1], [0.1], [0.1], [0.1]])),
    xpnet.LevenbergMarquardt(),
    xpnet.Minibatch(xpnet.Momentum()),
    xpnet.Perceptron(),
)


def _judge_run(run: Any, given: dict[str, Any]) -> None:
    objective, w = given["objective"], given["w"]
    host = np.asarray(w)
    assert run.w.shape == host.shape
    assert run.w.dtype == host.dtype
    assert np.isfinite(run.w).all()
    assert run.w is w if given.get("in_place") else not np.shares_memory(run.w, host)
    close(run.value, objective.value(run.w), 1e-6)
    close(run.best_value, (given.get("held_out") or objective).value(run.best_w), 1e-6)
    if given.get("held_out") is None and not isinstance(given["optimizer"], xpnet.Minibatch):
        assert np.all(run.best_value <= np.nanmin(run.history.value, axis=0) + 1e-12)
    outcomes = run.outcome if isinstance(run.outcome, tuple) else (run.outcome,)
    assert all(isinstance(own, xpnet.Outcome) for own in outcomes)
    assert list(np.atleast_1d(run.converged)) == [own is xpnet.Outcome.CONVERGED for own in outcomes]
    looks = len(run.history)
    assert all(
        len(getattr(run.history, name)) == looks for name in ("value", "gradient_norm", "rate", "seconds")
    )
    assert np.all(np.diff(run.history.step) > 0)
    assert run.steps >= 1 - (looks == 0 or run.steps == 0)
    if isinstance(given.get("stop"), xpnet.after):
        assert run.steps <= given["stop"].steps
    repr(run)


NAMED = Argument(
    [
        name
        for name in optimizers.NAMES
        if name not in ("perceptron", "levenberg-marquardt", "gauss-newton")
    ],
    odd=ODD_OPTIMIZERS,
    words=("objective", "rate", "w", "rate(0)", "held_out", "Minibatch", "Perceptron"),
)
STOPS = Argument(
    [
        xpnet.after(3),
        xpnet.after(5) | xpnet.gradient_below(1e-3),
        xpnet.after(4) | (xpnet.change_below(1e-6) & xpnet.value_below(1.0)),
        xpnet.evaluations(7),
        xpnet.after(3) | xpnet.time_limit(5),
    ],
    odd=(5, xpnet.after, "after", xpnet.patience(2), [xpnet.after(2)], lambda run: True),
    words=("held_out",),
)
RUN_ARGUMENTS = {
    "objective": Argument(
        [QUADRATIC.objective], odd=ODD_OBJECTIVES, words=("objective's", "w", "gradient", "value")
    ),
    "optimizer": NAMED,
    "w": _start(QUADRATIC.start),
    "stop": STOPS,
    "held_out": Argument(
        [None, xpnet.Quadratic(SYMMETRIC + np.eye(3), backend="numpy")],
        odd=(Nonsense(), xpnet.Quadratic(np.eye(2), backend="numpy")),
        words=("held-out", "w"),
    ),
    "held_out_every": integer(1, 10),
    "progress": Argument([False]),
    "state": Argument([None], odd=({"step": 0}, {"step": -1, "rate": 1}, {})),
    "in_place": Argument([False, np.False_]),
    "check_every": optional(integer(1, 2)),
    "diverged_at": number(1e10, 10.0),
}


def _minimize(**given: Any) -> Any:
    return xpnet.minimize(**given)


CALLS["minimize"] = Call(_minimize, RUN_ARGUMENTS, _judge_run)
CALLS["minimize, watched"] = Call(
    _minimize,
    {name: RUN_ARGUMENTS[name] for name in ("objective", "optimizer", "w", "stop")}
    | {
        "callback": Argument(
            [None, [], lambda step: None, (lambda step: step.steps == 2, xpnet.CSVLog(os.devnull, 2))],
            odd=(3, "run.csv", xpnet.CSVLog, [3], lambda step: "yes"),
            words=("callback", "what <lambda> returns"),
        ),
        "metrics": Argument(
            [None, {}, {"size": lambda objective, w: abs(w).max(axis=-1)}],
            odd=(3, "accuracy", ["x"], {"x": 3}, {"x": lambda objective, w: "much"}),
            words=("metric", "objective"),
        ),
        "keep_path": flag(),
    },
    _judge_run,
)


def _judge_goes_on(run: Any, given: dict[str, Any]) -> None:
    assert run.steps >= given["resume"].steps
    assert len(run.history) >= len(given["resume"].history)


EARLIER = xpnet.minimize(QUADRATIC.objective, "adam", QUADRATIC.start, stop=xpnet.after(2))
CALLS["minimize, resume"] = Call(
    _minimize,
    {
        "objective": RUN_ARGUMENTS["objective"],
        "optimizer": Argument(["adam", "adamw"], odd=("momentm", 3), words=("optimizer", "state")),
        "resume": Argument([EARLIER], odd=(3, EARLIER.w, EARLIER.state), words=("resume", "w")),
        "stop": STOPS,
    },
    _judge_goes_on,
    errors=(FileNotFoundError, IsADirectoryError),
)
for _name, _call in {
    "CSVLog": Call(xpnet.CSVLog, {"path": Argument(["a.csv"]), "every": integer(1, 3)}),
    "TensorBoard": Call(xpnet.TensorBoard, {"directory": Argument(["a"]), "every": integer(1, 3)}),
    "Checkpoint": Call(
        xpnet.Checkpoint,
        {
            "path": Argument(["a.npz"]),
            "every": optional(integer(1, 3)),
            "seconds": optional(number(1.0, 2.0)),
        },
    ),
}.items():
    CALLS[_name] = _call
CALLS["minimize a risk"] = Call(
    _minimize,
    RUN_ARGUMENTS
    | {
        "objective": Argument(
            [KNOWN["risk"].objective, KNOWN["squares"].objective],
            odd=ODD_OBJECTIVES,
            words=("objective's", "w", "gradient", "value"),
        ),
        "w": _start(W),
        "held_out": Argument(
            [None, KNOWN["squares"].objective], odd=ODD_OBJECTIVES, words=("held-out", "w")
        ),
        "optimizer": Argument(
            [
                "adam",
                xpnet.Minibatch(xpnet.Momentum(0.1), 2),
                "lbfgs",
                "gauss-newton",
                xpnet.Nesterov(lambda k: 0.1),
            ],
            odd=ODD_OPTIMIZERS,
            words=NAMED.words,
        ),
    },
    _judge_run,
)
CALLS["minimize squares"] = Call(
    _minimize,
    RUN_ARGUMENTS
    | {
        "objective": Argument(
            [KNOWN["LeastSquares"].objective, KNOWN["SumOfSquares"].objective],
            odd=ODD_OBJECTIVES,
            words=("objective's", "w", "gradient", "value"),
        ),
        "optimizer": Argument(
            ["levenberg-marquardt", "gauss-newton", "bfgs"], odd=ODD_OPTIMIZERS, words=NAMED.words
        ),
        "held_out": Argument([None], words=("w", "held-out")),
    },
    _judge_run,
)


def _iterate(**given: Any) -> Any:
    w = given["w"]
    steps = xpnet.iterate(**given)
    first = next(steps)
    for _, record in zip(range(3), steps, strict=False):
        assert record.gradient.shape == w.shape
    return first


def _judge_iterate(result: Any, given: dict[str, Any]) -> None:
    assert np.isfinite(given["w"]).all()
    assert result.step == 0


def _copied(**given: Any) -> Any:
    if isinstance(given["w"], np.ndarray) and given["w"].flags.writeable:
        given["w"] = given["w"].copy()
    return _iterate(**given)


CALLS["iterate"] = Call(
    _copied,
    {
        name: RUN_ARGUMENTS[name]
        for name in (
            *("objective", "optimizer", "w", "stop"),
            *("held_out", "held_out_every", "state", "check_every"),
        )
    },
    _judge_iterate,
)


def _resumed(optimizer: Any, key: int, change: Any) -> Any:
    """A run that goes on from a state with one part changed."""
    run = xpnet.minimize(QUADRATIC.objective, optimizer, QUADRATIC.start, stop=xpnet.after(3))
    name = sorted(run.state)[key % len(run.state)]
    if isinstance(change, str) and change in CHANGES:
        change = CHANGES[change](np.asarray(run.state[name]))
    if not (isinstance(change, str) and change == "keep"):
        run.state[name] = change
    return xpnet.minimize(QUADRATIC.objective, optimizer, run.w, stop=xpnet.after(2), state=run.state)


def _judge_resumed(run: Any, given: dict[str, Any]) -> None:
    _judge_run(run, {"objective": QUADRATIC.objective, "w": QUADRATIC.start, **given})


CALLS["minimize, resumed"] = Call(
    _resumed,
    {
        "optimizer": Argument(NAMED.choices, fixed=True),
        "key": Argument(list(range(20)), fixed=True),
        "change": Argument(["keep"], words=("state",), odd=tuple(CHANGES) * 2),
    },
    _judge_resumed,
)
_METHOD = xpnet.Momentum(0.1)
CALLS["Optimizer.initialize"] = Call(
    _METHOD.initialize,
    {"objective": RUN_ARGUMENTS["objective"], "w": RUN_ARGUMENTS["w"]},
    lambda result, given: _equal(result["step"], 0),
)


def _step(objective: Any, w: Any, state: Any) -> Any:
    if isinstance(w, np.ndarray) and w.flags.writeable:
        w = w.copy()
    return _METHOD.step(objective, w, state)


CALLS["Optimizer.step"] = Call(
    _step,
    {
        "objective": RUN_ARGUMENTS["objective"],
        "w": Argument([QUADRATIC.start], odd=RUN_ARGUMENTS["w"].odd, words=("yields",)),
        "state": Argument([None], odd=({},)),
    },
    lambda result, given: None,
)
CALLS["Optimizer.step"] = dataclasses.replace(
    CALLS["Optimizer.step"],
    function=lambda objective, w, state: _step(
        objective, w, {"step": 0, "velocity": np.zeros(3)} if state is None else state
    ),
)


def _problem_function(xp: Any, w: Any) -> Any:
    return [w[..., 0] - 1.0, w[..., 1]]


CALLS["Problem"] = Call(
    xpnet.Problem,
    {
        "name": Argument(["mine"]),
        "function": Argument([_problem_function]),
        "start": Argument([(1.0, 2.0), (Fraction(1, 2), 3)], odd=((math.nan, 1.0), ("a",), ())),
        "minima": Argument([(0.0,), (0.0, 1.0), [0]], odd=((math.nan,), ("a",), ())),
    },
    lambda result, given: _equal(
        (
            type(result.name),
            callable(result.function),
            all(type(x) is float and math.isfinite(x) for x in (*result.start, *result.minima)),
        ),
        (str, True, True),
    ),
)
_PROBLEM = xpnet.PROBLEMS[0]
CALLS["Problem.objective"] = Call(
    _PROBLEM.objective,
    {"backend": BACKENDS, "dtype": DTYPES},
    lambda result, given: close(result.value(np.array(_PROBLEM.start, result.dtype)), 24.2, 1e-5),
)
CALLS["Problem.solved"] = Call(
    _PROBLEM.solved,
    {"value": number(0.0, 1.0, -1.0)},
    lambda result, given: _equal(result, -1e-5 <= accepted(given["value"], "number") <= 1e-8),
)


# --- functions and layers of a user's own that go wrong ---------------------------------------------------


RESIDUALS = Argument(
    [valley],
    words=("residuals",),
    odd=(
        lambda xp, w: 3.0,
        lambda xp, w: None,
        lambda xp, w: "abc",
        lambda xp, w: w[..., :0],
        lambda xp, w: w[..., 0],
        lambda xp, w: [w, w],
        lambda xp, w: [w[..., 0], 1.0],
        lambda xp, w: [],
        lambda xp, w: w[None],
        lambda xp, w: w > 0.0,
        lambda xp, w: np.ones(3, "float32"),
        lambda xp, w: np.array(["a", "b"]),
        lambda xp, w: np.ones(2, complex),
    ),
)
POINT = np.array([-1.2, 1.0, 0.3])


def _evaluated(method: str) -> Callable[..., Any]:
    def call(function: Any) -> Any:
        return getattr(xpnet.LeastSquares(function, backend="numpy"), method)(POINT)

    return call


def _judge_evaluated(result: Any, given: dict[str, Any]) -> None:
    if given["function"] is valley:
        close(result[0] if isinstance(result, tuple) else result, KNOWN["LeastSquares"].value(POINT))
    else:
        assert np.isfinite(np.asarray(result[0] if isinstance(result, tuple) else result, float)).all()


for _method in ("value", "value_and_gradient"):
    CALLS[f"LeastSquares, then {_method}"] = Call(
        _evaluated(_method), {"function": RESIDUALS}, _judge_evaluated
    )


@dataclasses.dataclass(frozen=True)
class OwnLayer(xpnet.Layer):
    """Of a user's own, which says nonsense of itself."""

    parts: Any = None
    first: Any = None
    units: Any = 2

    def shapes(self, inputs: int) -> Any:
        return {"a": (2, inputs)} if self.parts is None else self.parts

    def initialize(self, random: Any, inputs: int) -> Any:
        return {} if self.first is None else self.first

    def forward(self, xp: Any, parameters: Any, inputs: Any) -> Any:
        return parameters["a"] @ inputs, inputs

    def backward(
        self,
        xp: Any,
        parameters: Any,
        cache: Any,
        gradient: Any,
        accumulate: Any,
        *,
        input_gradient: bool = True,
    ) -> Any:
        accumulate.add_product("a", gradient, cache.mT)
        return parameters["a"].mT @ gradient if input_gradient else None


ODD_LAYERS = (
    *[
        OwnLayer(parts)
        for parts in (3, "a", [("a", (2, 2))], {1: (2,)}, {"a": 3}, {"a": (0, 2)}, {"": (2,)})
    ],
    *[OwnLayer(parts) for parts in ({"a": ("2",)}, {"a": None}, {"a": (2.0, 2)})],
    *[OwnLayer(first=first) for first in (3, "a", {"b": 1.0}, {"a": "x"}, {"a": None}, {"a": math.nan})],
    *[
        OwnLayer(first={"a": first})
        for first in (np.ones(3), [[1.0]], 1j, np.array(["a"]), 1e300, {}, [[1], [2, 3]])
    ],
    *[OwnLayer(units=units) for units in ("2", 0, -1, 2.5, True, [2], 10**400)],
)
CALLS["Network, then initialize"] = Call(
    lambda layer: xpnet.Network(2, layer, xpnet.Dense(1)).initialize(0, "numpy"),
    {
        "layer": Argument(
            [OwnLayer(), xpnet.Dense(2)],
            words=("layers[0]", "shapes", "shape", "units", "'a'"),
            odd=ODD_LAYERS * 4,
        )
    },
    lambda result, given: _equal(bool(np.isfinite(result).all()) and result.ndim == 1, True),
)
CALLS["Initializer, then initialize"] = Call(
    lambda draw: xpnet.Network(2, xpnet.Dense(2, initializer=xpnet.Initializer("m", draw))).initialize(
        0, "numpy"
    ),
    {
        "draw": Argument(
            [draw, lambda random, shape: 0.5],
            words=("weights", "'weights'", "layers[0]", "initializers"),
            odd=tuple(
                (lambda random, shape, given=given: given)
                for given in (
                    None,
                    "a",
                    "1",
                    1j,
                    math.nan,
                    np.ones(3),
                    np.array(["1"]),
                    [[1], [2, 3]],
                    {},
                    1e300,
                )
            )
            * 8,
        )
    },
    lambda result, given: _equal(bool(np.isfinite(result).all()), True),
)
FUNCTIONS = tuple(
    (lambda xp, z, given=given: given)
    for given in (None, "a", 3.0, 1j, np.ones(3), np.ones((2, 2)), [1.0], (), True, {})
)
CALLS["ElementwiseActivation, then a risk"] = Call(
    lambda function: xpnet.EmpiricalRisk(
        xpnet.Network(2, xpnet.Dense(2, xpnet.ElementwiseActivation("own", function, square_slope))),
        xpnet.SquaredError(),
        X,
        REALS,
        backend="numpy",
        dtype="float64",
    ).value_and_gradient(np.ones(6)),
    {
        "function": Argument(
            [square],
            words=("own", "own_forward", "own_backward", "rule"),
            odd=(
                *FUNCTIONS,
                lambda xp, z: z[:1],
                lambda xp, z: xp.sum(z),
                lambda xp, z: z > 0.0,
                lambda xp, z: (z, z),
                lambda xp, z: xp.nothing(z),
                lambda xp, z: z.T,
            )
            * 4,
        )
    },
    lambda result, given: _equal(bool(np.isfinite(result[1]).all()), True),
)
CALLS["Elementwise, then compute"] = Call(
    lambda function: xpnet.elementwise(function).compute(np, np.ones((2, 3))),
    {
        "function": Argument(
            [square],
            words=("<lambda>", "rule", "nonsense", "nothing", "a rule"),
            odd=(
                *FUNCTIONS,
                lambda xp, z: z[:1],
                lambda xp, z: xp.sum(z),
                lambda xp, z: z > 0.0,
                lambda xp, z: xp.nothing(z),
                lambda xp, z: z.T,
                lambda xp, z: z if z else -z,
                lambda xp, z: np.sin(z),
            )
            * 4,
        )
    },
    lambda result, given: None,
)
