"""The empirical risk of a network."""

from .penalties import L1, L2, Penalty
from .risk import EmpiricalRisk

__all__ = ["L1", "L2", "EmpiricalRisk", "Penalty"]
