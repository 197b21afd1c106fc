"""The Axes that pictures are drawn on, and the colours, lines and marks that they share.

The colours are those of Okabe and Ito (2008), which the colour-blind tell apart; each comes with a kind of
line and a mark of its own, so that a picture can be read in grey too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..analysis.landscape import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (1, 1)))
MARKS = ("o", "s", "^", "D", "v", "P", "X")
SURFACE = "Greys"  # of contours, below paths in colours
CURVE = "xpnet curve"  # what tells our curves on some Axes from other lines


def pyplot() -> Any:
    """matplotlib's pyplot.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
    """
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib: {checks.installing('plot')}") from error
    return matplotlib.pyplot


def axes_or_new(ax: Axes | None, *, size: tuple[float, float] = (6.4, 4.4)) -> Any:
    """`ax`, or Axes of a new figure of this size, in inches."""
    plt = pyplot()
    if ax is None:
        return plt.subplots(figsize=size, layout="constrained")[1]
    from matplotlib.axes import Axes

    return checks.instance("ax", ax, Axes, "Axes of matplotlib")


def several_axes(axes: Iterable[Axes] | None, count: int) -> list[Any]:
    """`axes`, so many of them, or those of a new figure, side by side."""
    plt = pyplot()
    if axes is None:
        return [*plt.subplots(1, count, figsize=(4.2 * count, 3.6), layout="constrained")[1]]
    from matplotlib.axes import Axes

    found = np.asarray(axes, object).reshape(-1).tolist()
    if len(found) != count or not all(isinstance(own, Axes) for own in found):
        raise TypeError(f"axes must be {count} Axes of matplotlib, got {checks.shown(axes)}")
    return found


def set_scale(ax: Any, scale: Scale, numbers: Iterable[Any]) -> None:
    """Gives the axis beside its scale before curves of `numbers` are drawn: linear if one is not positive,
    and else that of the curves that are there, or `scale`."""
    if any(bool((own <= 0.0).any()) for own in numbers):
        ax.set_yscale("linear")
    elif not _curves(ax):
        ax.set_yscale(scale)


def curve(ax: Any, x: Any, y: Any, label: str | None) -> str:
    """Draws the next curve on `ax`, which looks like none that is there; returns its colour."""
    number = _curves(ax)
    colour = COLOURS[number % len(COLOURS)]
    mark = {"marker": MARKS[number % len(MARKS)]} if len(x) == 1 else {}
    looks = {"color": colour, "linestyle": LINES[number % len(LINES)], **mark}
    ax.plot(x, y, label="_curve" if label is None else label, gid=CURVE, **looks)
    return colour


def _curves(ax: Any) -> int:
    return sum(1 for own in ax.lines if own.get_gid() == CURVE)


def legend(ax: Any, title: str | None = None, loc: str = "best") -> None:
    """A legend, if there is anything with a name; the search for the best place is slow with much data."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(title=title, loc=loc)
