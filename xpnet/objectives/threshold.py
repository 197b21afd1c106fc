"""One threshold unit, for the perceptron rule."""

from __future__ import annotations

from typing import Any

from .. import checks
from ..device.arrays import Array
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from .base import Objective


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
        X = self.backend.asarray(X, dtype, name="X")
        targets = self.backend.asarray(targets, dtype, name="targets")
        if X.ndim != 2 or not X.size:
            raise ValueError(f"X must be (samples, features), got shape {tuple(X.shape)}")
        if tuple(targets.shape) != (X.shape[0],):
            raise ValueError(f"targets must be ({X.shape[0]},), got shape {tuple(targets.shape)}")
        checks.finite(xp, "X", X)
        if not bool(xp.all(xp.abs(targets) == 1.0)):
            raise ValueError("targets must be -1 or +1, got others")
        ones = xp.ones((X.shape[0], 1), dtype=self.dtype, device=self.backend.device)
        self.signed = targets[:, None] * xp.concat([X, ones], axis=1)  # d x, with the input 1
        self.size = X.shape[1] + 1

    def margins(self, w: Array) -> Array:
        """`d_t (w.x_t + b)`, positive where the unit is right: `(samples,)` or `(R, samples)`."""
        self.backend.check("w", w, self.dtype)
        if w.ndim not in (1, 2) or w.shape[-1] != self.size:
            raise ValueError(f"w must be ({self.size},) or (R, {self.size}), got shape {tuple(w.shape)}")
        return (self.signed @ w[..., None])[..., 0]

    def value(self, w: Array) -> Array:
        return self._value(self.margins(w))

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        margins = self.margins(w)
        wrong = self.backend.xp.astype(margins <= 0.0, self.dtype)
        return self._value(margins), -(wrong @ self.signed) / self.signed.shape[0]

    def select_replicas(self, rows: list[int]) -> ThresholdUnit:
        """The unit itself: it has all replicas see the same samples."""
        return self

    def mistakes(self, w: Array) -> Array:
        """The number of samples that the unit has wrong: 0-d or `(R,)`."""
        xp = self.backend.xp
        return xp.sum(xp.astype(self.margins(w) <= 0.0, xp.int64), axis=-1)

    def mistake_bound(self, w: Array) -> float:
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

    def _value(self, margins: Array) -> Array:
        xp = self.backend.xp
        loss = xp.where(margins < 0.0, -margins, 0.0)
        return xp.mean(xp.astype(loss, self.backend.accumulator), axis=-1)
