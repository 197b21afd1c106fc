"""Objectives: functions of a flat vector that an optimizer can minimize."""

from .base import Negative, Objective, SumOfSquares
from .differences import difference_hessian
from .formula import Formula
from .least_squares import LeastSquares
from .offers import Offers
from .quadratic import Quadratic
from .risk import L1, L2, EmpiricalRisk, Penalty
from .scaled import Scaled
from .threshold import ThresholdUnit

__all__ = [
    "L1",
    "L2",
    "EmpiricalRisk",
    "Formula",
    "LeastSquares",
    "Negative",
    "Objective",
    "Offers",
    "Penalty",
    "Quadratic",
    "Scaled",
    "SumOfSquares",
    "ThresholdUnit",
    "difference_hessian",
]
