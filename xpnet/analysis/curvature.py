"""The curvature of an objective at a point: eigenvalues of its Hessian, and their density."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from .. import checks
from ..device.arrays import Array, Vector
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from ..linear import lanczos, probes, ritz, spectral_density
from ..linear.arguments import Product
from ..objectives import Objective, Offers
from ..objectives.base import require
from ..objectives.matrices import point_backend

EXACT = 1024  # up to so many parameters all eigenvalues are found

Curvature = Literal["hessian", "gauss-newton"]
CURVATURES: tuple[Curvature, ...] = ("hessian", "gauss-newton")


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """Eigenvalues of a Hessian or Gauss-Newton matrix.

    Attributes:
        eigenvalues: `(k,)`, ascending, in float64: all P of them; or where `exact` is False those at both
            ends that Lanczos's method has found, each once, however often it occurs.
        bounds: on the error of each, `(k,)`: `|A x - theta x|`, and at least rounding.
        size: P.
        exact: whether all were found.
        curvature: "hessian" or "gauss-newton".
    """

    eigenvalues: Array
    bounds: Array
    size: int
    exact: bool
    curvature: Curvature

    def __repr__(self) -> str:
        count = f"{self.eigenvalues.size} of {self.size}"
        return f"Spectrum({self.curvature}, {_extent(self.eigenvalues)}, {count})"


@dataclass(frozen=True, eq=False, repr=False)
class Density:
    """The density of the eigenvalues of a Hessian or Gauss-Newton matrix.

    Attributes:
        grid: eigenvalues, `(points,)`, ascending, in float64.
        density: there, `(points,)`, which integrates to 1.
        size: P, so that `size * density` counts eigenvalues.
        curvature: "hessian" or "gauss-newton".
    """

    grid: Array
    density: Array
    size: int
    curvature: Curvature

    def __repr__(self) -> str:
        return f"Density({self.curvature}, {_extent(self.grid)}, {self.size} parameters)"


def _extent(ascending: Array) -> str:
    return f"from {float(ascending[0]):.4g} to {float(ascending[-1]):.4g}"


def hessian_spectrum(
    objective: Objective,
    w: Vector,
    *,
    curvature: Curvature = "hessian",
    exact: bool | None = None,
    steps: int = 100,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> Spectrum:
    """The eigenvalues of the Hessian at `w`: all of a small one, those at the ends of a large one.

    Args:
        objective: that has Hessian products, or Gauss-Newton products.
        w: `(P,)`.
        curvature: "hessian" or "gauss-newton".
        exact: whether to find all, in `O(P^3)`; by default up to 1024 parameters.
        steps: of Lanczos's method, with a vector of P numbers each, where not all are found.
        tolerance: to what part of the largest absolute value an eigenvalue at the ends must be known; the
            largest and smallest are always there, with their bounds.
        seed: of the vector that Lanczos's method starts from.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range; an objective without such
            products; a matrix that is not finite.
        MemoryError: the matrix, or the vectors of Lanczos's method, would not fit.

    >>> import numpy as np
    >>> from xpnet import Quadratic
    >>> from xpnet.analysis import hessian_spectrum
    >>> hessian_spectrum(Quadratic(np.diag([3.0, -1.0])), np.zeros(2)).eigenvalues.tolist()
    [-1.0, 3.0]
    """
    backend, product = _product(objective, w, curvature)
    if exact is not None:
        exact = checks.flag("exact", exact)
    steps = checks.count("steps", steps)
    tolerance = checks.number("tolerance", tolerance, 0.0)
    start = probes(w, 1, seed=seed, kind="normal")[0, :]
    host, xp, size = choose_backend("numpy"), backend.xp, int(w.shape[0])
    epsilon = float(xp.finfo(w.dtype).eps)
    whole = size <= EXACT if exact is None else exact
    if whole:
        matrix = objective.hessian(w) if curvature == "hessian" else objective.gauss_newton(w)
        with backend.working():
            checks.finite(xp, f"the matrix of curvature {curvature!r}", matrix)
            found = host.asarray(backend.to_numpy(xp.linalg.eigvalsh(matrix)), "float64")
        greatest = float(host.xp.max(host.xp.abs(found)))
        return Spectrum(found, host.xp.full_like(found, epsilon * greatest), size, True, curvature)
    steps = min(steps, size)
    backend.require_room("steps", steps, 3 * steps * size)
    diagonal, beside, _ = lanczos(product, start, steps)
    values, modes = ritz(diagonal, beside)
    found = host.asarray(backend.to_numpy(values), "float64")
    last = host.asarray(backend.to_numpy(modes[-1, :]), "float64")
    greatest = float(host.xp.max(host.xp.abs(found)))
    bounds = host.xp.maximum(host.xp.abs(float(beside[-1]) * last), epsilon * greatest)
    kept = bounds <= max(tolerance, epsilon) * greatest
    kept[0] = kept[-1] = True
    return Spectrum(found[kept], bounds[kept], size, False, curvature)


def hessian_density(
    objective: Objective,
    w: Vector,
    *,
    curvature: Curvature = "hessian",
    count: int = 4,
    steps: int = 80,
    points: int = 400,
    width: float | None = None,
    seed: int = 0,
) -> Density:
    """The density of the eigenvalues of the Hessian at `w`, by stochastic Lanczos quadrature.

    Args:
        objective, w, curvature: as for `hessian_spectrum`.
        count: of random vectors, whose quadratures are averaged.
        steps: of Lanczos's method for each, with a vector of P numbers each.
        points, width: as for `xpnet.linear.spectral_density`.
        seed: of the random vectors.

    Raises:
        TypeError, ValueError, MemoryError: as `hessian_spectrum`, and `xpnet.linear.spectral_density`.
    """
    backend, product = _product(objective, w, curvature)
    steps = min(checks.count("steps", steps), int(w.shape[0]))
    vectors = probes(w, count, seed=seed)
    backend.require_room("steps", steps, 3 * steps * vectors.size)
    grid, density = spectral_density(product, vectors, steps, points=points, width=width)
    host = choose_backend("numpy")
    own, drawn = (host.asarray(backend.to_numpy(numbers), "float64") for numbers in (grid, density))
    return Density(own, drawn, int(w.shape[0]), curvature)


def _product(objective: Objective, w: Vector, curvature: Curvature) -> tuple[Backend, Product]:
    checks.instance("objective", objective, Objective, "an Objective")
    curvature = checks.choice("curvature", curvature, CURVATURES)
    hessian = curvature == "hessian"
    offer = Offers.HESSIAN_PRODUCT if hessian else Offers.GAUSS_NEWTON_PRODUCT
    require(objective, offer, f"curvature {curvature!r}")
    backend = point_backend(w, objective.backend)
    if w.ndim != 1:
        raise ValueError(f"w must be (P,), one point, got shape {tuple(w.shape)}")
    with backend.quiet():
        checks.finite(backend.xp, "w", w)
    return backend, partial(objective.hessian_product if hessian else objective.gauss_newton_product, w)
