"""Replicas of which some have stopped: rows are copied, and only those that go on are evaluated."""

from __future__ import annotations

from typing import Any

from ..device.arrays import Array, Matrix, Scalar, Vector
from ..device.backend import Backend
from ..objectives import EmpiricalRisk, Objective, Offers


def copy_rows(backend: Backend, target: Vector, source: Vector, rows: Any) -> None:
    """Copies `source` to `target`, only the replicas in `rows`, truth values of the host, `(R,)` or one."""
    if rows.all():
        target[...] = source
    elif rows.any():
        mask = backend.xp.asarray(rows, device=backend.device)[:, None]
        target[...] = backend.xp.where(mask, source, target)


def differ(backend: Backend, left: Vector, right: Vector) -> Any:
    """Whether two points are not the same: for each replica on the host, or one truth value."""
    found = backend.to_numpy(backend.xp.any(left != right, axis=-1))
    return found if found.ndim else bool(found)


class Selected(Objective):
    """An objective of R replicas, evaluated for some only.

    The others get NaN for a value, a gradient of 0, and the identity for a matrix.

    Args:
        objective: one that can `select_replicas`.
        active: which are evaluated, truth values `(R,)` of the host, at least one.
    """

    backend: Backend

    def __init__(self, backend: Backend, objective: Objective, active: Any) -> None:
        self.backend, self.active = backend, active
        self.rows = [r for r, going in enumerate(active) if going]
        self.objective = objective.select_replicas(self.rows)
        self.whole = objective
        self.samples, self.lacks = objective.samples, ~objective.offers
        # where each row is found among those computed and one that stands for all others
        places = [len(self.rows)] * len(active)
        for place, r in enumerate(self.rows):
            places[r] = place
        xp = backend.xp
        self._there = xp.asarray(self.rows, dtype=xp.int64, device=backend.device)
        self._back = xp.asarray(places, dtype=xp.int64, device=backend.device)

    def recording(self, w: Vector) -> int | str:
        """As `EmpiricalRisk.recording`, of those that are evaluated."""
        objective = self.objective
        if not isinstance(objective, EmpiricalRisk):
            return f"an objective of another kind, {type(objective).__name__}"
        return objective.recording(w[: len(self.rows), ...])

    def _some(self, w: Vector, axis: int = 0) -> Vector:
        return self.backend.xp.take(w, self._there, axis=axis)

    def _all(self, computed: Array, other: Array, axis: int = 0) -> Array:
        """`computed` with `other`, one row, in the place of those that are not."""
        xp = self.backend.xp
        other = xp.astype(other, computed.dtype)
        return xp.take(xp.concat([computed, other], axis=axis), self._back, axis=axis)

    def _values(self, values: Scalar) -> Scalar:
        xp = self.backend.xp
        if tuple(values.shape) != (len(self.rows),):
            raise ValueError(
                f"the value of {len(self.rows)} replicas must be ({len(self.rows)},), "
                f"got shape {tuple(values.shape)}"
            )
        return self._all(values, xp.full((1,), xp.nan, dtype=values.dtype, device=self.backend.device))

    def _vectors(self, vectors: Vector) -> Vector:
        return self._all(vectors, self.backend.xp.zeros_like(vectors[:1, ...]))

    def _matrices(self, matrices: Matrix) -> Matrix:
        xp = self.backend.xp
        size = matrices.shape[-1]
        return self._all(
            matrices, xp.eye(size, dtype=matrices.dtype, device=self.backend.device)[None, ...]
        )

    def _product(self, product: Any, w: Vector, v: Vector) -> Vector:
        axis = v.ndim - w.ndim
        got = product(self._some(w), self._some(v, axis))
        return self._all(got, self.backend.xp.zeros_like(v[..., :1, :]), axis)

    def value(self, w: Vector) -> Scalar:
        return self._values(self.objective.value(self._some(w)))

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        value, gradient = self.objective.value_and_gradient(self._some(w))
        return self._values(value), self._vectors(gradient)

    def normal_equations(self, w: Vector) -> tuple[Scalar, Vector, Matrix]:
        value, gradient, matrix = self.objective.normal_equations(self._some(w))
        return self._values(value), self._vectors(gradient), self._matrices(matrix)

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        return self._product(self.objective.hessian_product, w, v)

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        return self._product(self.objective.gauss_newton_product, w, v)

    def hessian(self, w: Vector) -> Matrix:
        return self._matrices(self.objective.hessian(self._some(w)))

    def gauss_newton(self, w: Vector) -> Matrix:
        return self._matrices(self.objective.gauss_newton(self._some(w)))

    def residuals(self, w: Vector) -> Vector:
        return self._vectors(self.objective.residuals(self._some(w)))

    def jacobian(self, w: Vector) -> Matrix:
        jacobian = self.objective.jacobian(self._some(w))
        return self._all(jacobian, self.backend.xp.zeros_like(jacobian[:1, ...]))

    def subset(self, samples: Array) -> Objective:
        return Selected(self.backend, self.whole.subset(samples), self.active)

    def redraw(self, draw: int) -> Objective:
        return Selected(self.backend, self.whole.redraw(draw), self.active)


def selected(backend: Backend, objective: Objective, active: Any) -> Objective:
    """`objective`, evaluated only for the replicas that are `active`, where it allows that."""
    going = int(active.sum()) if active.ndim else 1
    if not active.ndim or going in (0, active.size) or Offers.SELECT_REPLICAS not in objective.offers:
        return objective
    return Selected(backend, objective, active)
