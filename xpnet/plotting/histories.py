"""Pictures of the course of a run: values, held-out values, gradient norms and rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .. import checks
from ..analysis import Band, band
from ..analysis.bands import Column, Quantiles
from ..analysis.landscape import Scale
from ..run import History, Run
from .style import axes_or_new, curve, legend, set_scale, several_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Along = Literal["step", "seconds", "evaluations"]

PANELS: tuple[tuple[Column, ...], ...] = (("value", "held_out"), ("gradient_norm",), ("rate",))
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
    label = None if label is None else checks.text("label", label)
    bands = _bands(history, columns, quantiles)
    return _drawn(axes_or_new(ax), bands, along, scale, label)


def overview(
    history: History | Run,
    axes: Iterable[Axes] | None = None,
    *,
    along: Along = "step",
    quantiles: Quantiles = (0.1, 0.5, 0.9),
    label: str | None = None,
) -> list[Axes]:
    """Three pictures of one run: its value and held-out risk, its gradient norm, its rate.

    Args:
        history: of a run, or the run.
        axes: three, to draw on; new ones side by side if not given.
        along, quantiles, label: as for `history`.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
        TypeError, ValueError: an argument of the wrong kind, or not three Axes.
    """
    along = checks.choice("along", along, Along)
    label = None if label is None else checks.text("label", label)
    bands = [_bands(history, columns, quantiles) for columns in PANELS]
    found = several_axes(axes, len(bands))
    return [_drawn(ax, own, along, "log", label) for ax, own in zip(found, bands, strict=True)]


def _bands(looks: Any, columns: Sequence[Column], quantiles: Quantiles) -> list[Band]:
    if not isinstance(columns, tuple | list) or not columns:
        raise TypeError(f"columns must be names in a tuple or list, got {checks.shown(columns)}")
    wanted = [checks.choice(f"columns[{k}]", column, Column) for k, column in enumerate(columns)]
    looks = looks.history if isinstance(looks, Run) else looks
    checks.instance("history", looks, History, "a History or a Run")
    if len(wanted) > 1 and not len(looks.held_out_looks()):
        wanted = [column for column in wanted if column != "held_out"]
    return [band(looks, column, quantiles) for column in wanted]


def _drawn(axes: Any, bands: list[Band], along: Along, scale: Scale, label: str | None) -> Axes:
    set_scale(axes, scale, [own.low for own in bands])
    for own in bands:
        words = WORDS[own.column] if label is None else f"{label}: {WORDS[own.column]}"
        _curve(axes, own, along, words if label is None or len(bands) > 1 else label)
    axes.set(xlabel=ALONG[along], ylabel=", ".join(WORDS[own.column] for own in bands))
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
