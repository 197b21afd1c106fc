"""Checks of derivatives, for the layers, activations, divergences and objectives that users write.

Each compares derivatives with central differences, first ones and second ones, and raises an
AssertionError that names the worst place. Functions with a kink, such as relu at 0, must be checked away
from it.
"""

from .gradients import check_gradient
from .layers import check_layer
from .parts import check_activation, check_divergence

__all__ = ["check_activation", "check_divergence", "check_gradient", "check_layer"]
