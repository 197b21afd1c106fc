"""Analysis of training: how fast it converges, and what the curvature says of that."""

from .convergence import Axis, axes, convergence_rates, sublinear_bound
from .linear_network import LinearNetwork, linear_network
from .rates import condition_number, optimal_rate

__all__ = [
    "Axis",
    "LinearNetwork",
    "axes",
    "condition_number",
    "convergence_rates",
    "linear_network",
    "optimal_rate",
    "sublinear_bound",
]
