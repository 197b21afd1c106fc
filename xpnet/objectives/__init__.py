"""Objectives: functions of a flat vector that an optimizer can minimize."""

from .base import Objective, difference_hessian
from .least_squares import LeastSquares
from .penalties import L1, L2, Penalty
from .problems import PROBLEMS, Problem
from .quadratic import Quadratic
from .risk import EmpiricalRisk
from .threshold import ThresholdUnit

__all__ = [
    "L1",
    "L2",
    "PROBLEMS",
    "EmpiricalRisk",
    "LeastSquares",
    "Objective",
    "Penalty",
    "Problem",
    "Quadratic",
    "ThresholdUnit",
    "difference_hessian",
]
