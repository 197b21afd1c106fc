"""Optimizers: frozen settings; all that changes lies in `w` and in a plain dict of state."""

from .base import Optimizer, Record
from .first_order import GradientDescent, Momentum, Nesterov

__all__ = ["GradientDescent", "Momentum", "Nesterov", "Optimizer", "Record"]
