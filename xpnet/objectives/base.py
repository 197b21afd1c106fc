"""What an optimizer asks of the function it minimizes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..device.arrays import Array, Matrix, Scalar, Vector
from ..device.backend import Backend
from ..distributed import ALONE, Communicator
from ..glossary import Hinted
from ..linear.vectors import times
from ..parameters import Layout
from .matrices import check_direction, check_result, dense, point_backend, require_memory
from .offers import METHODS, Offers, closure, sum_of


class Objective(Hinted, ABC):
    """A differentiable function of `w`, `(P,)`; or of `R` replicas at once, `(R, P)`.

    A subclass defines `value` and `value_and_gradient`, which `xpnet.testing.check_gradient` tests, and
    what it has of the rest. What follows from that is derived here: the Hessian from its products and they
    from it, the Gauss-Newton matrix and the normal equations from residuals and Jacobian. What it has not
    raises NotImplementedError; `offers` says beforehand what there is. Every array that a method returns
    must be a new one: optimizers keep them from step to step, and would compare a buffer with itself.
    Where the value is `1/2 r'r`, `SumOfSquares` needs the residuals and their Jacobian only.

    Attributes:
        samples: how many there are to choose a `subset` from; 0 if none.
        communicator: the processes that evaluate it together, each with some of the samples.
        lacks: methods that its class has, and this one has not, as it was made.
        layout: the names and shapes of its parameters, if they have any.
        backend: where it computes, and with which kernels, if it knows that; an optimizer does likewise.
    """

    samples: int = 0
    communicator: Communicator = ALONE
    lacks: Offers = Offers.NOTHING
    layout: Layout | None = None
    backend: Any = None

    @property
    def offers(self) -> Offers:
        """What it has beside value and gradient."""
        return closure(_defined(type(self)) & ~self.lacks)

    @abstractmethod
    def value(self, w: Vector) -> Scalar:
        """The value at `w`: 0-d, or `(R,)`; of those of this library also of a grid `(..., P)`: `(...)`."""

    @abstractmethod
    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        """The value at `w`, and the gradient, a new array of the shape and dtype of `w`."""

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        """`H v` with the Hessian `H` at `w`; `v` has the shape of `w`, or one more axis in front.

        Raises:
            NotImplementedError: the objective has neither such products nor a Hessian.
        """
        self._require(Offers.HESSIAN_PRODUCT)
        backend = point_backend(w, self.backend)
        check_direction(backend, w, v)
        with backend.working():
            matrix = self.hessian(w)
            self._check_matrix(backend, "hessian", matrix, w)
            return times(matrix, v)

    def hessian(self, w: Vector) -> Matrix:
        """The Hessian, dense: `(P, P)` or `(R, P, P)`, made symmetric.

        Raises:
            NotImplementedError: the objective has no `hessian_product`.
            MemoryError: it would not fit; the message gives its size.
        """
        self._require(Offers.HESSIAN)
        return dense(point_backend(w, self.backend), "Hessian", self.hessian_product, w)

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        """`J' H_L J v`: `J` the Jacobian of the outputs, `H_L` the Hessian of the divergence in them.

        Raises:
            NotImplementedError: the objective has no such product, and no residuals.
        """
        self._require(Offers.GAUSS_NEWTON_PRODUCT)
        backend = point_backend(w, self.backend)
        check_direction(backend, w, v)
        with backend.working():
            if Offers.RESIDUALS | Offers.JACOBIAN in self.offers:
                _, J = self._residuals_and_jacobian(backend, w)
                return times(J.mT, times(J, v))
            matrix = self.gauss_newton(w)
            self._check_matrix(backend, "gauss_newton", matrix, w)
            return times(matrix, v)

    def gauss_newton(self, w: Vector) -> Matrix:
        """The Gauss-Newton matrix, dense: `(P, P)` or `(R, P, P)`, made symmetric.

        Raises:
            NotImplementedError: the objective has no `gauss_newton_product`, and no residuals.
            MemoryError: it would not fit; the message gives its size.
        """
        self._require(Offers.GAUSS_NEWTON)
        backend = point_backend(w, self.backend)
        if Offers.NORMAL_EQUATIONS in self.offers:
            matrix = self.normal_equations(w)[2]
            self._check_matrix(backend, "normal_equations", matrix, w)
            return matrix
        return dense(backend, "Gauss-Newton matrix", self.gauss_newton_product, w)

    def residuals(self, w: Vector) -> Vector:
        """`r(w)`, `(N,)` or `(R, N)`, where the value is `1/2 r'r`.

        Raises:
            NotImplementedError: the objective is no such sum of squares.
        """
        raise self._lacking(Offers.RESIDUALS)

    def jacobian(self, w: Vector) -> Matrix:
        """The derivatives of the residuals, `(N, P)` or `(R, N, P)`.

        Raises:
            NotImplementedError: the objective has no residuals.
            MemoryError: it would not fit; the message gives its size.
        """
        raise self._lacking(Offers.JACOBIAN)

    def normal_equations(self, w: Vector) -> tuple[Scalar, Vector, Matrix]:
        """The value, the gradient `J'r`, and `J'J`, without holding the whole `J` where it can.

        Raises:
            NotImplementedError: the objective has no residuals.
            MemoryError: `J'J` would not fit; the message gives its size.
        """
        self._require(Offers.NORMAL_EQUATIONS)
        backend = point_backend(w, self.backend)
        require_memory(backend, "matrix J'J", w, w.shape[-1], w.shape[-1])
        with backend.working():
            r, J = self._residuals_and_jacobian(backend, w)
            value = 0.5 * backend.xp.sum(r * r, axis=-1, dtype=backend.accumulator)
            return value, times(J.mT, r), J.mT @ J

    def subset(self, samples: Array) -> Objective:
        """The objective on some of its samples, given by their numbers, on the host or the device.

        Raises:
            NotImplementedError: the objective has no samples.
        """
        raise self._lacking(Offers.SUBSET)

    def redraw(self, draw: int) -> Objective:
        """The objective with another draw of what is random in it; it is 0 at first.

        Raises:
            NotImplementedError: nothing is random in the objective.
        """
        raise self._lacking(Offers.REDRAW)

    def select_replicas(self, rows: list[int]) -> Objective:
        """The objective of these replicas only, for `w` with a row for each of them.

        What is computed for one must not depend on which others there are. An objective that treats all
        replicas alike returns itself.

        Raises:
            NotImplementedError: it can only be evaluated for all replicas at once.
        """
        raise self._lacking(Offers.SELECT_REPLICAS)

    def __neg__(self) -> Objective:
        """`-f`: to minimize it is to maximize this one."""
        return Negative(self)

    def _require(self, offer: Offers) -> None:
        if offer not in self.offers:
            raise self._lacking(offer)

    def _lacking(self, offer: Offers) -> NotImplementedError:
        hint = "; xpnet.difference_hessian gives one by differences" if offer is Offers.HESSIAN else ""
        return NotImplementedError(f"{type(self).__name__} has no {offer.method}{hint}")

    def _residuals_and_jacobian(self, backend: Backend, w: Vector) -> tuple[Vector, Matrix]:
        """Both, of shapes that fit."""
        r, J = self._checked_residuals(backend, w), self.jacobian(w)
        shape = (*r.shape, w.shape[-1])
        check_result(backend, f"{type(self).__name__}.jacobian", J, shape, w.dtype)
        return r, J

    def _checked_residuals(self, backend: Backend, w: Vector) -> Vector:
        r = self.residuals(w)
        count = tuple(r.shape[-1:]) if backend.owns(r) else ()
        shape = (*w.shape[:-1], *(count or (1,)))
        check_result(backend, f"{type(self).__name__}.residuals", r, shape, w.dtype)
        return r

    def _check_matrix(self, backend: Backend, method: str, matrix: Matrix, w: Vector) -> None:
        check_result(backend, f"{type(self).__name__}.{method}", matrix, (*w.shape, w.shape[-1]), w.dtype)


_OF_NEGATIVE = (
    Offers.HESSIAN | Offers.HESSIAN_PRODUCT | Offers.SUBSET | Offers.REDRAW | Offers.SELECT_REPLICAS
)


def _defined(kind: type[Objective]) -> Offers:
    """The optional methods that a class defines itself."""
    own = [getattr(kind, name) is not getattr(Objective, name) for name in METHODS]
    return sum_of(tuple(own))


class SumOfSquares(Objective):
    """`1/2 r'r` of residuals `r(w)`, of which the rest follows.

    A subclass defines `residuals`, `(N,)` or `(R, N)`, and `jacobian`, `(N, P)` or `(R, N, P)`, both of the
    dtype of `w` and on its device. Value, gradient, Gauss-Newton products and matrix and the normal
    equations are derived, so that Levenberg-Marquardt and Gauss-Newton take it as it is.

    >>> import numpy as np
    >>> from xpnet import SumOfSquares, minimize
    >>> class Rosenbrock(SumOfSquares):
    ...     def residuals(self, w):
    ...         return np.array([10 * (w[1] - w[0] ** 2), 1 - w[0]])
    ...
    ...     def jacobian(self, w):
    ...         return np.array([[-20 * w[0], 10], [-1, 0]])
    >>> minimize(Rosenbrock(), "levenberg-marquardt", np.array([-1.2, 1.0])).w.round(4).tolist()
    [1.0, 1.0]
    """

    @abstractmethod
    def residuals(self, w: Vector) -> Vector:
        """`r(w)`, `(N,)` or `(R, N)`."""

    @abstractmethod
    def jacobian(self, w: Vector) -> Matrix:
        """`dr_i / dw_k`, `(N, P)` or `(R, N, P)`."""

    def value(self, w: Vector) -> Scalar:
        """`1/2 r'r` at `w`: 0-d, or `(R,)`."""
        backend = point_backend(w, self.backend)
        with backend.working():
            r = self._checked_residuals(backend, w)
            return 0.5 * backend.xp.sum(r * r, axis=-1, dtype=backend.accumulator)

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        """The value at `w`, and `J'r`."""
        backend = point_backend(w, self.backend)
        with backend.working():
            r, J = self._residuals_and_jacobian(backend, w)
            value = 0.5 * backend.xp.sum(r * r, axis=-1, dtype=backend.accumulator)
            return value, times(J.mT, r)


class Negative(Objective):
    """`-f`, which `-objective` makes of an objective `f`; values and records are those of `-f`.

    It has no Gauss-Newton products, and no residuals: where `f` is convex in the outputs, `-f` is not.

    Attributes:
        objective: `f`.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.samples, self.layout = objective.samples, objective.layout
        self.communicator = objective.communicator

    @property
    def offers(self) -> Offers:
        return closure(self.objective.offers & _OF_NEGATIVE)

    def value(self, w: Vector) -> Scalar:
        return -self.objective.value(w)

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        value, gradient = self.objective.value_and_gradient(w)
        return -value, -gradient

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        return -self.objective.hessian_product(w, v)

    def hessian(self, w: Vector) -> Matrix:
        return -self.objective.hessian(w)

    def subset(self, samples: Array) -> Objective:
        return Negative(self.objective.subset(samples))

    def redraw(self, draw: int) -> Objective:
        return Negative(self.objective.redraw(draw))

    def select_replicas(self, rows: list[int]) -> Objective:
        return Negative(self.objective.select_replicas(rows))

    def __neg__(self) -> Objective:
        return self.objective

    def __repr__(self) -> str:
        return f"-{self.objective!r}"


def require(objective: Objective, offer: Offers, what: str) -> None:
    """Raises TypeError unless `objective` offers what `what` needs."""
    if offer not in objective.offers:
        name = type(objective).__name__
        raise TypeError(f"objective must have a {offer.method} for {what}; {name} has none")
