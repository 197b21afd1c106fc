"""The lecture as a laboratory: every claim a command, a picture and a number.

`xpnet lab` runs the experiments named here. Each is a module of this package, and can be run by hand too:
`momentum.run(Lab(seed=3))` returns its numbers with what was expected of them, `momentum.draw` draws them.
It needs matplotlib, and some experiments the data of scikit-learn: the extra `lab`.
"""

from ..plotting.style import COLOURS, LINES, MARKS
from .bench import Lab, Result
from .data import circle, components, digits
from .expectations import (
    Expectation,
    Verdict,
    at_least,
    at_most,
    between,
    equal,
    holds,
    reported,
    share,
)
from .pictures import panels

# in the order of the lecture; each name is that of a module beside this one
EXPERIMENTS = (
    "perceptron",
    "spoiler",
    "spoilers",
    "variance",
    "saddles",
    "surface",
    "rates",
    "newton",
    "quasi",
    "decay",
    "signs",
    "momentum",
    "incremental",
    "generalization",
    "race",
)

__all__ = [
    "at_least",
    "at_most",
    "between",
    "circle",
    "COLOURS",
    "components",
    "digits",
    "equal",
    "Expectation",
    "EXPERIMENTS",
    "holds",
    "Lab",
    "LINES",
    "MARKS",
    "panels",
    "reported",
    "Result",
    "share",
    "Verdict",
]
