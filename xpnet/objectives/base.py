"""What an optimizer asks of the function it minimizes."""

from __future__ import annotations

import functools
import operator
from abc import ABC, abstractmethod

from ..device.arrays import Array, Matrix, Scalar, Vector
from ..device.backend import Backend
from ..device.select import backend_of
from .offers import Offers, closure

MEMORY_FRACTION = 0.5  # of the free memory that dense matrices may take
BLOCK = 2**22  # numbers in a block of directions whose products are taken at once


class Objective(ABC):
    """A differentiable function of `w`, `(P,)`; or of `R` replicas at once, `(R, P)`.

    A subclass defines `value` and `value_and_gradient`, which `xpnet.testing.check_gradient` tests, and
    what it has of the rest. What follows from that is derived here: the Hessian from its products and they
    from it, the Gauss-Newton matrix and the normal equations from residuals and Jacobian. What it has not
    raises NotImplementedError; `offers` says beforehand what there is.

    Attributes:
        samples: how many there are to choose a `subset` from; 0 if none.
        lacks: methods that its class has, and this one has not, as it was made.
    """

    samples: int = 0
    lacks: Offers = Offers.NOTHING

    @property
    def offers(self) -> Offers:
        """What it has beside value and gradient."""
        return closure(_defined(type(self)) & ~self.lacks)

    @abstractmethod
    def value(self, w: Vector) -> Scalar:
        """The value at `w`: 0-d, or `(R,)`."""

    @abstractmethod
    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        """The value at `w`, and the gradient, a new array of the shape and dtype of `w`."""

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        """`H v` with the Hessian `H` at `w`; `v` has the shape of `w`, or one more axis in front.

        Raises:
            NotImplementedError: the objective has neither such products nor a Hessian.
        """
        self._require(Offers.HESSIAN_PRODUCT)
        return _times(self.hessian(w), v)

    def hessian(self, w: Vector) -> Matrix:
        """The Hessian, dense: `(P, P)` or `(R, P, P)`, made symmetric.

        Raises:
            NotImplementedError: the objective has no `hessian_product`.
            MemoryError: it would not fit; the message gives its size.
        """
        self._require(Offers.HESSIAN)
        return dense("Hessian", self.hessian_product, w)

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        """`J' H_L J v`: `J` the Jacobian of the outputs, `H_L` the Hessian of the divergence in them.

        Raises:
            NotImplementedError: the objective has no such product, and no residuals.
        """
        self._require(Offers.GAUSS_NEWTON_PRODUCT)
        if Offers.JACOBIAN in self.offers:
            J = self.jacobian(w)
            return _times(J.mT, _times(J, v))
        return _times(self.gauss_newton(w), v)

    def gauss_newton(self, w: Vector) -> Matrix:
        """The Gauss-Newton matrix, dense: `(P, P)` or `(R, P, P)`, made symmetric.

        Raises:
            NotImplementedError: the objective has no `gauss_newton_product`, and no residuals.
            MemoryError: it would not fit; the message gives its size.
        """
        self._require(Offers.GAUSS_NEWTON)
        if Offers.NORMAL_EQUATIONS in self.offers:
            return self.normal_equations(w)[2]
        return dense("Gauss-Newton matrix", self.gauss_newton_product, w)

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
        r, J = self.residuals(w), self.jacobian(w)
        return 0.5 * (r[..., None, :] @ r[..., None])[..., 0, 0], _times(J.mT, r), J.mT @ J

    def subset(self, samples: Array) -> Objective:
        """The objective on some of its samples, given by their numbers.

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

    def _require(self, offer: Offers) -> None:
        if offer not in self.offers:
            raise self._lacking(offer)

    def _lacking(self, offer: Offers) -> NotImplementedError:
        hint = "; xpnet.difference_hessian gives one by differences" if offer is Offers.HESSIAN else ""
        return NotImplementedError(f"{type(self).__name__} has no {offer.method}{hint}")


def _defined(kind: type[Objective]) -> Offers:
    """The optional methods that a class defines itself."""
    own = [offer for offer in Offers if getattr(kind, offer.method) is not getattr(Objective, offer.method)]
    return functools.reduce(operator.or_, own, Offers.NOTHING)


def _times(matrix: Matrix, v: Vector) -> Vector:
    return (matrix @ v[..., None])[..., 0]


def require(objective: Objective, offer: Offers, what: str) -> None:
    """Raises TypeError unless `objective` offers what `what` needs."""
    if offer not in objective.offers:
        name = type(objective).__name__
        raise TypeError(f"objective must have a {offer.method} for {what}; {name} has none")


def require_memory(name: str, w: Array, *shape: int, copies: int = 2) -> None:
    """Raises MemoryError if arrays of `shape`, one for each replica of `w`, would not fit in memory."""
    backend = backend_of(w)
    size = w.shape[0] if w.ndim > 1 else 1
    for length in shape:
        size *= length
    needed = copies * size * (8 if w.dtype == backend.xp.float64 else 4)
    free = backend.free_memory()
    if needed > MEMORY_FRACTION * free:
        raise MemoryError(
            f"the {name}, {' x '.join(map(str, shape))}, needs {needed / 1e9:.3g} GB with what is needed "
            f"to work on it, more than {MEMORY_FRACTION:g} of the {free / 1e9:.3g} GB that are free; "
            "matrix-free methods such as NewtonCG or LBFGS do without it"
        )


def dense(name: str, product: object, w: Array) -> Array:
    """The symmetric matrix whose products with vectors `product(w, v)` gives, of all replicas of `w`."""
    size = w.shape[-1]
    require_memory(name, w, size, size)
    backend = backend_of(w)
    xp = backend.xp
    with backend.quiet():
        matrix = xp.empty((size, *w.shape), dtype=w.dtype, device=backend.device)
        step = max(1, BLOCK // w.size)
        for start in range(0, size, step):
            count = min(step, size - start)
            rows = xp.eye(count, size, k=start, dtype=w.dtype, device=backend.device)
            if w.ndim > 1:
                rows = xp.broadcast_to(rows[:, None, :], (count, *w.shape))
            matrix[start : start + count, ...] = product(w, rows)  # type: ignore[operator]
        matrix = matrix if w.ndim == 1 else xp.moveaxis(matrix, 0, 1)
        return 0.5 * (matrix + matrix.mT)


def difference_hessian(objective: Objective, w: Array) -> Array:
    """The Hessian by central differences of gradients, `h_i = eps^(1/3) (1 + |w_i|)`: a check of the exact.

    `(P, P)` or `(R, P, P)`, made symmetric; its error is about `eps^(2/3)`.

    Raises:
        MemoryError: it would not fit; the message gives its size.
    """
    size = w.shape[-1]
    require_memory("Hessian", w, size, size)
    backend = backend_of(w)
    xp = backend.xp
    matrix = xp.empty((size, *w.shape), dtype=w.dtype, device=backend.device)
    steps = float(xp.finfo(w.dtype).eps) ** (1 / 3) * (1.0 + xp.abs(w))
    for k in range(size):
        ends = []
        for sign in (1.0, -1.0):
            moved = xp.asarray(w, copy=True)
            moved[..., k] += sign * steps[..., k]
            ends.append((moved[..., k], objective.value_and_gradient(moved)[1]))
        (high, above), (low, below) = ends
        matrix[k, ...] = (above - below) / (high - low)[..., None]
    matrix = matrix if w.ndim == 1 else xp.moveaxis(matrix, 0, 1)
    return 0.5 * (matrix + matrix.mT)


def check_direction(backend: Backend, w: Vector, v: Vector) -> None:
    """Raises unless `v` is like `w`, or several such, on one more axis in front."""
    backend.check("v", v, w.dtype)
    shape = tuple(w.shape)
    if tuple(v.shape) != shape and tuple(v.shape[1:]) != shape:
        raise ValueError(f"v must be {shape} like w, or (K, *{shape}), got shape {tuple(v.shape)}")
