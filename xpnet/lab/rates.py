"""The largest curvature decides whether gradient descent converges, and the smallest how fast.

**The claim.** On `1/2 a w^2 + b w + c` a step multiplies the error by `1 - eta a`: monotone below the best
rate `1/a`, oscillating up to `2/a`, divergent beyond. Of more variables each axis has its own factor: the
steepest decides whether it converges, the flattest how fast, and their ratio, the condition number, how
slow that must be (Cauchy 1847; Boyd, Vandenberghe 2004, chapter 9; Nesterov 2004).

**The prediction.** What is not quadratic has these factors in the end, with `a = E''` at the minimum.
Where the error falls by `R` a step, `log(1/eps) / log(1/R)` steps are enough. Of a convex function with
curvatures up to `1/eta`, `f_k - f* <= |w_0 - w*|^2 / (2 eta k)`, which says little: a logistic unit is far
below. A rate for each component, `1/a_ii`, ends a diagonal quadratic in one step. On a network's risk
the full gradient converges where minibatches at a constant rate jitter; too large a rate cannot make it
diverge, as its outputs are bounded: from some starts it jitters, from others it puts the units out of work,
where all gradients vanish, and from none does it get where a small rate does.

**Exercises.**

1. What does `eta = 2 / (l_1 + l_n)` do to the errors along the flattest and the steepest axis?
2. Which `w_0` makes gradient descent on a quadratic of condition number 1000 end in one step?
3. Halve the rate of the minibatches. By how much do the values jitter less?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import Formula, GradientDescent, Minibatch, Quadratic, analysis, plotting
from xpnet.lab import LINES, MARKS, Lab, Result, at_most, equal, holds, panels, reported, share

ROWS = ("16", "17", "18", "19", "37", "40", "41", "42", "43")
QUICK: dict[str, Any] = {"kappas": (10, 100), "steps": 300}
FACTORS = {0.5: 0.5, 1.0: 0.0, 1.5: -0.5, 2.0: -1.0, 2.1: -1.1}  # of the error, at eta / eta_opt
COURSES = {0.5: "converging", 2.0: "jittering", 2.1: "diverging"}
NAMES = ("full gradient", "batches of 10", "a rate of 300")
CURVATURES = np.array([1.0, 6.0, 20.0])


def run(lab: Lab, kappas: tuple[int, ...] = (10, 30, 100, 300, 1000), steps: int = 1000) -> Result:
    found: list[Any] = []
    where: dict[str, Any] = {"backend": lab.backend}

    def descend(objective: xpnet.Objective, rate: Any, w: Any, count: int) -> Any:
        return lab.path(objective, GradientDescent(rate), w, count)[0]

    line, cup, least = Quadratic([[4.0]], [-4.0], **where), Formula(_cup, **where), np.log([2.0]) / 3
    near = float(analysis.optimal_rate(cup, lab.array(least))[0])
    regimes = {ratio: descend(line, ratio / 4, [3.0], 40)[:, 0] - 1.0 for ratio in FACTORS}
    for ratio, factor in FACTORS.items():
        error = regimes[ratio]
        off = np.abs(error[1:] - factor * error[:-1]).max() / np.abs(error).max()
        found.append(at_most("17", f"eta = {ratio} / a: off the factor {factor}", off, 1e-12))
        if ratio in COURSES:
            course = analysis.outcome(error, 0.0)
            found.append(holds("37", f"eta = {ratio} / a: {COURSES[ratio]}", course == COURSES[ratio]))
        if abs(factor) == 0.5:
            bend = (descend(cup, ratio * near, least + 0.1, 20) - least)[:, 0]
            found.append(
                equal("18", f"exp, {ratio} / E'': a step leaves", bend[15] / bend[14], factor, 1e-3)
            )

    bowl, ones = Quadratic(np.diag(CURVATURES), **where), np.ones(3)
    path, at = descend(bowl, 0.09, ones, 30), lab.array(ones)
    off = np.abs(path[1:] - (1 - 0.09 * CURVATURES) * path[:-1]).max()
    named = [axis.regime for axis in analysis.axes(CURVATURES, 0.09)]
    ends = [np.abs(descend(bowl, rate, ones, 200)[-1]).max() for rate in (0.099, 0.101)]
    best = lab.numpy(analysis.optimal_rate(bowl, at))
    once = descend(bowl, lab.array(best), ones, 2)[1]
    exact = lab.path(bowl, xpnet.SteepestDescent(xpnet.Exact()), ones, 2)[0][1]
    along = 1 - analysis.optimal_rate(bowl, at, "gradient") * CURVATURES
    tilted = lab.random(0).standard_normal((3, 3)) + 5.0 * np.eye(3)
    pair = [descend(Quadratic(A, ones, **where), 0.1, ones, 50) for A in (tilted, (tilted + tilted.T) / 2)]
    condition, theirs = analysis.condition_number(bowl, at), np.linalg.cond(np.diag(CURVATURES))
    found += [
        at_most("19", "off each axis' factor", off, 1e-12),
        holds("19", "two monotone, one oscillating", named == ["monotone", "monotone", "oscillating"]),
        holds("19", "below 2 min eta_i it converges, above not", bool(ends[0] < 1 < ends[1])),
        at_most("41", "a rate for each component: one step leaves", np.abs(once).max(), 1e-15),
        at_most("41", "along the gradient: off the exact search", np.abs(exact - along).max(), 1e-12),
        at_most("42", "A and its symmetric part: paths differ", np.abs(pair[0] - pair[1]).max(), 1e-12),
        equal("43", "condition number", condition, theirs, 1e-9),
        equal("43", "ratio of the best rates", best.max() / best.min(), theirs, 1e-9),
    ]
    counted: dict[int, tuple[int, float]] = {}
    for k in lab.each(kappas, "condition number"):
        slope = Quadratic(np.diag([1.0, k]), **where)
        norms, heights, _ = lab.path(slope, GradientDescent(2 / (1 + k)), np.ones(2), 7 * k + 10)
        norm, most = np.linalg.norm(norms, axis=1), np.log(1e6) / np.log((k + 1) / (k - 1))
        counted[k] = int(np.argmax(norm <= 1e-6 * norm[0])), most
        found.append(at_most("40", f"k = {k}: steps / bound", counted[k][0] / np.ceil(most), 1.0))
        off = np.abs(analysis.convergence_rates(heights) - ((k - 1) / (k + 1)) ** 2).max()
        found.append(at_most("16", f"k = {k}: R of the values, off ((k - 1) / (k + 1))^2", off, 1e-9))
    found.append(equal("16", "k = 100: steps to 1e-6 of the distance", counted[100][0], 691))

    X = lab.random(1).standard_normal((300, 2)) * (1.0, 0.3)
    right = (X[:, 0] + lab.random(2).standard_normal(300) > 0).astype(float)
    where["dtype"] = "float64"
    unit, inputs = xpnet.Network(2, xpnet.Dense(1, "sigmoid")), np.c_[X, np.ones(300)]
    logistic = xpnet.EmpiricalRisk(unit, "binary_cross_entropy", X, right, **where)
    rate = 4 / np.linalg.eigvalsh(inputs.T @ inputs / 300).max()  # its curvature is below 1 / rate
    bottom = xpnet.minimize(logistic, "newton", lab.array(np.zeros(3)), stop=xpnet.gradient_below(1e-12))
    values = lab.path(logistic, GradientDescent(rate), np.zeros(3), steps)[1] - float(bottom.value)
    bound = analysis.sublinear_bound(float(np.linalg.norm(lab.numpy(bottom.w))), rate, steps - 1)
    found.append(at_most("40", "logistic unit: largest error / bound", (values[1:] / bound).max(), 1.0))

    net = xpnet.Network(2, xpnet.Dense(8, "tanh"), xpnet.Dense(1, "sigmoid"))
    risk, curves = xpnet.EmpiricalRisk(net, "squared_error", X, right, **where), dict[str, Any]()
    batches = Minibatch(GradientDescent(2.0), 10, seed=lab.seed)
    for method in (GradientDescent(0.2), batches, GradientDescent(300.0)):
        points = lab.path(risk, method, lab.numpy(risk.initialize(lab.seed)), steps)[0]
        curves[NAMES[len(curves)]] = lab.numpy(risk.value(lab.array(points)))
    words = [analysis.outcome(curve) for curve in curves.values()]
    found.append(holds("37", "network: the full gradient converges", words[0] == "converging"))
    found.append(holds("37", "network: minibatches jitter", words[1] == "jittering"))
    many, stop = risk.initialize(lab.seed, 20), xpnet.after(steps)
    small, wild = (
        xpnet.minimize(risk, GradientDescent(rate), many, stop=stop, check_every=1).history
        for rate in (2.0, 300.0)
    )
    worse, idle = wild.value[-1] > small.value[-1], int(np.sum(wild.gradient_norm[-1] < 1e-4))
    found += [
        holds("37", "rate of 300: no start diverges", "diverging" not in analysis.outcome(wild.value)),
        share("37", "rate of 300: a larger risk in the end than at 2", int(np.sum(worse)), 20, 0.9),
        reported("37", "rate of 300: out of work, of 20 starts", idle),
    ]
    valley = Quadratic(np.diag([1.0, 20.0]), backend=lab.backend)
    paths = {f"eta = {ratio} / L": descend(valley, ratio / 20, [1.0, 0.5], 40) for ratio in (0.5, 1.9)}
    plane = analysis.plane(valley, analysis.coordinate_frame([0, 0], 0, 1), around=list(paths.values()))
    numbers: Any = {"regimes": regimes, "path": path, "counted": counted, "values": values, "bound": bound}
    return Result(numbers | {"curves": curves, "plane": plane, "paths": paths}, tuple(found))


def _cup(xp: Any, w: Any) -> Any:
    return xp.exp(w[..., 0]) + xp.exp(-2.0 * w[..., 0])


def draw(result: Result) -> Any:
    figure, ((five, surface, bounds), (axes, counts, network)) = panels(2, 3)
    for k, (ratio, error) in enumerate(result["regimes"].items()):
        five.plot(error[:13], linestyle=LINES[k], marker=MARKS[k], label=f"eta = {ratio} / a")
    five.set(title="five regimes of one parabola", xlabel="step", ylabel="error", ylim=(-12, 7.5))
    plotting.contours(result["plane"], surface, paths=result["paths"], bar=False)
    surface.set_title("k = 20, 40 steps")
    bounds.loglog(np.maximum(result["values"], 1e-16), label="logistic unit")
    bounds.loglog(range(1, len(result["values"])), result["bound"], "--", label="bound of convex ones")
    bounds.set(title="error beside its bound", xlabel="step", ylabel="error of the value")
    for k, curvature in enumerate(CURVATURES):
        axes.plot(result["path"][:, k], linestyle=LINES[k], label=f"curvature {curvature:g}")
    axes.set(title="each axis, at one rate of .09", xlabel="step", ylabel="error")
    kappas, both = [*result["counted"]], np.array([*result["counted"].values()])
    counts.loglog(kappas, both[:, 0], "o", label="counted")
    counts.loglog(kappas, both[:, 1], label="log(1/eps) / log(1/R)")
    counts.set(title="steps to 1e-6 of the distance", xlabel="condition number", ylabel="steps")
    for k, (name, curve) in enumerate(result["curves"].items()):
        network.semilogy(curve, linestyle=LINES[k], linewidth=1, label=name)
    network.set(title="network: the risk at each step", xlabel="step", ylabel="risk")
    for panel in (five, bounds, axes, counts, network):
        panel.legend()
    return figure
