"""Optimizers: frozen settings; all that changes lies in `w` and in a plain dict of state."""

from types import MappingProxyType

from .adaptive import Adadelta, Adagrad, Adam, RMSprop
from .base import FirstOrder, Optimizer, Record
from .descent import Descent
from .first_order import GradientDescent, Momentum, Nesterov
from .gradients import NonlinearCG, SteepestDescent
from .line_search import Backtracking, LineSearch
from .minibatch import Minibatch
from .newton import GaussNewton, Newton, NewtonCG
from .outcome import Ending, Outcome
from .perceptron import Perceptron
from .quasi_newton import BFGS, LBFGS
from .searches import Exact, Fixed, Search
from .signs import QuickProp, Rprop
from .trust import GainRatio, LevenbergMarquardt, TrustRegion
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
        "adamw": Adam(decay=0.01),
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
    "Minibatch",
    "Momentum",
    "Nesterov",
    "Newton",
    "NewtonCG",
    "NonlinearCG",
    "Optimizer",
    "Outcome",
    "Perceptron",
    "QuickProp",
    "RMSprop",
    "Record",
    "Rprop",
    "Search",
    "SteepestDescent",
    "StrongWolfe",
    "TrustRegion",
]
