"""Rules written once: `@elementwise` and `@samplewise`, and what they run on."""

from .elementwise import Elementwise, elementwise
from .operations import OPERATIONS
from .samplewise import Samplewise, samplewise
from .trace import TraceError

__all__ = ["OPERATIONS", "Elementwise", "Samplewise", "TraceError", "elementwise", "samplewise"]
