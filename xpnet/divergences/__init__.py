"""Divergences of a network's outputs from their targets.

Each is a sum over the output units of one sample; the empirical risk takes the mean over samples. Outputs
are `(..., units, samples)`, targets `(units, samples)`. Each says which outputs it takes, and so above
which activation it may stand.
"""

from .base import Divergence
from .entropy import BinaryCrossEntropy, CrossEntropy, KullbackLeibler
from .squared_error import SquaredError, ThresholdSquaredError

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Divergence",
    "KullbackLeibler",
    "SquaredError",
    "ThresholdSquaredError",
]
