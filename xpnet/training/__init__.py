"""Training: `iterate` step by step, `minimize` to the end; when to stop, and what comes back."""

from ..run import History, Look, Run
from .callbacks import Begun, Callback, CSVLog, Step, TensorBoard, Watcher
from .checkpoint import Checkpoint
from .iterate import iterate
from .loop import NonFiniteError
from .minimize import minimize

__all__ = [
    "Begun",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "History",
    "Look",
    "NonFiniteError",
    "Run",
    "Step",
    "TensorBoard",
    "Watcher",
    "iterate",
    "minimize",
]
