"""Pictures of the course of a run: values, held-out values, gradient norms and rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from .. import checks
from ..analysis import Band, band
from ..analysis.bands import COLUMNS, Column, Quantiles
from ..run import History, Run
from .style import axes_or_new, curve, legend, several_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Along = Literal["step", "seconds", "evaluations"]
Scale = Literal["log", "linear"]

WORDS: dict[Column, str] = {
    "value": "objective",
    "held_out": "held-out risk",
    "gradient_norm": "gradient norm",
    "rate": "rate",
}
ALONG = {"step": "step", "seconds": "time (s)", "evaluations": "evaluations of the objective"}


def history(
    history: History | Run,
    ax: Axes | None = None,
    *,
    columns: Sequence[Column] = ("value", "held_out"),
    along: Along = "step",
    quantiles: Quantiles = (0.1, 0.5, 0.9),
    scale: Scale = "log",
    label: str | None = None,
) -> Axes:
    """Columns of a history as curves; of replicas the middle quantile, in a band from the low to the high.

    Several runs are compared on the same Axes by calling it for each, with a `label`.

    Args:
        history: of a run, or the run.
        ax: what to draw on; new if not given.
        columns: of "value", "held_out", "gradient_norm", "rate"; "held_out" is left out where it was not
            evaluated and is not the only one.
        along: the axis below: "step", "seconds" or "evaluations".
        quantiles: as for `xpnet.analysis.band`.
        scale: of the axis beside; "log" becomes linear where a number is not positive.
        label: put before the names of the curves.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
        TypeError, ValueError: an argument of the wrong kind; a column without any number.

    >>> import numpy as np
    >>> from xpnet import Momentum, Quadratic, after, minimize, plotting
    >>> run = minimize(Quadratic(np.eye(2)), Momentum(), np.ones(2), stop=after(30))
    >>> plotting.history(run).get_xlabel()
    'step'
    """
    along = checks.choice("along", along, Along)
    scale = checks.choice("scale", scale, Scale)
    if label is not None:
        label = checks.text("label", label)
    if isinstance(columns, str) or not columns:
        raise TypeError(f"columns must be names in a sequence, one or more, got {checks.shown(columns)}")
    wanted: list[Column] = [checks.choice("each of columns", column, COLUMNS) for column in columns]
    looks: Any = history.history if isinstance(history, Run) else history
    checks.instance("history", looks, History, "a History or a Run")
    if len(wanted) > 1 and "held_out" in wanted and not len(looks.held_out_looks()):
        wanted.remove("held_out")
    bands = [band(looks, column, quantiles) for column in wanted]
    axes = axes_or_new(ax)
    for own in bands:
        words = WORDS[own.column] if label is None else f"{label}: {WORDS[own.column]}"
        _curve(axes, own, along, words if label is None or len(bands) > 1 else label)
    if scale == "log" and all(bool((own.low > 0.0).all()) for own in bands):
        axes.set_yscale("log")
    axes.set(xlabel=ALONG[along], ylabel=", ".join(WORDS[column] for column in wanted))
    if label is not None or len(bands) > 1 or bands[0].count > 1:
        legend(axes, _spread(bands))
    return axes


def _curve(axes: Any, own: Band, along: Along, label: str) -> None:
    x = getattr(own, along)
    colour = curve(axes, x, own.middle, label)
    if own.count > 1:
        axes.fill_between(x, own.low, own.high, color=colour, alpha=0.2, linewidth=0)


def _spread(bands: Sequence[Band]) -> str | None:
    """What the curves are of several numbers, if there are several."""
    several = [own for own in bands if own.count > 1]
    if not several:
        return None
    own = several[0]
    low, middle, high = (100.0 * q for q in own.quantiles)
    which = "median" if middle == 50.0 else f"{middle:g} % quantile"
    return f"{which} of {own.count},\nband {low:g} to {high:g} %"


def overview(
    history: History | Run, axes: Sequence[Axes] | None = None, *, along: Along = "step"
) -> list[Axes]:
    """Three pictures of one run: its value and held-out risk, its gradient norm, its rate.

    Args:
        history: of a run, or the run.
        axes: three, to draw on; new ones side by side if not given.
        along: as for `history`.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
        TypeError, ValueError: an argument of the wrong kind, or not three Axes.
    """
    return [
        _panel(history, ax, columns, along)
        for ax, columns in zip(several_axes(axes, len(PANELS)), PANELS, strict=True)
    ]


PANELS: tuple[tuple[Column, ...], ...] = (("value", "held_out"), ("gradient_norm",), ("rate",))


def _panel(looks: History | Run, ax: Axes, columns: tuple[Column, ...], along: Along) -> Axes:
    return history(looks, ax, columns=columns, along=along)
