"""One threshold unit, for the perceptron rule."""

from __future__ import annotations

from typing import Any

from .. import checks
from ..device.arrays import Array, Scalar, Vector
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from .base import Objective
from .matrices import check_point


class ThresholdUnit(Objective):
    """A unit that says +1 where `w.x + b > 0`, judged by the perceptron criterion.

    The value is `mean_t max(0, -d_t (w.x_t + b))`; the gradient takes a sample on the boundary for wrong,
    as the perceptron rule does (Rosenblatt 1958). The bias `b` is the last of the P = features + 1
    parameters.

    Args:
        X: `(samples, features)`.
        targets: `d`, `(samples,)`, each -1 or +1.
        backend, dtype: as for `EmpiricalRisk`; float64 by default.

    Raises:
        TypeError, ValueError: no numbers, NaN or infinity, shapes that do not fit, other targets.
    """

    def __init__(
        self, X: Any, targets: Any, *, backend: Backend | str | None = None, dtype: Any = "float64"
    ) -> None:
        self.backend = choose_backend(backend)
        xp, self.dtype = self.backend.xp, self.backend.dtype(dtype)
        inputs = self.backend.asarray(X, dtype, name="X")
        signs = self.backend.asarray(targets, name="targets")
        if inputs.ndim != 2 or not inputs.size:
            raise ValueError(f"X must be (samples, features), got shape {tuple(inputs.shape)}")
        if tuple(signs.shape) != (inputs.shape[0],):
            raise ValueError(f"targets must be ({inputs.shape[0]},), got shape {tuple(signs.shape)}")
        with self.backend.quiet():
            checks.finite(xp, "X", inputs)
            signs = xp.astype(signs, self.backend.accumulator)
            if not bool(xp.all(xp.abs(signs) == 1.0)):
                raise ValueError("targets must be -1 or +1, got others")
            ones = xp.ones((inputs.shape[0], 1), dtype=self.dtype, device=self.backend.device)
            # d x, with the input 1
            self.signed = xp.astype(signs, self.dtype)[:, None] * xp.concat([inputs, ones], axis=1)
        self.size = inputs.shape[1] + 1

    def margins(self, w: Vector) -> Array:
        """`d_t (w.x_t + b)`, positive where the unit is right: `(samples,)` or `(R, samples)`."""
        check_point(self.backend, w, self.dtype, self.size)
        with self.backend.working():
            return (self.signed @ w[..., None])[..., 0]

    def value(self, w: Vector) -> Scalar:
        margins = self.margins(w)
        with self.backend.working():
            return self._value(margins)

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        margins = self.margins(w)
        with self.backend.working():
            wrong = self.backend.xp.astype(margins <= 0.0, self.dtype)
            return self._value(margins), -(wrong @ self.signed) / self.signed.shape[0]

    def mistakes(self, w: Vector) -> Array:
        """The number of samples that the unit has wrong: 0-d or `(R,)`."""
        xp = self.backend.xp
        return xp.sum(xp.astype(self.margins(w) <= 0.0, xp.int64), axis=-1)

    def mistake_bound(self, w: Vector) -> float:
        """The most updates that the perceptron rule can take from zero, `max |x|^2 |w|^2 / min margin^2`.

        `x` with its input 1 for the bias (Novikoff 1962). The `w` of the widest margin gives the least
        bound.

        Raises:
            ValueError: `w` does not separate the samples.
        """
        xp = self.backend.xp
        least = float(xp.min(self.margins(w)))
        if w.ndim != 1 or not least > 0.0:
            raise ValueError("w must be (P,) and separate the samples, each on its own side")
        widest = float(xp.max(xp.sum(self.signed * self.signed, axis=1)))
        return widest * float(xp.sum(w * w)) / least**2

    def _value(self, margins: Array) -> Scalar:
        xp = self.backend.xp
        loss = xp.where(margins < 0.0, -margins, 0.0)
        return xp.mean(xp.astype(loss, self.backend.accumulator), axis=-1)

    def __repr__(self) -> str:
        samples, features = self.signed.shape[0], self.size - 1
        return (
            f"ThresholdUnit(samples={samples}, features={features}, backend={self.backend.name!r}, "
            f"dtype={checks.dtype_name(self.dtype)!r})"
        )
