"""Optimizers: frozen settings; all that changes lies in `w` and in a plain dict of state."""

from .adaptive import Adadelta, Adagrad, Adam, RMSprop
from .base import FirstOrder, Optimizer, Record
from .first_order import GradientDescent, Momentum, Nesterov
from .signs import QuickProp, Rprop

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "FirstOrder",
    "GradientDescent",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "QuickProp",
    "RMSprop",
    "Record",
    "Rprop",
]
