"""The Axes that pictures are drawn on, and the colours, lines and marks that they share.

The colours are those of Okabe and Ito (2008), which the colour-blind tell apart; each comes with a kind of
line and a mark of its own, so that a picture can be read in grey too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import checks

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


def axes_or_new(ax: Axes | None, *, name: str = "ax", size: tuple[float, float] = (6.4, 4.4)) -> Any:
    """`ax`, or Axes of a new figure of this size, in inches."""
    plt = pyplot()
    if ax is None:
        return plt.subplots(figsize=size, layout="constrained")[1]
    from matplotlib.axes import Axes

    return checks.instance(name, ax, Axes, "Axes of matplotlib")


def several_axes(axes: Sequence[Axes] | None, count: int) -> list[Any]:
    """`axes`, so many of them, or those of a new figure, side by side."""
    plt = pyplot()
    if axes is None:
        return [*plt.subplots(1, count, figsize=(4.2 * count, 3.6), layout="constrained")[1]]
    found = [*axes]
    if len(found) != count:
        raise ValueError(f"axes must be {count}, got {len(found)}")
    return [axes_or_new(ax, name=f"axes[{k}]") for k, ax in enumerate(found)]


def curve(ax: Any, x: Any, y: Any, label: str | None) -> str:
    """Draws the next curve on `ax`, which looks like none that is there; returns its colour."""
    number = sum(1 for own in ax.lines if own.get_gid() == CURVE)
    colour = COLOURS[number % len(COLOURS)]
    mark = {"marker": MARKS[number % len(MARKS)]} if len(x) == 1 else {}
    looks = {"color": colour, "linestyle": LINES[number % len(LINES)], **mark}
    ax.plot(x, y, label="_curve" if label is None else label, gid=CURVE, **looks)
    return colour


def legend(ax: Any, title: str | None = None) -> None:
    """A legend, if there is anything with a name."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(title=title)
