"""Pictures of what a classifier with two inputs decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..analysis import Regions
from ..device.select import backend
from .style import COLOURS, MARKS, axes_or_new, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def regions(regions: Regions, ax: Axes | None = None, *, X: Any = None, labels: Any = None) -> Axes:
    """The classes of the plane as areas, the boundary between them as a line, and samples as marks.

    Args:
        regions: what `xpnet.analysis.decision_regions` returns.
        ax: what to draw on; new if not given.
        X: samples to draw, `(samples, 2)`.
        labels: their classes, `(samples,)`, integers from 0; one look for all if not given. Those of a
            threshold unit, -1 and +1, count as 0 and 1.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
        TypeError, ValueError: an argument of the wrong kind or shape; labels without samples, or of more
            classes than there are.

    >>> import numpy as np
    >>> from xpnet import Dense, Network, plotting
    >>> from xpnet.analysis import decision_regions
    >>> found = decision_regions(Network(2, Dense(1)), np.array([1.0, 1.0, -1.0]), ((0, 1), (0, 1)))
    >>> plotting.regions(found, X=[[0, 0], [1, 1]], labels=[0, 1]).get_xlabel()
    'first input'
    """
    checks.instance("regions", regions, Regions, "Regions, as decision_regions returns")
    samples, classes = _samples(regions, X, labels)
    axes = axes_or_new(ax, size=(5.6, 5.0))
    from matplotlib.colors import ListedColormap

    count = regions.classes
    colours = [COLOURS[k % len(COLOURS)] for k in range(count)]
    axes.pcolormesh(
        *(regions.x, regions.y, regions.labels),
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=count - 0.5,
        alpha=0.25,
        shading="nearest",
        rasterized=True,
    )
    _boundaries(axes, regions)
    if samples is not None:
        for k in range(count) if classes is not None else (None,):
            own = samples if k is None else samples[classes == k]
            if len(own):
                mark, colour = ("o", "0.2") if k is None else (MARKS[k % len(MARKS)], colours[k])
                axes.scatter(
                    *(own[:, 0], own[:, 1]),
                    marker=mark,
                    s=26,
                    color=colour,
                    edgecolors="white",
                    linewidths=0.6,
                    label=None if k is None else f"class {k}",
                )
        legend(axes, loc="upper right")  # as samples may be many, and lie everywhere
    axes.set(
        xlabel="first input",
        ylabel="second input",
        xlim=(regions.x[0], regions.x[-1]),
        ylim=(regions.y[0], regions.y[-1]),
    )
    return axes


def _boundaries(axes: Any, regions: Regions) -> None:
    """Where each class meets the others."""
    leads: Any = regions.leads
    for k in range(leads.shape[-1]):
        lead = leads[..., k]
        if lead.min() < 0.0 < lead.max():
            axes.contour(regions.x, regions.y, lead, levels=[0.0], colors="black", linewidths=1.4)


def _samples(regions: Regions, X: Any, labels: Any) -> tuple[Any, Any]:
    if X is None:
        if labels is not None:
            raise ValueError("X must be given where there are labels, got None")
        return None, None
    samples = backend("numpy").asarray(X, "float64", name="X")
    checks.finite(np, "X", samples)
    if samples.ndim != 2 or samples.shape[1] != 2:
        raise ValueError(f"X must be (samples, 2), got shape {samples.shape}")
    if labels is None:
        return samples, None
    classes: Any = backend("numpy").asarray(labels, name="labels")
    if classes.shape != samples.shape[:1]:
        raise ValueError(
            f"labels must be ({len(samples)},), one for each sample, got shape {classes.shape}"
        )
    if regions.threshold is not None and {*np.unique(classes).tolist()} <= {-1, 1}:
        classes = (classes > 0).astype(int)
    wrong = classes[~np.isin(classes, np.arange(regions.classes))]
    if wrong.size:
        last = regions.classes - 1
        raise ValueError(f"labels must be integers from 0 to {last}, as there are classes, got {wrong[0]}")
    return samples, classes
