"""Divergences of a network's outputs from their targets.

Each is a sum over the output units of one sample; the empirical risk takes the mean over samples. Outputs
are `(..., units, samples)`, targets `(units, samples)`. Each says which outputs it takes, and so above
which activation it may stand.
"""

from types import MappingProxyType
from typing import Literal

from .base import Divergence
from .entropy import BinaryCrossEntropy, CrossEntropy, KullbackLeibler
from .squared_error import SquaredError, ThresholdSquaredError

# what a risk takes by name, with default settings
NAMES = MappingProxyType(
    {
        "squared_error": SquaredError(),
        "cross_entropy": CrossEntropy(),
        "binary_cross_entropy": BinaryCrossEntropy(),
        "kullback_leibler": KullbackLeibler(),
        "threshold_squared_error": ThresholdSquaredError(),
    }
)

DivergenceName = Literal[
    "squared_error", "cross_entropy", "binary_cross_entropy", "kullback_leibler", "threshold_squared_error"
]

__all__ = [
    "NAMES",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Divergence",
    "DivergenceName",
    "KullbackLeibler",
    "SquaredError",
    "ThresholdSquaredError",
]
