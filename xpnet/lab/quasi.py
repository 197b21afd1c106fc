"""Curvature can be learned from gradients alone, or taken from the residuals' first derivatives.

**The claim.** BFGS (Broyden; Fletcher; Goldfarb; Shanno 1970) learns the inverse Hessian of differences of
gradients: of a quadratic of n variables n steps with exact line searches know all. L-BFGS (Nocedal 1980)
keeps the last few pairs only, in `2 m P` numbers. A sum of squares needs no second derivatives either:
Levenberg-Marquardt (1944, 1963) solves `(J'J + lambda D) delta = -J'r`, long steps where its model is
right, short ones along the gradient where it is not.

**The prediction.** BFGS ends an n-dimensional quadratic within n + 1 steps with its inverse Hessian in
hand; L-BFGS that forgets nothing makes the same steps. Forgetting costs steps, ever fewer with the memory.
Differences of gradients give a Hessian to 1e-6, the R-operator (Pearlmutter 1994) to rounding.
Levenberg-Marquardt fits NIST's certified problems to six digits and more from both starts: the damping
rises where the model fails and then falls, and with it the steps become Newton's.

**Exercises.**

1. What becomes of BFGS with `search=Fixed(1.0)` on the quadratic? Which property does it lose first?
2. At which memory does L-BFGS on your own network take as many evaluations as BFGS? What does it cost?
3. Start BoxBOD at (1, 1) with `damping=1e-8`. What does the first step do, and what saves the run?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import BFGS, LBFGS, Exact, LeastSquares, LevenbergMarquardt, Quadratic
from xpnet.lab import COLOURS, LINES, MARKS, Lab, Result, at_least, at_most, panels, share

ROWS = ("22", "23", "24", "25")
QUICK: dict[str, Any] = {"sizes": (5, 20), "starts": 4, "problems": 8}
MEMORIES = (1, 2, 5, 10, 20, 50)
# NIST's Statistical Reference Datasets, nonlinear regression: data, two starts, certified parameters
SETS: dict[str, Any] = {
    "BoxBOD": (
        ((1, 2, 3, 5, 7, 10), (109, 149, 149, 191, 213, 224)),
        ((1, 1), (100, 0.75)),
        (213.80940889, 0.54723748542),
    ),
    "DanWood": (
        ((1.309, 1.471, 1.49, 1.565, 1.611, 1.68), (2.138, 3.421, 3.597, 4.34, 4.882, 5.66)),
        ((1, 5), (0.7, 4)),
        (0.76886226176, 3.8604055871),
    ),
    "Rat42": (
        (
            (9, 14, 21, 28, 42, 57, 63, 70, 79),
            (8.93, 10.8, 18.59, 22.33, 39.35, 56.11, 61.73, 64.62, 67.08),
        ),
        ((100, 1, 0.1), (75, 2.5, 0.07)),
        (72.462237576, 2.6180768402, 0.067359200066),
    ),
}


def run(lab: Lab, sizes: tuple[int, ...] = (5, 20, 50), starts: int = 12, problems: int = 25) -> Result:
    found: list[Any] = []
    ended: dict[int, Any] = {}
    for n in lab.each(sizes, "size"):
        A = _matrix(lab, n)
        bowl, w = Quadratic(A, backend=lab.backend), lab.random(n, 1).standard_normal(n)
        stop = xpnet.after(2 * n)
        learned = xpnet.minimize(bowl, BFGS(Exact(), scaled=False), lab.array(w), stop=stop, check_every=1)
        norms = learned.history.gradient_norm
        ended[n] = norms / norms[0]
        few = int(np.argmax(ended[n] < 1e-9)) or 2 * n
        wrong = lab.numpy(learned.state["inverse"]) @ A - np.eye(n)
        both = BFGS(Exact()), LBFGS(n, Exact(), scaling="first")
        pair = [lab.path(bowl, method, w, min(n, 10))[0] for method in both]
        found += [
            at_most("23", f"n = {n}: steps to a gradient of 1e-9", few, n + 1),
            at_most("23", f"n = {n}: A times its inverse, off 1", np.abs(wrong).max(), 1e-6),
            at_most("24", f"n = {n}: L-BFGS, off BFGS", np.abs(pair[0] - pair[1]).max(), 1e-6),
        ]

    risk = _risk(lab)
    w = risk.initialize(lab.seed, starts)
    whole: Any = lab.numpy(risk.hessian(w[0]))
    rough = lab.numpy(xpnet.difference_hessian(risk, w[0]))
    v: Any = lab.random(2).standard_normal(risk.network.size)
    off = np.abs(lab.numpy(risk.hessian_product(w[0], lab.array(v))) - whole @ v).max()
    scale = np.abs(whole).max()
    found += [
        at_most("22", "Hessian by differences, relative", np.abs(rough - whole).max() / scale, 1e-6),
        at_most(
            "22",
            "its product by the R-operator",
            off / scale,
            1e-10,
        ),
    ]
    counts: dict[str, Any] = {}
    stop = xpnet.gradient_below(1e-4) | xpnet.evaluations(1500)
    methods: dict[str, Any] = {str(m): LBFGS(m) for m in MEMORIES} | {"BFGS": BFGS()}
    for name, method in lab.each([*methods.items()], "memory"):
        runs = [xpnet.minimize(risk, method, w[k], stop=stop) for k in range(starts)]
        counts[name] = np.array([sum(one.evaluations.values()) for one in runs])
    medians = {name: float(np.median(count)) for name, count in counts.items()}
    found.append(at_least("24", "network: evaluations, memory 1 / 20", medians["1"] / medians["20"], 1.1))
    solved = [_solved(lab, problem) for problem in lab.each(xpnet.PROBLEMS[:problems], "problem")]
    found.append(share("24", "classic problems that L-BFGS solves", sum(solved), len(solved), 1.0))

    damping: dict[str, Any] = {}
    for name in lab.each([*SETS], "data set"):
        (x, y), beginnings, certified = SETS[name]
        fit = _fit(lab, name, lab.array(x), lab.array(y))
        for number, start in enumerate(beginnings, 1):
            damping[f"{name}, start {number}"], w = _damped(lab, fit, start)
            digits = -np.log10(np.max(np.abs(w / certified - 1)) + 1e-16)
            found.append(at_least("25", f"{name}, start {number}: correct digits", digits, 6))
    return Result({"ended": ended, "counts": counts, "damping": damping}, tuple(found))


def _matrix(lab: Lab, n: int) -> Any:
    turn = np.linalg.qr(lab.random(n, 0).standard_normal((n, n)))[0]
    return (turn * np.geomspace(1.0, 100.0, n)) @ turn.T


def _risk(lab: Lab) -> xpnet.EmpiricalRisk:
    X = lab.random(0).uniform(-2.0, 2.0, (100, 1))
    net = xpnet.Network(1, xpnet.Dense(10, "tanh"), xpnet.Dense(1))
    where: dict[str, Any] = {"backend": lab.backend, "dtype": "float64", "penalty": xpnet.L2(1e-4)}
    return xpnet.EmpiricalRisk(net, "squared_error", X, np.sin(3.0 * X), **where)


def _solved(lab: Lab, problem: xpnet.Problem) -> bool:
    objective, start = problem.objective(backend=lab.backend), lab.array(problem.start)
    ended = xpnet.minimize(objective, LBFGS(), start, stop=xpnet.evaluations(20000))
    return problem.solved(float(ended.value))


def _fit(lab: Lab, name: str, x: Any, y: Any) -> LeastSquares:
    def residuals(xp: Any, w: Any) -> Any:
        a, b, c = w[..., :1], w[..., 1:2], w[..., -1:]
        if name == "BoxBOD":
            return a * (1.0 - xp.exp(-b * x)) - y
        return (a * xp.exp(b * xp.log(x)) if name == "DanWood" else a / (1.0 + xp.exp(b - c * x))) - y

    return LeastSquares(residuals, backend=lab.backend)


def _damped(lab: Lab, fit: LeastSquares, start: Any) -> tuple[Any, Any]:
    """The damping at each step, and where they end."""
    method, w, seen = LevenbergMarquardt(), lab.array(start), list[float]()
    ended = xpnet.minimize(fit, method, w, stop=xpnet.after(200))
    state = method.initialize(fit, w)
    for _ in range(ended.steps):
        seen.append(float(state["control"][0]))
        method.step(fit, w, state)
    return np.array(seen), lab.numpy(ended.w)


def draw(result: Result) -> Any:
    figure, ((steps, memory, damping),) = panels(1, 3)
    for k, (n, norms) in enumerate(result["ended"].items()):
        steps.semilogy(np.maximum(norms, 1e-14), linestyle=LINES[k], marker=MARKS[k], label=f"n = {n}")
    steps.set(title="BFGS on quadratics, exact search", xlabel="step", ylabel="gradient norm / first")
    memory.boxplot([*result["counts"].values()], tick_labels=[*result["counts"]])
    memory.set(title="network: to a gradient of 1e-4", xlabel="memory of L-BFGS", ylabel="evaluations")
    for k, (name, values) in enumerate(result["damping"].items()):
        damping.semilogy(values, color=COLOURS[k // 2], linestyle=LINES[k % 2], label=name)
    damping.set(title="NIST: damping of Levenberg-Marquardt", xlabel="step", ylabel="lambda")
    steps.legend()
    damping.legend(loc="upper right", ncols=1, fontsize=8)
    return figure
