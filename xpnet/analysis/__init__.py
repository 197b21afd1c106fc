"""Analysis of training: how fast it converges, what surface it walks on, and what it has learnt.

What a function here returns holds the numbers, on the host; `xpnet.plotting` draws them.
"""

from .bands import Band, band
from .convergence import Axis, axes, convergence_rates, sublinear_bound
from .curvature import Density, Spectrum, hessian_density, hessian_spectrum
from .frames import Frame, coordinate_frame, frame_through, path_frame, random_frame
from .landscape import Line, Plane, between, line, plane
from .regions import Regions, decision_regions

__all__ = [
    "Axis",
    "axes",
    "band",
    "Band",
    "between",
    "convergence_rates",
    "coordinate_frame",
    "decision_regions",
    "Density",
    "Frame",
    "frame_through",
    "hessian_density",
    "hessian_spectrum",
    "line",
    "Line",
    "path_frame",
    "plane",
    "Plane",
    "random_frame",
    "Regions",
    "Spectrum",
    "sublinear_bound",
]
