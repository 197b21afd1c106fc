"""Pictures of an objective along a line, and on a plane with the paths of runs on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..analysis import Line, Plane
from ..analysis.frames import path_coordinates
from ..analysis.landscape import Scale
from .style import COLOURS, LINES, MARKS, SURFACE, axes_or_new, curve, legend, set_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 1000  # levels
MARKED = 15  # the most points of a path that have a mark


def line(
    line: Line,
    ax: Axes | None = None,
    *,
    label: str | None = None,
    scale: Scale = "linear",
    chord: bool = False,
) -> Axes:
    """An objective along a line.

    Args:
        line: what `xpnet.analysis.line` or `between` returns.
        ax: what to draw on, others of the same line perhaps; new if not given.
        label: of the curve; none if not given.
        scale: of the axis beside; "log" becomes linear where a number is not positive.
        chord: whether to draw the chord between both ends too, and say the barrier above it.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
        TypeError, ValueError: an argument of the wrong kind.
    """
    checks.instance("line", line, Line, "a Line, such as xpnet.analysis.line returns")
    scale = checks.choice("scale", scale, Scale)
    chord = checks.flag("chord", chord)
    label = None if label is None else checks.text("label", label)
    axes = axes_or_new(ax)
    values = np.where(np.isfinite(line.values), line.values, np.nan)
    set_scale(axes, scale, [values])
    colour = curve(axes, line.positions, values, label)
    if chord:
        words = f"chord, barrier {line.barrier:.3g}"
        axes.plot(line.positions, line.chord, color=colour, linewidth=1.0, linestyle=":", label=words)
    axes.set(xlabel=line.frame.names[0], ylabel="objective")
    legend(axes)
    return axes


def contours(
    plane: Plane,
    ax: Axes | None = None,
    *,
    paths: Mapping[str, Any] | None = None,
    levels: int = 14,
    scale: Scale = "log",
    bar: bool = True,
) -> Axes:
    """Contours of an objective on a plane, dark where it is small, and paths on them.

    A path is drawn where its points have their nearest point of the plane; a hollow mark is where it
    begins, a full one where it ends.

    Args:
        plane: what `xpnet.analysis.plane` returns.
        ax: what to draw on; new if not given.
        paths: points by the names of their runs, such as `{"Adam": run.history.path}`; of replicas too.
        levels, scale: as for `Plane.levels`.
        bar: whether to put a scale of values beside the picture.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
        TypeError, ValueError: an argument of the wrong kind; a path without points, as a run without
            `keep_path=True` has, or with another number of parameters.

    >>> import numpy as np
    >>> from xpnet import Momentum, Quadratic, after, analysis, minimize, plotting
    >>> bowl = Quadratic(np.diag([1.0, 9.0]))
    >>> run = minimize(bowl, Momentum(0.05), np.ones(2), stop=after(30), keep_path=True)
    >>> frame = analysis.coordinate_frame(run.w, 0, 1)
    >>> plane = analysis.plane(bowl, frame, around=[run.history.path])
    >>> plotting.contours(plane, paths={"momentum": run.history.path}).get_ylabel()
    'w[1]'
    """
    checks.instance("plane", plane, Plane, "a Plane, such as xpnet.analysis.plane returns")
    bar = checks.flag("bar", bar)
    heights = plane.levels(checks.count("levels", levels, 2, MOST), scale)
    found: dict[str, Any] = {}
    named: Mapping[str, Any] = {} if paths is None else paths
    for name, path in checks.instance("paths", named, Mapping, "a mapping of names to paths").items():
        checks.text("each name in paths", name)
        found[name] = path_coordinates(plane.frame, f"paths[{name!r}]", path)
    axes = axes_or_new(ax, size=(6.4, 5.0))
    _surface(axes, plane, heights, bar)
    limits = (plane.x[0], plane.x[-1]), (plane.y[0], plane.y[-1])
    for number, (name, points) in enumerate(found.items()):
        for replica in range(points.shape[1]):
            _path(axes, points[:, replica, :], number, name if replica == 0 else f"_{name}")
    axes.set(xlabel=plane.frame.names[0], ylabel=plane.frame.names[1], xlim=limits[0], ylim=limits[1])
    if found:
        axes.legend()
    return axes


def _surface(axes: Any, plane: Plane, heights: Any, bar: bool) -> None:
    if len(heights) < 2:
        axes.set_facecolor("0.9")  # flat: there is nothing to draw
        return
    import matplotlib as mpl
    from matplotlib.colors import BoundaryNorm, ListedColormap

    values = np.ma.masked_invalid(plane.values)
    shades = mpl.colormaps[SURFACE](np.linspace(0.55, 0.05, len(heights)))
    filled = axes.contourf(
        *(plane.x, plane.y, values),
        levels=heights,
        cmap=ListedColormap(shades),
        norm=BoundaryNorm(heights, len(heights), extend="min"),
        extend="min",
    )
    axes.contour(plane.x, plane.y, values, levels=heights, colors="0.35", linewidths=0.5)
    if bar:
        axes.figure.colorbar(filled, ax=axes, label="objective", format="%.3g")


def _path(axes: Any, points: Any, number: int, label: str) -> None:
    from matplotlib.patheffects import Normal, Stroke

    colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
    halo = [Stroke(linewidth=3.2, foreground="white"), Normal()]
    axes.plot(
        *(points[:, 0], points[:, 1]),
        color=colour,
        linestyle=LINES[number % len(LINES)],
        linewidth=1.6,
        marker=mark,
        markevery=-(-len(points) // MARKED),
        markersize=3,
        label=label,
        path_effects=halo,
    )
    ends = {"marker": mark, "s": 55, "edgecolors": colour, "linewidths": 1.6, "zorder": 5}
    axes.scatter(points[:1, 0], points[:1, 1], facecolors="white", **ends)
    axes.scatter(points[-1:, 0], points[-1:, 1], facecolors=colour, **ends)
