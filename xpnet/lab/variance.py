"""Refitted to new data, boundaries fan out: more data closes the fan, more depth need not.

**The claim.** Backpropagation has a low variance: another sample of the same kind hardly moves the
boundary. With as many units (660, in 3, 4, 6 or 11 layers), it is said to fall with the depth of a
network; and with the number of training points (the lecture's own pictures).

**The prediction.** Train `R` networks, each on points of its own and from a start of its own. Where the
share `p` of them says yes, the unbiased variance of the answer is `p (1 - p) R / (R - 1)`, half the chance
that two refits disagree; here it is the mean over a grid, with two standard errors by the jackknife (Efron,
Stein 1981). Ten times the points cut it to half or less, at every depth. **Of depth nothing is
predicted**: one fan for each depth, as the lecture shows it, is the luck of that draw. At these sizes the
variance does not fall with depth, and in narrow layers (`--quick`) it rises: so it is reported, with its
interval.

**Exercises.**

1. Let all refits begin at one `w`, that of the first. How much of the variance was the start's?
2. Then give all the same points and each its own start. Do the two parts add up to the whole?
3. Turn over the label of every twentieth point. Which depth suffers most? Does more data still help?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import Dense, EmpiricalRisk, Network
from xpnet.lab import COLOURS, LINES, MARKS, Lab, Result, at_most, panels, reported
from xpnet.optimizers.schedules import Cosine

ROWS = ("10",)
QUICK: dict[str, Any] = {
    "units": 132,
    "depths": (3, 11),
    "points": (300, 3000),
    "refits": 10,
    "steps": 600,
}
GRID = 91  # points along each side of the square


def run(
    lab: Lab,
    units: int = 660,
    depths: tuple[int, ...] = (3, 4, 6, 11),
    points: tuple[int, int] = (1000, 10_000),
    refits: int = 10,
    steps: int = 500,
) -> Result:
    places = _places()
    cases = [(size, depth) for size in points for depth in depths]
    fans: dict[Any, Any] = {}
    spread: dict[Any, Any] = {}
    error: dict[Any, Any] = {}
    for size, depth in lab.each(cases, "fan"):
        shares = _refits(lab, size, units, depth, refits, steps, places)  # (R, places)
        said = shares > 0.5
        spread[size, depth] = _variance(said)
        error[size, depth] = (said != (_true(places) > 0)).mean()
        if depth in (depths[0], depths[-1]):
            fans[f"{depth} x {units // depth}, {size} points"] = _thinned(shares)
    found: list[Any] = []
    few, many = points
    for depth in depths:
        (v, s), (less, t) = spread[few, depth], spread[many, depth]
        what = f"{depth} layers: variance at {many} / at {few} points"
        found += [
            at_most("10", what, less / v, 0.5),
            reported("10", f"{depth} layers: variance at {few}", f"{v:.4f} ± {2 * s:.4f}"),
            reported("10", f"{depth} layers: variance at {many}", f"{less:.4f} ± {2 * t:.4f}"),
            reported("10", f"{depth} layers: error at {few}, at {many}", _words(error, points, depth)),
        ]
    for size in points:
        (v, s), (deep, t) = spread[size, depths[0]], spread[size, depths[-1]]
        what = f"variance, {depths[-1]} layers less that of {depths[0]}, at {size}"
        found.append(reported("10", what, f"{deep - v:.4f} ± {2 * np.hypot(s, t):.4f}"))
    numbers = {
        "fans": fans,
        "depths": depths,
        "spread": {size: [spread[size, depth] for depth in depths] for size in points},
        "errors": {size: [error[size, depth] for depth in depths] for size in points},
    }
    return Result(numbers, tuple(found))


def _true(X: Any) -> Any:
    """Positive above the boundary that is to be learned."""
    return X[..., 1] - 0.5 * np.sin(1.5 * np.pi * X[..., 0])


def _refits(lab: Lab, size: int, units: int, depth: int, refits: int, steps: int, places: Any) -> Any:
    """What networks say at the places, `(R, places)`, each trained on points of its own: all in one run."""
    X = lab.random(size, depth).uniform(-1, 1, (refits, size, 2))
    net = Network(2, *[Dense(units // depth, "relu") for _ in range(depth)], Dense(1, "sigmoid"))
    options: Any = {"backend": lab.backend, "dtype": "float32"}
    risk = EmpiricalRisk(net, xpnet.BinaryCrossEntropy(), X, _true(X) > 0, **options)
    own = int(lab.random(size, depth, 1).integers(2**31))
    w = net.initialize(own, lab.backend, "float32", replicas=refits)
    method = xpnet.Minibatch(xpnet.Adam(Cosine(3e-3, steps)), size=100, seed=own)
    w = xpnet.minimize(risk, method, w, stop=xpnet.after(steps), check_every=50).w
    return lab.numpy(net.predict(w, places))[..., 0]


def _variance(said: Any) -> tuple[float, float]:
    """The mean of `p (1 - p) R / (R - 1)` over all places, and its standard error by the jackknife."""
    refits = len(said)
    apart = (said[:, None] != said[None]).mean(axis=-1)  # of each two refits
    without = [
        np.delete(np.delete(apart, r, 0), r, 1).sum() / ((refits - 1) * (refits - 2)) for r in range(refits)
    ]
    error = np.sqrt((refits - 1) * np.var(without))
    return float(apart.sum() / (refits * (refits - 1)) / 2), float(error / 2)


def _places() -> Any:
    """A grid over the square: `(places, 2)`."""
    side: Any = np.linspace(-1, 1, GRID)
    return np.stack(np.broadcast_arrays(side, side[:, None]), axis=-1).reshape(-1, 2)


def _thinned(shares: Any) -> Any:
    """The log-odds, to be drawn: of eight refits at every third place of the grid."""
    some = shares.reshape(-1, GRID, GRID)[:8, ::3, ::3].astype("float64").clip(0.01, 0.99)
    return np.log(some / (1 - some)).round(1)


def _words(error: Any, points: Any, depth: int) -> str:
    return ", ".join(f"{error[size, depth]:.3f}" for size in points)


def draw(result: Result) -> Any:
    figure, axes = panels(2, 3)
    grid, fine = np.linspace(-1, 1, (GRID + 2) // 3), np.linspace(-1, 1, 200)
    for panel, (name, shares) in zip(axes[:, :2].ravel(), result["fans"].items(), strict=True):
        for k, own in enumerate(shares):
            panel.contour(grid, grid, own, [0.0], colors=COLOURS[k % len(COLOURS)], linewidths=0.9)
        panel.plot(fine, 0.5 * np.sin(1.5 * np.pi * fine), "k--", linewidth=1.5)
        panel.set(title=f"{name}: {len(shares)} refits", xlabel="x", ylabel="y")
    variance, error = axes[:, 2]
    for k, (size, found) in enumerate(result["spread"].items()):
        look: Any = {
            "color": COLOURS[k],
            "linestyle": LINES[k],
            "marker": MARKS[k],
            "label": f"{size} points",
        }
        values, errors = np.transpose(found)
        variance.errorbar(result["depths"], values, 2 * errors, capsize=4, **look)
        error.plot(result["depths"], result["errors"][size], **look)
    variance.set(title="variance ± 2 standard errors", xlabel="hidden layers", ylabel="variance")
    error.set(title="share of wrong answers, mean of refits", xlabel="hidden layers", ylabel="error")
    for panel in (variance, error):
        panel.set_ylim(bottom=0)
        panel.legend()
    return figure
