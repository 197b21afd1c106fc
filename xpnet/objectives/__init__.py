"""Objectives: functions of a flat vector that an optimizer can minimize."""

from .base import Objective
from .penalties import L1, L2, Penalty
from .quadratic import Quadratic
from .risk import EmpiricalRisk

__all__ = ["L1", "L2", "EmpiricalRisk", "Objective", "Penalty", "Quadratic"]
