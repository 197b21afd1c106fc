"""xpnet: feed-forward networks trained by the full gradient of their empirical risk.

The names below are the public interface; README.md shows them at work. Importing xpnet imports NumPy,
array-api-compat and the standard library only.
"""

from . import optimizers, schedules
from .backend import Backend, BackendError, backend
from .divergences import (
    BinaryCrossEntropy,
    CrossEntropy,
    Divergence,
    KullbackLeibler,
    SquaredError,
)
from .elementwise import Elementwise, TraceError, elementwise
from .layers import Activation, Dense, ElementwiseActivation, Layer
from .layers.activations import leaky_relu
from .network import Network
from .objectives import L1, L2, EmpiricalRisk, Objective, Penalty, Quadratic
from .optimizers import (
    Adadelta,
    Adagrad,
    Adam,
    FirstOrder,
    GradientDescent,
    Momentum,
    Nesterov,
    Optimizer,
    QuickProp,
    Record,
    RMSprop,
    Rprop,
)
from .parameters import Initialiser, Layout, uniform
from .stopping import (
    after,
    change_below,
    gradient_below,
    patience,
    time_limit,
    value_below,
)
from .training import History, NonFiniteError, Run, iterate, minimize

__all__ = [
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "after",
    "Backend",
    "backend",
    "BackendError",
    "BinaryCrossEntropy",
    "change_below",
    "CrossEntropy",
    "Dense",
    "Divergence",
    "elementwise",
    "Elementwise",
    "ElementwiseActivation",
    "EmpiricalRisk",
    "FirstOrder",
    "gradient_below",
    "GradientDescent",
    "History",
    "Initialiser",
    "iterate",
    "KullbackLeibler",
    "L1",
    "L2",
    "Layer",
    "Layout",
    "leaky_relu",
    "minimize",
    "Momentum",
    "Nesterov",
    "Network",
    "NonFiniteError",
    "Objective",
    "Optimizer",
    "optimizers",
    "patience",
    "Penalty",
    "Quadratic",
    "QuickProp",
    "Record",
    "RMSprop",
    "Rprop",
    "Run",
    "schedules",
    "SquaredError",
    "time_limit",
    "TraceError",
    "uniform",
    "value_below",
]
