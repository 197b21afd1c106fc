"""Optimizers: frozen settings; all that changes lies in `w` and in a plain dict of state."""

from types import MappingProxyType
from typing import Literal

from .adam import Adam, Lion, NAdam, RAdam
from .adaptive import Adadelta, Adagrad, RMSprop
from .base import FirstOrder, Optimizer, Record
from .descent import Descent
from .first_order import GradientDescent, Momentum, Nesterov
from .gain_ratio import GainRatio
from .gradients import NonlinearCG, SteepestDescent
from .levenberg_marquardt import LevenbergMarquardt
from .line_search import Backtracking, LineSearch
from .minibatch import Minibatch
from .newton import GaussNewton, Newton, NewtonCG
from .outcome import Ending, Outcome
from .perceptron import Perceptron
from .projected import Projected
from .quasi_newton import BFGS, LBFGS
from .searches import Exact, Fixed, Search
from .signs import QuickProp, Rprop
from .trust_region import TrustRegion
from .wolfe import StrongWolfe

# what `minimize` takes by name, with default settings
NAMES = MappingProxyType(
    {
        "gradient descent": GradientDescent(),
        "momentum": Momentum(),
        "nesterov": Nesterov(),
        "rprop": Rprop(),
        "quickprop": QuickProp(),
        "rmsprop": RMSprop(),
        "adagrad": Adagrad(),
        "adam": Adam(),
        "adamw": Adam(weight_decay=0.01),
        "amsgrad": Adam(amsgrad=True),
        "nadam": NAdam(),
        "radam": RAdam(),
        "lion": Lion(),
        "adadelta": Adadelta(),
        "steepest descent": SteepestDescent(),
        "cg": NonlinearCG(),
        "cg-hz": NonlinearCG("HZ"),
        "bfgs": BFGS(),
        "lbfgs": LBFGS(),
        "newton": Newton(),
        "newton-cg": NewtonCG(),
        "trust-region": TrustRegion(),
        "trust-region-cg": TrustRegion("cg"),
        "gauss-newton": GaussNewton(),
        "levenberg-marquardt": LevenbergMarquardt(),
        "perceptron": Perceptron(),
    }
)

OptimizerName = Literal[
    "gradient descent",
    "momentum",
    "nesterov",
    "rprop",
    "quickprop",
    "rmsprop",
    "adagrad",
    "adam",
    "adamw",
    "amsgrad",
    "nadam",
    "radam",
    "lion",
    "adadelta",
    "steepest descent",
    "cg",
    "cg-hz",
    "bfgs",
    "lbfgs",
    "newton",
    "newton-cg",
    "trust-region",
    "trust-region-cg",
    "gauss-newton",
    "levenberg-marquardt",
    "perceptron",
]

__all__ = [
    "BFGS",
    "LBFGS",
    "NAMES",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Backtracking",
    "Descent",
    "Ending",
    "Exact",
    "FirstOrder",
    "Fixed",
    "GainRatio",
    "GaussNewton",
    "GradientDescent",
    "LevenbergMarquardt",
    "LineSearch",
    "Lion",
    "Minibatch",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Newton",
    "NewtonCG",
    "NonlinearCG",
    "Optimizer",
    "OptimizerName",
    "Outcome",
    "Perceptron",
    "Projected",
    "QuickProp",
    "RAdam",
    "RMSprop",
    "Record",
    "Rprop",
    "Search",
    "SteepestDescent",
    "StrongWolfe",
    "TrustRegion",
]
