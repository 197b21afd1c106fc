"""Saddles are everywhere; descent leaves them, slowly, and Newton's method is drawn to them.

**The claim.** Where the gradient vanishes and the Hessian has eigenvalues of both signs there is a saddle.
Of a network with one hidden layer every critical point but the global minimum is one (Baldi, Hornik 1989),
and there are exponentially many: no bad minimum is to be feared, only time to be lost near saddles.

**The prediction.** Along a curvature of `-lambda` gradient descent multiplies the distance from a saddle by
`1 + eta lambda` in each step: from a distance `d` it is near it for some `log(1/d) / log(1 + eta lambda)`
steps. Newton's step `-H^-1 g` ends at saddles; with `|H|` in the place of `H` it does not (Dauphin et al.
2014). A *linear* network `n-p-n` that is to give its inputs back has a critical point for each choice of
`p` eigenvectors of their covariance, with half the sum of the other eigenvalues as its error: 56 at 8-3-8,
and only the best is a minimum. **But that theorem is of linear units.** With tanh instead there are minima
that are not the best, proved by their Hessians, and some runs end in them.

**Exercises.**

1. Start gradient descent at `y = 0` exactly. What happens, and why does nobody see this in practice?
2. Give it momentum of .9. What becomes of the slope in the second panel?
3. Give the small network six hidden units, as many as the one that made its targets has. What becomes of
   the bad minima?
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np

import xpnet
from xpnet import (
    Dense,
    Fixed,
    Formula,
    GradientDescent,
    LevenbergMarquardt,
    Newton,
    TrustRegion,
    analysis,
    plotting,
)
from xpnet.lab import COLOURS, MARKS, Lab, Result, at_least, at_most, equal, holds, panels, share

ROWS = ("11", "12", "48")
QUICK: dict[str, Any] = {"starts": 25, "sizes": (2, 4, 6)}
RATE = 0.1
METHODS = {
    "Newton": Newton("ignore", Fixed(1.0)),
    "saddle-free Newton": Newton("absolute", Fixed(1.0)),
    "gradient descent": GradientDescent(RATE),
}
DISTANCES = 10.0 ** -np.arange(2, 13, 2)


def saddle(xp: Any, w: Any) -> Any:
    """A saddle at the origin, minima at `y = 1` and `y = -1`."""
    return (5.0 * w[..., 0] ** 2 - w[..., 1] ** 2) / 2.0 + w[..., 1] ** 4 / 4.0


def run(lab: Lab, starts: int = 100, sizes: tuple[int, ...] = (2, 4, 6, 8)) -> Result:
    found: list[Any] = []
    toy, box = Formula(saddle, backend=lab.backend), lab.random(0).uniform(-2.0, 2.0, (starts, 2))
    paths: dict[str, Any] = {}
    for name, method in METHODS.items():
        end = lab.path(toy, method, box, 300)[0][-1]
        there = np.sum(np.hypot(end[:, 0], np.abs(end[:, 1]) - 1.0) < 1e-6)
        limits = (0.2, 0.95) if name == "Newton" else (1.0, 1.0)
        found.append(share("11", f"{name}: reaches a minimum", there, starts, *limits))
        paths[name] = lab.path(toy, method, [1.5, 0.3], 60)[0]
    plane = analysis.plane(toy, analysis.coordinate_frame([0, 0], 0, 1), ((-0.3, 1.7), (-0.4, 1.8)))

    risk, theory, points = _autoencoder(lab, 8, 3)
    values, gradients, curvatures = _at(lab, risk, points)
    negative = np.sum(curvatures < -1e-9, axis=1)
    best = np.sum(_trained(lab, risk, TrustRegion(), starts).value - theory.minimum < 1e-12)
    found += [
        at_most("12", "linear 8-3-8: largest gradient at the 56 points", gradients.max(), 1e-13),
        at_most("12", "their errors, off the closed form", np.abs(values - theory.values).max(), 1e-13),
        holds("12", "only the best of them is a minimum", np.flatnonzero(negative == 0).tolist() == [0]),
        share("12", "starts that end within 1e-12 of its error", best, starts, 1.0),
    ]
    stay: dict[str, Any] = {}
    way = int(np.argmin(curvatures[:, 0]))  # the saddle with the steepest way down
    for name, objective, at, curvature in (
        ("5 x^2 - y^2 + ...", toy, np.zeros(2), -1.0),
        ("linear 8-3-8", risk, points[way], curvatures[way, 0]),
    ):
        starts_near = at + lab.random(1).standard_normal(at.shape) * DISTANCES[:, None]
        path = lab.path(objective, METHODS["gradient descent"], starts_near, 400)[0]
        stay[name] = np.sum(np.linalg.norm(path - at, axis=-1) < 0.1, axis=0)
        slope = (stay[name][-1] - stay[name][0]) / np.log(DISTANCES[0] / DISTANCES[-1])
        ratio = float(slope) * np.log1p(-RATE * float(curvature))
        found.append(equal("48", f"{name}: steps near the saddle / predicted", ratio, 1.0, 0.1))
    many: dict[int, float] = {}
    for n in lab.each(sizes, "size"):
        here, _, there = _autoencoder(lab, n, n // 2)
        many[n] = len(there) / np.sum(np.all(_at(lab, here, there)[2] > -1e-9, axis=1))
        words = f"linear {n}-{n // 2}-{n}: critical points to a minimum"
        found.append(equal("48", words, many[n], comb(n, n // 2)))

    worst, bad = {"identity": np.ones(1), "tanh": np.ones(1)}, 0
    above: dict[str, list[float]] = {"identity": [], "tanh": []}
    for data in lab.each(range(8), "small network"):
        for kind in worst:
            small = _small(lab, kind, data)
            ended = _trained(lab, small, LevenbergMarquardt(), starts).w
            values, gradients, curvatures = _at(lab, small, ended)
            high = values > 1.001 * values.min()
            bad += int(np.sum(high & (gradients < 1e-7) & (curvatures[:, 0] > 1e-6)))
            above[kind].append(float(high.mean()))
            worst[kind] = max(worst[kind], np.sort(values / values.min()), key=np.max)
    found += [
        at_most("12", "linear 2-3-1, 8 data sets: worst end / best", worst["identity"].max(), 1 + 1e-9),
        at_least("12", "tanh 2-3-1: runs that end in proved bad minima", bad, 1),
    ]
    numbers = {"plane": plane, "paths": paths, "stay": stay, "errors": theory.values, "negative": negative}
    return Result(numbers | {"many": many, "ends": worst, "above": above}, tuple(found))


def _autoencoder(lab: Lab, n: int, p: int) -> tuple[Any, Any, Any]:
    """A linear `n-p-n` that is to give its inputs back: its risk, the theory, and its critical points."""
    X = lab.random(1, n).standard_normal((20 * n, n)) * np.linspace(1.5, 0.5, n)
    net = xpnet.Network(n, Dense(p, bias=False), Dense(n, bias=False))
    risk = xpnet.EmpiricalRisk(net, xpnet.SquaredError(), X, X, backend=lab.backend, dtype="float64")
    theory = analysis.linear_network(X, X, p)
    points = [theory.point(net, subset, backend="numpy") for subset in theory.subsets]
    return risk, theory, np.array(points)


def _small(lab: Lab, kind: Any, data: int) -> Any:
    """The risk of a network 2-3-1 whose targets another one has made, with six tanh units."""
    random = lab.random(2, data)
    X, first = random.standard_normal((100, 2)), 2.0 * random.standard_normal((2, 6))
    targets = np.tanh(X @ first) @ random.standard_normal((6, 1))
    net = xpnet.Network(2, Dense(3, kind, bias=False), Dense(1, bias=False))
    return xpnet.EmpiricalRisk(net, xpnet.SquaredError(), X, targets, backend=lab.backend, dtype="float64")


def _trained(lab: Lab, risk: Any, method: xpnet.Optimizer, starts: int) -> xpnet.Run:
    w = risk.network.initialize(lab.seed, lab.backend, "float64", replicas=starts)
    return xpnet.minimize(risk, method, w, stop=xpnet.gradient_below(1e-9) | xpnet.after(100))


def _at(lab: Lab, risk: Any, points: Any) -> tuple[Any, Any, Any]:
    """Values, norms of gradients and eigenvalues of Hessians, each in a row."""
    w = lab.array(points)
    value, gradient = risk.value_and_gradient(w)
    curvatures = np.linalg.eigvalsh(lab.numpy(risk.hessian(w)))
    return lab.numpy(value), np.linalg.norm(lab.numpy(gradient), axis=1), curvatures


def draw(result: Result) -> Any:
    figure, ((plane, stay, theory), (many, ends, above)) = panels(2, 3)
    plotting.contours(result["plane"], plane, paths=result["paths"], scale="linear", bar=False)
    plane.set(title="from one start, 60 steps", xlabel="x", ylabel="y")
    for number, (name, steps) in enumerate(result["stay"].items()):
        stay.semilogx(DISTANCES, steps, MARKS[number] + "-", label=name)
    stay.set(title="gradient descent near a saddle", xlabel="distance of the start", ylabel="steps")
    theory.plot(result["negative"], result["errors"], "o")
    theory.set(title="linear 8-3-8: its 56 critical points", xlabel="negative eigenvalues", ylabel="error")
    many.semilogy([*result["many"]], [*result["many"].values()], "o-")
    many.set(title="linear n-(n/2)-n", xlabel="n", ylabel="critical points to a minimum")
    for m, (kind, words) in enumerate((("identity", "linear"), ("tanh", "tanh"))):
        missed = result["above"][kind]
        ends.semilogy(result["ends"][kind], MARKS[m], color=COLOURS[m], markersize=4, label=words)
        above.bar(np.arange(len(missed)) + 0.4 * m, missed, 0.4, color=COLOURS[m], label=words)
    ends.set(title="2-3-1: the worst of 8 data sets", xlabel="run, in order", ylabel="error / the least")
    above.set(title="2-3-1: runs that miss the best", xlabel="data set", ylabel="share of the starts")
    for panel in (stay, ends, above):
        panel.legend()
    return figure
