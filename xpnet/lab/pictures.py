"""The figure of an experiment: panels to be projected, and its files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from .. import checks
from ..plotting.style import COLOURS

STYLE: dict[str, Any] = {
    "font.size": 11.0,
    "axes.titlesize": 12.0,
    "figure.titlesize": 14.0,
    "legend.fontsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.min_exponent": 5,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "xpnet",  # so that the same picture is the same file
}
SIZE = (5.2, 4.2)  # of a panel, in inches
DOTS = 130  # per inch


def looks() -> Any:
    """A context in which figures are drawn and written: sizes for a projector, the library's colours."""
    library = matplotlib()
    return library.rc_context(STYLE | {"axes.prop_cycle": library.cycler(color=COLOURS)})


def matplotlib() -> Any:
    """The library that pictures are made with.

    Raises:
        ImportError: it is not installed (extra `lab`).
    """
    try:
        library = importlib.import_module("matplotlib")
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError(f"the laboratory needs matplotlib: {checks.installing('lab')}") from error
    return library


def panels(rows: int = 1, columns: int = 1, *, size: tuple[float, float] = SIZE) -> tuple[Any, Any]:
    """A figure, and its Axes as an array of `rows` x `columns`, each panel of this `size` in inches.

    It is no figure of pyplot, so that none is left open.
    """
    width, height = size
    figure = matplotlib().figure.Figure(figsize=(columns * width, rows * height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def saved(figure: Any, path: Path) -> tuple[Path, Path]:
    """Writes `path`.png and `path`.svg."""
    png, svg = path.with_suffix(".png"), path.with_suffix(".svg")
    with looks():
        figure.savefig(png, dpi=DOTS)
        figure.savefig(svg, metadata={"Date": None})
    return png, svg
