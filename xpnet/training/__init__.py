"""Training: `iterate` step by step, `minimize` to the end; when to stop, and what comes back."""

from .minimize import History, NonFiniteError, Run, iterate, minimize

__all__ = ["History", "NonFiniteError", "Run", "iterate", "minimize"]
