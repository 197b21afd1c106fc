"""Analysis of training: how fast it converges, and what the curvature says of that."""

from .convergence import Axis, axes, convergence_rates, sublinear_bound
from .rates import condition_number, optimal_rate

__all__ = [
    "Axis",
    "axes",
    "condition_number",
    "convergence_rates",
    "optimal_rate",
    "sublinear_bound",
]
