"""Analysis of training: so far, how fast it converges."""

from .convergence import Axis, axes, convergence_rates, sublinear_bound

__all__ = ["Axis", "axes", "convergence_rates", "sublinear_bound"]
