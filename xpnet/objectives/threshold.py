"""One threshold unit, for the perceptron rule."""

from __future__ import annotations

from typing import Any

from .. import checks
from ..device.arrays import DTypeLike, Matrix, Samples, Scalar, Vector
from ..device.backend import Backend
from ..device.select import chosen as choose_backend
from ..linear.vectors import times
from .base import Objective
from .classifying import Classifying
from .matrices import check_points


class ThresholdUnit(Objective, Classifying):
    """A unit that says +1 where `w.x + b > 0`, judged by the perceptron criterion.

    The value is `mean_t max(0, -d_t (w.x_t + b))`; the gradient takes a sample on the boundary for wrong,
    as the perceptron rule does (Rosenblatt 1958). The bias `b` is the last of the P = features + 1
    parameters.

    Args:
        X: `(samples, features)`.
        targets: `d`, `(samples,)`, each -1 or +1.
        backend, dtype: as for `EmpiricalRisk`; float64 by default.

    Raises:
        TypeError, ValueError: no numbers, NaN or infinity, shapes that do not fit, other targets (True and
            False, or 0 and 1, must be made -1 and +1).

    >>> import numpy as np
    >>> from xpnet import Perceptron, ThresholdUnit, minimize
    >>> unit = ThresholdUnit([[0, 0], [0, 1], [1, 0], [1, 1]], [-1, -1, -1, 1])  # and
    >>> minimize(unit, Perceptron(), np.zeros(3)).reason
    'step 18: every sample is on its own side'
    """

    backend: Backend

    def __init__(
        self,
        X: Samples,
        targets: Samples,
        *,
        backend: Backend | str | None = None,
        dtype: DTypeLike = "float64",
    ) -> None:
        self.backend = choose_backend(backend)
        xp, self.dtype = self.backend.xp, self.backend.dtype(dtype)
        inputs = self._samples(X)
        signs = self._signs(targets, inputs.shape[0])
        ones = xp.ones((inputs.shape[0], 1), dtype=self.dtype, device=self.backend.device)
        self.signed: Matrix = signs[:, None] * xp.concat([inputs, ones], axis=1)  # d x, with the input 1
        self.size = inputs.shape[1] + 1

    def margins(self, w: Vector) -> Vector:
        """`d_t (w.x_t + b)`, positive where the unit is right, at `w` `(..., P)`: `(..., samples)`."""
        check_points(self.backend, w, self.dtype, self.size)
        with self.backend.working():
            return times(self.signed, w)

    def value(self, w: Vector) -> Scalar:
        """The criterion at `w`, `(..., P)` with any axes in front, such as those of a grid: `(...)`."""
        margins = self.margins(w)
        with self.backend.working():
            return self._value(margins)

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        self._check(w)
        margins = self.margins(w)
        with self.backend.working():
            wrong = self.backend.xp.astype(margins <= 0.0, self.dtype)
            return self._value(margins), -(wrong @ self.signed) / self.signed.shape[0]

    def select_replicas(self, rows: list[int]) -> ThresholdUnit:
        """The unit itself: it has all replicas see the same samples."""
        return self

    def mistakes(self, w: Vector) -> Scalar:
        """The number of samples that the unit has wrong, those on its boundary too: `(...)`.

        It says which `w` is best, which the value does not: that is 0 at `w = 0`, where all are wrong.
        """
        xp = self.backend.xp
        return xp.sum(xp.astype(self.margins(w) <= 0.0, xp.int64), axis=-1)

    def error_rate(self, w: Vector) -> Scalar:
        """The fraction of samples that the unit has wrong: `mistakes` of all of them."""
        return self.backend.xp.astype(self.mistakes(w), self.dtype) / self.signed.shape[0]

    def predict(self, w: Vector, X: Samples) -> Samples:
        """What the unit says, +1 where `w.x + b > 0` and -1 elsewhere: `(samples,)` or `(R, samples)`.

        Args:
            w: `(P,)` or `(R, P)`.
            X: `(samples, features)`.

        Raises:
            TypeError, ValueError: as for the unit itself.
        """
        self._check(w)
        inputs, xp = self._samples(X), self.backend.xp
        if inputs.shape[1] != self.size - 1:
            shape = tuple(inputs.shape)
            raise ValueError(f"X must be (samples, {self.size - 1}), as the unit's, got shape {shape}")
        with self.backend.working():
            z = (w[..., None, :-1] @ inputs.mT)[..., 0, :] + w[..., -1:]
            return xp.where(z > 0.0, xp.ones_like(z), -xp.ones_like(z))

    def mistake_bound(self, w: Vector) -> float:
        """The most updates that the perceptron rule can take from zero, `max |x|^2 |w|^2 / min margin^2`.

        `x` with its input 1 for the bias (Novikoff 1962). The `w` of the widest margin gives the least
        bound.

        Raises:
            ValueError: `w` does not separate the samples.
        """
        xp, margins = self.backend.xp, self.margins(w)
        if w.ndim != 1:
            raise ValueError(f"w must be ({self.size},), got shape {tuple(w.shape)}")
        least = float(xp.min(margins))
        if not least > 0.0:
            raise ValueError(
                f"w must separate the samples, each on its own side, got one with a margin of {least:g}"
            )
        widest = float(xp.max(xp.sum(self.signed * self.signed, axis=1)))
        return widest * float(xp.sum(w * w)) / least**2

    def _value(self, margins: Vector) -> Scalar:
        xp = self.backend.xp
        loss = xp.where(margins < 0.0, -margins, 0.0)
        return xp.mean(xp.astype(loss, self.backend.accumulator), axis=-1)

    def _check(self, w: Vector) -> None:
        self.backend.check("w", w, self.dtype)
        if w.ndim not in (1, 2) or w.shape[-1] != self.size:
            raise ValueError(f"w must be ({self.size},) or (R, {self.size}), got shape {tuple(w.shape)}")

    def _samples(self, X: Any) -> Samples:
        samples = self.backend.asarray(X, self.dtype, name="X")
        if samples.ndim != 2 or not samples.size:
            raise ValueError(f"X must be (samples, features), got shape {tuple(samples.shape)}")
        checks.finite(self.backend.xp, "X", samples)
        return samples

    def _signs(self, targets: Any, samples: int) -> Vector:
        """The targets, which are looked at as they came, before a conversion could round them."""
        xp = self.backend.xp
        given = self.backend.asarray(targets, name="targets")
        if tuple(given.shape) != (samples,):
            raise ValueError(
                f"targets must be ({samples},), as X has {samples} samples, got shape {tuple(given.shape)}"
            )
        if xp.isdtype(given.dtype, "bool"):
            raise TypeError("targets must be -1 or +1, got True and False; +1 stands for True")
        wide = xp.astype(given, self.backend.accumulator)
        wrong = xp.abs(wide) != 1.0
        if bool(xp.any(wrong)):
            other = self.backend.to_numpy(given[xp.argmax(xp.astype(wrong, xp.int8))])
            hint = "; -1 stands for 0" if bool(xp.all((wide == 0.0) | (wide == 1.0))) else ""
            raise ValueError(f"targets must be -1 or +1, got {other}{hint}")
        return xp.astype(wide, self.dtype)

    def __repr__(self) -> str:
        samples, backend, dtype = self.signed.shape[0], self.backend.name, checks.dtype_name(self.dtype)
        return f"ThresholdUnit(samples={samples}, features={self.size - 1}, {backend=}, {dtype=})"
