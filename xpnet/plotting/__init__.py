"""Pictures of training, on matplotlib Axes: each function takes them, or makes some, and returns them.

They draw what `xpnet.analysis` has computed, and compute nothing of their own. They need matplotlib, the
extra `plot`, which is imported when the first picture is drawn.
"""

from .histories import history, overview
from .landscapes import contours, line
from .regions import regions
from .spectra import density, spectrum

__all__ = ["contours", "density", "history", "line", "overview", "regions", "spectrum"]
