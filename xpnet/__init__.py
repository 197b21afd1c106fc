"""xpnet: feed-forward networks trained by the full gradient of their empirical risk.

The names below are the public interface; README.md shows them at work. Importing xpnet imports NumPy,
array-api-compat and the standard library only.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import analysis, linear, optimizers
from .device.arrays import Array, Matrix, Namespace, Samples, Scalar, Units, Vector
from .device.backend import Backend, BackendError
from .device.select import backend
from .divergences import (
    BinaryCrossEntropy,
    CrossEntropy,
    Divergence,
    KullbackLeibler,
    SquaredError,
    ThresholdSquaredError,
)
from .glossary import missing as _missing
from .layers import (
    Accumulate,
    Activation,
    Dense,
    Dropout,
    ElementwiseActivation,
    Layer,
    LayerNorm,
    RandomLayer,
)
from .layers.activations import leaky_relu
from .network import Network
from .objectives import (
    L1,
    L2,
    EmpiricalRisk,
    Formula,
    LeastSquares,
    Objective,
    Offers,
    Penalty,
    Quadratic,
    Scaled,
    SumOfSquares,
    ThresholdUnit,
    difference_hessian,
)
from .optimizers import (
    BFGS,
    LBFGS,
    Adadelta,
    Adagrad,
    Adam,
    Backtracking,
    Descent,
    Exact,
    FirstOrder,
    Fixed,
    GaussNewton,
    GradientDescent,
    LevenbergMarquardt,
    LineSearch,
    Lion,
    Minibatch,
    Momentum,
    NAdam,
    Nesterov,
    Newton,
    NewtonCG,
    NonlinearCG,
    Optimizer,
    Outcome,
    Perceptron,
    Projected,
    QuickProp,
    RAdam,
    Record,
    RMSprop,
    Rprop,
    Search,
    SteepestDescent,
    StrongWolfe,
    TrustRegion,
    schedules,
)
from .parameters import Initializer, Layout, uniform
from .problems import PROBLEMS, Problem
from .rules import Elementwise, Samplewise, TraceError, elementwise, samplewise
from .storage import Saved, StorageError, load, save
from .training import (
    Begun,
    Callback,
    Checkpoint,
    CSVLog,
    History,
    NonFiniteError,
    Run,
    Step,
    TensorBoard,
    Watcher,
    iterate,
    minimize,
)
from .training.stopping import (
    after,
    change_below,
    evaluations,
    gradient_below,
    patience,
    time_limit,
    value_below,
)
from .version import version as _version

if TYPE_CHECKING:
    from . import export as export

    __version__: str

__all__ = [
    "Accumulate",
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "after",
    "analysis",
    "Array",
    "Backend",
    "backend",
    "BackendError",
    "Backtracking",
    "Begun",
    "BFGS",
    "BinaryCrossEntropy",
    "Callback",
    "change_below",
    "Checkpoint",
    "CrossEntropy",
    "CSVLog",
    "Dense",
    "Descent",
    "difference_hessian",
    "Divergence",
    "Dropout",
    "Elementwise",
    "elementwise",
    "ElementwiseActivation",
    "EmpiricalRisk",
    "evaluations",
    "Exact",
    "FirstOrder",
    "Fixed",
    "Formula",
    "GaussNewton",
    "gradient_below",
    "GradientDescent",
    "History",
    "Initializer",
    "iterate",
    "KullbackLeibler",
    "L1",
    "L2",
    "Layer",
    "LayerNorm",
    "Layout",
    "LBFGS",
    "leaky_relu",
    "LeastSquares",
    "LevenbergMarquardt",
    "linear",
    "LineSearch",
    "Lion",
    "load",
    "Matrix",
    "Minibatch",
    "minimize",
    "Momentum",
    "NAdam",
    "Namespace",
    "Nesterov",
    "Network",
    "Newton",
    "NewtonCG",
    "NonFiniteError",
    "NonlinearCG",
    "Objective",
    "Offers",
    "Optimizer",
    "optimizers",
    "Outcome",
    "patience",
    "Penalty",
    "Perceptron",
    "Problem",
    "PROBLEMS",
    "Projected",
    "Quadratic",
    "QuickProp",
    "RAdam",
    "RandomLayer",
    "Record",
    "RMSprop",
    "Rprop",
    "Run",
    "Samples",
    "Samplewise",
    "samplewise",
    "save",
    "Saved",
    "Scalar",
    "Scaled",
    "schedules",
    "Search",
    "SquaredError",
    "SteepestDescent",
    "StorageError",
    "Step",
    "StrongWolfe",
    "SumOfSquares",
    "TensorBoard",
    "ThresholdSquaredError",
    "ThresholdUnit",
    "time_limit",
    "TraceError",
    "TrustRegion",
    "uniform",
    "Units",
    "value_below",
    "Vector",
    "Watcher",
]


def _attribute(name: str) -> Any:
    if name == "__version__":  # only looked up where it is asked for
        return _version()
    if name in ("export", "lab", "plotting", "sklearn", "testing"):
        return importlib.import_module(f".{name}", __name__)
    raise _missing(f"module {__name__!r}", name)


globals()["__getattr__"] = _attribute  # unseen by who checks types, and so finds names that are not there
