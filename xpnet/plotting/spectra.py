"""Pictures of curvature: eigenvalues, and their density."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..analysis import Density, Spectrum
from .style import COLOURS, axes_or_new, curve, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORDS = {"hessian": "Hessian", "gauss-newton": "Gauss-Newton matrix"}
FLOOR = 0.01  # of the part of one eigenvalue in the greatest density: the least that is shown


def spectrum(spectrum: Spectrum, ax: Axes | None = None) -> Axes:
    """Eigenvalues in the order of their size, the largest first; negative ones are triangles.

    The axis is linear near zero and logarithmic away from it. Where not all were found, those of the
    lower end have the numbers that they would have if all between were there.

    Args:
        spectrum: what `xpnet.analysis.hessian_spectrum` returns.
        ax: what to draw on; new if not given.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
        TypeError: an argument of the wrong kind.

    >>> import numpy as np
    >>> from xpnet import Quadratic, plotting
    >>> from xpnet.analysis import hessian_spectrum
    >>> found = hessian_spectrum(Quadratic(np.diag([3.0, -1.0])), np.zeros(2))
    >>> plotting.spectrum(found).get_ylabel()
    'eigenvalue of the Hessian'
    """
    checks.instance("spectrum", spectrum, Spectrum, "a Spectrum, as hessian_spectrum returns")
    axes = axes_or_new(ax)
    values = np.asarray(spectrum.eigenvalues)
    negative = values < -np.asarray(spectrum.bounds)  # by more than the error
    below = int(negative.sum())
    # of P numbers the k-th largest is the k-th; those below zero are counted from the other end
    numbers = np.arange(len(values), 0, -1)
    if not spectrum.exact:
        numbers = np.where(negative, spectrum.size - np.arange(len(values)), numbers)
    for which, name, mark, colour in (
        (~negative, "not negative", "o", COLOURS[0]),
        (negative, "negative", "v", COLOURS[1]),
    ):
        if which.any():
            size = 14 if len(values) > 50 else 28
            axes.scatter(numbers[which], values[which], marker=mark, s=size, color=colour, label=name)
    greatest = float(np.abs(values).max())
    if greatest > 0.0:
        small = np.abs(values)[np.abs(values) > 0.0]
        near = max(float(np.median(small)), 1e-6 * greatest)
        axes.set_yscale("symlog", linthresh=10.0 ** math.floor(math.log10(near)))
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    words = "all" if spectrum.exact else f"{len(values)} at the ends"
    axes.set(
        xlabel=f"number, of {spectrum.size:,} ({words})",
        ylabel=f"eigenvalue of the {WORDS[spectrum.curvature]}",
    )
    if below:
        axes.legend()
    return axes


def density(density: Density, ax: Axes | None = None, *, label: str | None = None) -> Axes:
    """The density of eigenvalues, on a logarithmic axis, as few large ones stand beside many near zero.

    Args:
        density: what `xpnet.analysis.hessian_density` returns.
        ax: what to draw on, other densities perhaps; new if not given.
        label: of the curve; none if not given.

    Raises:
        ImportError: matplotlib is not installed (extra `plot`).
        TypeError, ValueError: an argument of the wrong kind.
    """
    checks.instance("density", density, Density, "a Density, as hessian_density returns")
    label = None if label is None else checks.text("label", label)
    axes = axes_or_new(ax)
    drawn = np.asarray(density.density)
    least = float(drawn.max()) * FLOOR / density.size
    drawn = np.maximum(drawn, 1e-6 * least)  # below what is shown, and no logarithm of zero
    first = not axes.lines
    colour = curve(axes, density.grid, drawn, label)
    axes.fill_between(density.grid, 1e-6 * least, drawn, color=colour, alpha=0.15, linewidth=0)
    axes.set_yscale("log")
    axes.set_ylim(bottom=least if first else min(least, axes.get_ylim()[0]))
    axes.set(xlabel=f"eigenvalue of the {WORDS[density.curvature]}", ylabel="density")
    legend(axes)
    return axes
