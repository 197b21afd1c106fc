"""Analysis of training: how fast it converges, what surface it walks on, and what it has learnt.

What a function here returns holds the numbers, on the host; `xpnet.plotting` draws them.
"""

from .bands import Band, band
from .boundaries import boundary_angle
from .convergence import Axis, axes, convergence_rates, sublinear_bound
from .critical import CriticalPoints, critical_points
from .curvature import Density, Spectrum, hessian_density, hessian_spectrum
from .frames import Frame, coordinate_frame, frame_through, path_frame, random_frame
from .landscape import Line, Plane, between, line, plane
from .linear_network import LinearNetwork, linear_network
from .outcomes import outcome
from .rates import condition_number, optimal_rate
from .regions import Regions, decision_regions

__all__ = [
    "Axis",
    "Band",
    "CriticalPoints",
    "Density",
    "Frame",
    "Line",
    "LinearNetwork",
    "Plane",
    "Regions",
    "Spectrum",
    "axes",
    "band",
    "between",
    "boundary_angle",
    "condition_number",
    "convergence_rates",
    "coordinate_frame",
    "critical_points",
    "decision_regions",
    "frame_through",
    "hessian_density",
    "hessian_spectrum",
    "line",
    "linear_network",
    "LinearNetwork",
    "optimal_rate",
    "outcome",
    "path_frame",
    "plane",
    "random_frame",
    "sublinear_bound",
]
