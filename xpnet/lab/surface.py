"""High saddles curve down in many directions, and wide networks end alike; yet bad minima exist.

**The claim.** Of critical points with a high error many directions lead down; those of low error are nearly
minima (Dauphin et al. 2014). The larger a network, the less do its final losses depend on the start
(Choromanska et al. 2015). So local minima do not matter.

**The prediction.** Over critical points, the share of negative eigenvalues (the index) and the error have a
rank correlation of .5 or more. The minima of smaller networks are among them: with units added that are
not connected they are critical points of the larger one (Fukumizu, Amari 2000). The standard deviation of
the test loss over restarts falls as the hidden layer grows, to a third or less from 4 to 64 units.
**Neither is a theorem of real networks**, and "bad minima are rare" is said of wide networks and usual
starts. They exist: where all rectified units are dead the gradient vanishes, no curvature is negative, and
the error is that of a constant (Swirszcz et al. 2016).

**Exercises.**

1. Add the units of a smaller network with weights that are small instead of zero. Where does training go?
2. Train the networks of the second panel with `Rprop()` for 150 steps, until they make no error on their
   samples. The spread of the *test* loss now grows with the width. What was it that the claim spoke of?
3. How large a kick brings the dead network back to life?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import Dense, EmpiricalRisk, Network, analysis, plotting
from xpnet.lab import Lab, Result, at_least, at_most, components, digits, panels, reported

ROWS = ("13", "14", "15")
QUICK: dict[str, Any] = {"points": 6, "least": 20, "widths": (4, 16, 64), "restarts": 12}
CLASSES = (3, 8, 9)  # digits that are hard to tell apart


def run(
    lab: Lab,
    points: int = 15,
    least: int = 50,
    widths: tuple[int, ...] = (4, 8, 16, 32, 64),
    restarts: int = 30,
) -> Result:
    some, labels = digits(lab, CLASSES)
    Z, targets = components(some, 5)[:200], np.eye(3)[labels[:200]]
    net = Network(5, Dense(5, "tanh"), Dense(3))
    risk = _risk(lab, net, xpnet.SquaredError(), Z, targets)
    starts = [0.5 * lab.numpy(net.initialize(lab.seed, lab.backend, "float64", replicas=2 * points))]
    for units in lab.each(range(1, 6), "smaller network"):
        small = Network(5, Dense(units, "tanh"), Dense(3))
        w = small.initialize(lab.seed, lab.backend, "float64", replicas=points)
        own, stop = _risk(lab, small, xpnet.SquaredError(), Z, targets), xpnet.gradient_below(1e-8)
        starts.append(
            _enlarged(
                net,
                small,
                lab.numpy(xpnet.minimize(own, xpnet.TrustRegion(), w, stop=stop | xpnet.after(150)).w),
            )
        )
    critical = analysis.critical_points(risk, lab.array(np.concatenate(starts)), 1e-6, steps=60)
    correlation = _rank_correlation(critical.index, critical.values)
    found = [
        at_least("13", "critical points found", len(critical), least),
        at_least("13", "rank correlation of index and error", correlation, 0.5),
    ]

    X, labels = digits(lab)
    tests: dict[int, Any] = {}
    for width in lab.each(widths, "width"):
        wide = Network(64, Dense(width, "tanh"), Dense(10, "softmax"))
        train = _risk(lab, wide, xpnet.CrossEntropy(), X[:400], labels[:400])
        test = _risk(lab, wide, xpnet.CrossEntropy(), X[400:1000], labels[400:1000])
        w = wide.initialize(lab.seed, lab.backend, "float64", replicas=restarts)
        tests[width] = lab.numpy(
            test.value(xpnet.minimize(train, xpnet.Momentum(0.1), w, stop=xpnet.after(150)).w)
        )
    spread = {width: float(np.std(values, ddof=1)) for width, values in tests.items()}
    found.append(
        at_most("14", "spread of the test loss, 64 units / 4 units", spread[64] / spread[4], 1 / 3)
    )

    few, target = lab.random(1).uniform(-1, 1, (8, 2)), lab.random(2).standard_normal((8, 1))
    rectified = Network(2, Dense(12, "relu"), Dense(1))
    poor = _risk(lab, rectified, xpnet.SquaredError(), few, target)
    w = lab.numpy(rectified.initialize(lab.seed, lab.backend, "float64", replicas=20))
    best = xpnet.minimize(poor, "levenberg-marquardt", lab.array(w), stop=xpnet.after(200))
    dead = w[0].copy()
    dead[rectified.layout.slice("0.bias")] = -5.0
    ended = xpnet.minimize(poor, "bfgs", lab.array(dead), stop=xpnet.after(100))
    good = lab.numpy(best.w)[int(np.argmin(best.value))]
    curvature = np.linalg.eigvalsh(lab.numpy(poor.hessian(ended.w)))
    slope = lab.numpy(poor.value_and_gradient(ended.w)[1])
    ratio = float(ended.value) / max(float(np.min(best.value)), 1e-12)
    found += [
        at_most("15", "dead units: norm of the gradient", np.linalg.norm(slope), 1e-8),
        at_least("15", "dead units: least eigenvalue", curvature[0], -1e-8),
        at_least("15", "dead units: error / the least known", min(ratio, 1e6), 10.0),
        reported(
            "15", "dead units among 20 usual starts' ends", int(np.sum(best.value > 0.99 * ended.value))
        ),
    ]
    near = np.argsort(np.linalg.norm(starts[-1], axis=1))[:3]  # the minima of least norm
    frame = analysis.frame_through(*starts[-1][near])
    numbers = {
        "index": critical.index,
        "errors": critical.values,
        "tests": tests,
        "plane": analysis.plane(risk, frame, ((-0.5, 1.5), (-0.5, 1.5)), points=41),
        "line": analysis.between(poor, lab.numpy(ended.w), good),
    }
    return Result(numbers, tuple(found))


def _enlarged(net: Network, small: Network, w: Any) -> Any:
    """The parameters of a smaller network in a larger one, whose other units are not connected: (R, P)."""
    large = np.zeros((len(w), net.size))
    for name, shape in small.layout.shapes.items():
        whole = large[:, net.layout.slice(name)].reshape(len(w), *net.layout.shapes[name])
        whole[:, *(slice(length) for length in shape)] = w[:, small.layout.slice(name)].reshape(
            len(w), *shape
        )
        large[:, net.layout.slice(name)] = whole.reshape(len(w), -1)
    return large


def _risk(lab: Lab, net: Network, loss: Any, X: Any, targets: Any) -> EmpiricalRisk:
    return EmpiricalRisk(net, loss, X, targets, backend=lab.backend, dtype="float64")


def _rank_correlation(x: Any, y: Any) -> float:
    """That of Spearman (1904), with mean ranks where numbers are equal."""
    ranks = [np.array([np.mean(np.flatnonzero(np.sort(own) == one)) for one in own]) for own in (x, y)]
    (x, y), size = (own - own.mean() for own in ranks), len(ranks[0])
    return float(x @ y / (size * x.std() * y.std()))


def draw(result: Result) -> Any:
    figure, ((index, spread), (plane, line)) = panels(2, 2)
    index.plot(result["index"], result["errors"], "o", alpha=0.6)
    index.set(
        title="digits, 5-5-3 tanh: critical points", xlabel="share of negative eigenvalues", ylabel="error"
    )
    for width, values in result["tests"].items():
        spread.plot(np.full(len(values), width), values, "_", markersize=12, color="0.3")
    spread.set_xscale("log", base=2)
    spread.set(
        title="digits: restarts of 64-width-10", xlabel="hidden units", ylabel="test loss, 150 steps"
    )
    plotting.contours(result["plane"], plane, bar=False)
    plane.plot([0, 1, 0], [0, 0, 1], "o", color="white", markeredgecolor="black")
    plane.set_title("the plane through three minima of it")
    plotting.line(result["line"], line)
    line.set(title="from dead units to the best minimum known", xlabel="share of the way")
    return figure
