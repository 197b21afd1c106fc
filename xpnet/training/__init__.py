"""Training: `iterate` step by step, `minimize` to the end; when to stop, and what comes back."""

from .iterate import iterate
from .loop import NonFiniteError
from .minimize import minimize
from .run import History, Look, Run

__all__ = ["History", "Look", "NonFiniteError", "Run", "iterate", "minimize"]
