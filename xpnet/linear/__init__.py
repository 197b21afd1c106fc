"""Linear algebra with matrices that are known only by their products with vectors.

`product(v)` gives `A v` for a symmetric `A`; `v` is `(P,)`, or `(R, P)` where each of R rows has a matrix
of its own. Dense linear algebra would need P^2 numbers; these methods need a few vectors.
"""

from .solve import Solution, conjugate_gradient
from .spectrum import Extremes, extreme_eigenvalues, lanczos, probes, ritz, spectral_density, trace
from .vectors import dot, norm

__all__ = [
    "conjugate_gradient",
    "dot",
    "extreme_eigenvalues",
    "Extremes",
    "lanczos",
    "norm",
    "probes",
    "ritz",
    "Solution",
    "spectral_density",
    "trace",
]
