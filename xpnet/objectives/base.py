"""What an optimizer asks of the function it minimizes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..backend import Array, backend_of

MEMORY_FRACTION = 0.5  # of the free memory that dense matrices may take
BLOCK = 2**22  # numbers in a block of directions whose products are taken at once


class Objective(ABC):
    """A differentiable function of `w`, `(P,)`; or of `R` replicas at once, `(R, P)`.

    A subclass defines `value` and `value_and_gradient`, which `xpnet.testing.check_gradient` tests; and
    what it has of the rest: each raises an error that names it where it is missing.

    Attributes:
        squares: whether the value is half the sum of the squares of `residuals`.
        samples: how many there are to choose a `subset` from; 0 if none.
        random: whether something in it is drawn at random, which `redraw` draws anew.
    """

    squares: bool = False
    samples: int = 0
    random: bool = False

    @abstractmethod
    def value(self, w: Array) -> Array:
        """The value at `w`: 0-d, or `(R,)`."""

    @abstractmethod
    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        """The value at `w`, and the gradient, a new array of the shape and dtype of `w`."""

    def hessian_product(self, w: Array, v: Array) -> Array:
        """`H v` with the Hessian `H` at `w`; `v` has the shape of `w`, or one more axis in front.

        Raises:
            NotImplementedError: the objective has no such product.
        """
        raise NotImplementedError(f"{type(self).__name__} has no hessian_product")

    def gauss_newton_product(self, w: Array, v: Array) -> Array:
        """`J' H_L J v`: `J` the Jacobian of the outputs, `H_L` the Hessian of the divergence in them.

        Raises:
            NotImplementedError: the objective has no such product.
        """
        raise NotImplementedError(f"{type(self).__name__} has no gauss_newton_product")

    def residuals(self, w: Array) -> Array:
        """`r(w)`, `(N,)` or `(R, N)`, where the value is `1/2 r'r`.

        Raises:
            NotImplementedError: the objective is no such sum of squares.
        """
        raise NotImplementedError(f"{type(self).__name__} has no residuals")

    def jacobian(self, w: Array) -> Array:
        """The derivatives of the residuals, `(N, P)` or `(R, N, P)`.

        Raises:
            NotImplementedError: the objective has no residuals.
            MemoryError: it would not fit; the message gives its size.
        """
        raise NotImplementedError(f"{type(self).__name__} has no jacobian")

    def normal_equations(self, w: Array) -> tuple[Array, Array, Array]:
        """The value, the gradient `J'r`, and `J'J`, without holding the whole `J`.

        Raises:
            NotImplementedError: the objective has no residuals.
            MemoryError: `J'J` would not fit; the message gives its size.
        """
        raise NotImplementedError(f"{type(self).__name__} has no normal_equations")

    def subset(self, samples: Array) -> Objective:
        """The objective on some of its samples, given by their numbers.

        Raises:
            NotImplementedError: the objective has no samples.
        """
        raise NotImplementedError(f"{type(self).__name__} has no samples to choose from")

    def redraw(self, draw: int) -> Objective:
        """The objective with another draw of what is random in it; it is 0 at first.

        Raises:
            NotImplementedError: nothing is random in the objective.
        """
        raise NotImplementedError(f"{type(self).__name__} has nothing random to draw anew")

    def hessian(self, w: Array) -> Array:
        """The Hessian, dense: `(P, P)` or `(R, P, P)`, made symmetric.

        Raises:
            NotImplementedError: the objective has no `hessian_product`.
            MemoryError: it would not fit; the message gives its size.
        """
        return dense("Hessian", self.hessian_product, w)

    def gauss_newton(self, w: Array) -> Array:
        """The Gauss-Newton matrix, dense: `(P, P)` or `(R, P, P)`, made symmetric.

        Raises:
            NotImplementedError: the objective has no `gauss_newton_product`.
            MemoryError: it would not fit; the message gives its size.
        """
        return dense("Gauss-Newton matrix", self.gauss_newton_product, w)


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
