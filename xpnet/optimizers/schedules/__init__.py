"""Learning rates that change from step to step.

Wherever an optimizer takes a `rate`, it may be a number; an array with one rate for each replica,
`(R, 1)`, or for each parameter, `(P,)`, the same for all replicas (the shapes differ where R = P too); a
`Schedule`; or any callable from the step's number, 0 for the first, to a rate.
"""

from .base import Schedule
from .cycles import Cyclic, OneCycle
from .formulas import (
    Constant,
    Cosine,
    ExponentialDecay,
    Lambda,
    LinearDecay,
    MultiStep,
    Polynomial,
    QuadraticDecay,
    Restarts,
    Step,
    WarmUp,
)
from .plateau import Plateau
from .rates import Rate, as_schedule, checked_rate, checked_schedule
from .saved import KINDS, from_dict, to_dict

__all__ = [
    "KINDS",
    "Constant",
    "Cosine",
    "Cyclic",
    "ExponentialDecay",
    "Lambda",
    "LinearDecay",
    "MultiStep",
    "OneCycle",
    "Plateau",
    "Polynomial",
    "QuadraticDecay",
    "Rate",
    "Restarts",
    "Schedule",
    "Step",
    "WarmUp",
    "as_schedule",
    "checked_rate",
    "checked_schedule",
    "from_dict",
    "to_dict",
]
