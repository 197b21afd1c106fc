"""What pure functions of a namespace do to arrays, recorded once and done again as a flat list of calls.

`Recording` is a namespace, as that of dual numbers is, and `Recorded` its array. Both are for the host. On
CuPy a `StepGraph` is recorded under the same conditions: memory that stays where it is, and no branch of
the host on a number of an array.
"""

from .memory import Memory
from .namespace import Recording
from .recorded import NotRecordable, Recorded
from .replay import Differs, Function, Replay
from .step import Place, Ring, Rows, Slots, StepGraph
from .tape import Tape

__all__ = [
    "Differs",
    "Function",
    "Memory",
    "NotRecordable",
    "Place",
    "Recorded",
    "Recording",
    "Replay",
    "Ring",
    "Rows",
    "Slots",
    "StepGraph",
    "Tape",
]
