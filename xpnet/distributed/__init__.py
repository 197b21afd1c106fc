"""Training on many processes: each holds some of the samples, and their sums are added over all of them."""

from .base import ALONE, Communicator, RankError
from .select import communicator

__all__ = ["ALONE", "Communicator", "RankError", "communicator"]
