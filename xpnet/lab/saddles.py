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

from itertools import combinations
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
QUICK: dict[str, Any] = {"starts": 40, "sizes": (2, 4, 6)}
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
    toy, found = Formula(saddle, backend=lab.backend), list[Any]()
    paths: dict[str, Any] = {}
    fates: dict[str, Any] = {}
    box = lab.random(0).uniform(-2.0, 2.0, (starts, 2))
    for name, method in METHODS.items():
        end = lab.path(toy, method, box, 300)[0][-1]
        there = np.hypot(end[:, 0], np.abs(end[:, 1]) - 1.0) < 1e-6
        limits = (0.2, 0.95) if name == "Newton" else (1.0, 1.0)
        found.append(share("11", f"{name}: reaches a minimum", int(there.sum()), starts, *limits))
        paths[name] = lab.path(toy, method, [1.5, 0.3], 60)[0]
        fates[name] = there
    plane = analysis.plane(toy, analysis.coordinate_frame(np.zeros(2), 0, 1), ((-0.3, 1.7), (-0.4, 1.3)))

    risk, points, errors = _autoencoder(lab, 8, 3)
    values, gradients, curvatures = _at(lab, risk, points)
    negative = np.sum(curvatures < -1e-9, axis=1)
    best = int(np.argmin(errors))
    found += [
        at_most("12", "linear 8-3-8: largest gradient at the 56 points", gradients.max(), 1e-13),
        at_most("12", "their errors, off the closed form", np.abs(values - errors).max(), 1e-13),
        holds(
            "12",
            "of them, only the best has no negative curvature",
            set(np.flatnonzero(negative == 0)) == {best},
        ),
    ]
    there = int(np.sum(_trained(lab, risk, TrustRegion(), starts).value - errors[best] < 1e-12))
    found.append(share("12", "starts that end within 1e-12 of the least error", there, starts, 1.0))

    way = int(np.argmin(curvatures[:, 0]))  # the saddle with the steepest way down
    stay = {}
    for name, objective, at, curvature in (
        ("x, y", toy, np.zeros(2), -1.0),
        ("linear 8-3-8", risk, points[way], curvatures[way, 0]),
    ):
        away = lab.random(1).standard_normal(at.shape)
        path = lab.path(objective, METHODS["gradient descent"], at + away * DISTANCES[:, None], 400)[0]
        stay[name] = np.sum(np.linalg.norm(path - at, axis=-1) < 0.1, axis=0)
        slope = np.polyfit(-np.log(DISTANCES), stay[name], 1)[0] * np.log1p(-RATE * curvature)
        found.append(equal("48", f"{name}: steps near the saddle / predicted", slope, 1.0, 0.1))

    minima = {}
    for n in lab.each(sizes, "size"):
        here = _at(lab, *_autoencoder(lab, n, n // 2)[:2])[2]
        minima[n] = 1 / np.mean(np.all(here > -1e-9, axis=1))
        found.append(
            equal(
                "48", f"linear {n}-{n // 2}-{n}: critical points to a minimum", minima[n], comb(n, n // 2)
            )
        )

    ends: dict[str, Any] = {"identity": np.ones(1), "tanh": np.ones(1)}
    bad = 0
    for data in lab.each(range(8), "small network"):
        for kind in ends:
            small = _small(lab, kind, data)
            values, gradients, curvatures = _at(
                lab, small, _trained(lab, small, LevenbergMarquardt(), starts).w
            )
            ends[kind] = max(ends[kind], np.sort(values / values.min()), key=np.max)
            minimum = (gradients < 1e-7) & (curvatures[:, 0] > 1e-6)
            bad += int(np.sum(minimum & (values > 1.001 * values.min())))
    found += [
        at_most("12", "linear 2-3-1, 8 data sets: worst end / best", ends["identity"].max(), 1 + 1e-9),
        at_least("12", "tanh 2-3-1: runs that end in proved bad minima", bad, 1),
    ]
    numbers = {
        "plane": plane,
        "paths": paths,
        "box": box,
        "fates": fates,
        "stay": stay,
        "errors": errors,
        "negative": negative,
    }
    return Result(numbers | {"minima": minima, "ends": ends}, tuple(found))


def _autoencoder(lab: Lab, n: int, p: int) -> tuple[Any, Any, Any]:
    """The risk of a linear `n-p-n` that is to give its inputs back, its critical points, and their errors."""
    variances = np.linspace(2.0, 0.2, n)
    turn = np.linalg.qr(lab.random(n).standard_normal((n, n)))[0]
    U = np.linalg.qr(lab.random(n, 1).standard_normal((5 * n, n)))[0]
    X = (5 * n) ** 0.5 * U * np.sqrt(variances) @ turn.T  # of covariance turn diag(variances) turn'
    net = xpnet.Network(n, Dense(p, bias=False), Dense(n, bias=False))
    risk = xpnet.EmpiricalRisk(net, xpnet.SquaredError(), X, X, backend=lab.backend, dtype="float64")
    chosen = [[*some] for some in combinations(range(n), p)]
    points = [np.concatenate([turn[:, some].T.ravel(), turn[:, some].ravel()]) for some in chosen]
    return (
        risk,
        np.array(points),
        np.array([(variances.sum() - variances[some].sum()) / 2 for some in chosen]),
    )


def _small(lab: Lab, kind: str, data: int) -> Any:
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
    figure, ((plane, stay, theorem), (minima, ends, fate)) = panels(2, 3)
    plotting.contours(result["plane"], plane, paths=result["paths"], scale="linear", bar=False)
    plane.set(title="from one start, 60 steps", xlabel="x", ylabel="y")
    for number, (name, steps) in enumerate(result["stay"].items()):
        stay.semilogx(DISTANCES, steps, MARKS[number] + "-", label=name)
    stay.set(
        title="gradient descent near a saddle", xlabel="distance of the start", ylabel="steps within 0.1"
    )
    theorem.plot(result["negative"], result["errors"], "o")
    theorem.set(title="linear 8-3-8: the 56 critical points", xlabel="negative eigenvalues", ylabel="error")
    minima.semilogy([*result["minima"]], [*result["minima"].values()], "o-")
    minima.set(title="linear n-(n/2)-n", xlabel="n", ylabel="critical points to a minimum")
    for number, (kind, values) in enumerate(result["ends"].items()):
        ends.semilogy(values, MARKS[number], color=COLOURS[number], markersize=4, label=kind)
    ends.set(title="2-3-1: where runs end", xlabel="runs, in order", ylabel="error / the least")
    stay.legend()
    ends.legend()
    for there, look in ((True, "o"), (False, "x")):
        some = result["box"][result["fates"]["Newton"] == there]
        fate.plot(
            some[:, 0], some[:, 1], look, label="to a minimum" if there else "to the saddle, or nowhere"
        )
    fate.set(title="Newton's method: what becomes of starts", xlabel="x", ylabel="y", ylim=(-2.1, 3.0))
    fate.legend()
    return figure
