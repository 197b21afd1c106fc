"""Curvature can be learned from gradients alone, or taken from the residuals' first derivatives.

**The claim.** BFGS (Broyden; Fletcher; Goldfarb; Shanno 1970) learns the inverse Hessian of differences of
gradients: of a quadratic of n variables n steps with exact line searches know all. L-BFGS (Nocedal 1980)
keeps the last few pairs only, in `2 m P` numbers. A sum of squares needs no second derivatives either:
Levenberg-Marquardt (1944, 1963) solves `(J'J + lambda D) delta = -J'r`, long steps where its model is
right, short ones along the gradient where it is not.

**The prediction.** BFGS ends an n-dimensional quadratic within n + 1 steps with its inverse Hessian in
hand; L-BFGS that forgets nothing makes the same steps. Forgetting costs steps, ever fewer with the memory.
Differences of gradients give a Hessian to 1e-6, the R-operator (Pearlmutter 1994) to rounding.
Levenberg-Marquardt fits NIST's 27 certified problems to six digits and more from both starts, but for one
of the far ones, MGH10's: the damping rises where the model fails and then falls, and with it the steps
become those of Gauss and Newton. On a network it needs fewer evaluations than BFGS, each step of which
costs less: it makes no matrix of all outputs' derivatives, and solves no system of P equations.

**Exercises.**

1. What becomes of BFGS with `search=Fixed(1.0)` on the quadratic? Which property does it lose first?
2. At which memory does L-BFGS on your own network take as many evaluations as BFGS? What does it cost?
3. Start BoxBOD at (1, 1) with `damping=1e-8`. What does the first step do, and what saves the run?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import BFGS, LBFGS, Exact, LevenbergMarquardt, Quadratic
from xpnet.lab import COLOURS, LINES, MARKS, Lab, Result, at_least, at_most, nist, panels, share

ROWS = ("22", "23", "24", "25")
QUICK: dict[str, Any] = {"sizes": (5, 20), "starts": 4, "problems": 8, "sets": 8}
MEMORIES = (1, 2, 5, 10, 20, 50)
SHOWN = (("Chwirut1", 0), ("BoxBOD", 0), ("BoxBOD", 1))  # whose damping is drawn


def run(
    lab: Lab, sizes: tuple[int, ...] = (5, 20, 50), starts: int = 12, problems: int = 25, sets: int = 27
) -> Result:
    found: list[Any] = []
    ended: dict[int, Any] = {}
    for n in lab.each(sizes, "size"):
        A = _matrix(lab, n)
        bowl, w = Quadratic(A, backend=lab.backend), lab.random(n, 1).standard_normal(n)
        stop = xpnet.after(n + 1)  # the last of which learns the n-th pair
        learned = xpnet.minimize(bowl, BFGS(Exact(), scaled=False), lab.array(w), stop=stop, check_every=1)
        norms = learned.history.gradient_norm
        ended[n] = norms / norms[0]
        few = np.sum(ended[n] > 1e-9)
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
    methods["LM"] = LevenbergMarquardt()
    for name, method in lab.each([*methods.items()], "memory"):
        runs = [xpnet.minimize(risk, method, w[k], stop=stop) for k in range(starts)]
        counts[name] = np.array([sum(one.evaluations.values()) for one in runs])
    medians = {name: float(np.median(count)) for name, count in counts.items()}
    found.append(at_least("24", "network: evaluations, memory 1 / 20", medians["1"] / medians["20"], 1.1))
    gain = medians["BFGS"] / medians["LM"]
    found.append(at_least("25", "network: evaluations, BFGS / Levenberg-Marquardt", gain, 1.2))
    solved = [_solved(lab, problem) for problem in lab.each(xpnet.PROBLEMS[:problems], "problem")]
    found.append(share("24", "classic problems that L-BFGS solves", sum(solved), len(solved), 1.0))

    names, right, damping = [*nist.SETS][:sets], dict[str, Any](), dict[str, Any]()
    for name in lab.each(names, "data set"):
        right[name] = tuple(_digits(lab, name, number) for number in range(2))
    missed = sum(digits < 6 for both in right.values() for digits in both)
    found.append(at_most("25", f"NIST: without 6 right digits, of {2 * len(names)} runs", missed, 1))
    for name, number in SHOWN:
        values = damping[f"{name}, start {number + 1}"] = _damping(lab, name, number)
        if number == 0:
            found.append(
                at_least("25", f"{name}, far start: damping, largest / first", values.max() / values[0], 10)
            )
        found.append(at_most("25", f"{name}, start {number + 1}: least damping", values.min(), 1e-6))
    return Result({"ended": ended, "counts": counts, "damping": damping, "right": right}, tuple(found))


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


def _digits(lab: Lab, name: str, number: int) -> float:
    """How many digits Levenberg-Marquardt gets right from one of the two starts."""
    stop, start = xpnet.evaluations(5000) | xpnet.after(5000), lab.array(nist.SETS[name]["starts"][number])
    run = xpnet.minimize(nist.objective(name, lab.backend), LevenbergMarquardt(), start, stop=stop)
    return nist.digits(name, lab.numpy(run.w))


def _damping(lab: Lab, name: str, number: int) -> Any:
    """The damping before each step."""
    fit, w = nist.objective(name, lab.backend), lab.array(nist.SETS[name]["starts"][number])
    method, seen = LevenbergMarquardt(), list[float]()
    many = xpnet.minimize(fit, method, w, stop=xpnet.after(200)).steps
    state = method.initialize(fit, w)
    for _ in range(many):
        seen.append(float(state["control"][0]))
        method.step(fit, w, state)
    return np.array(seen)


def draw(result: Result) -> Any:
    figure, ((steps, memory), (damping, fits)) = panels(2, 2)
    for k, (n, norms) in enumerate(result["ended"].items()):
        steps.semilogy(np.maximum(norms, 1e-14), linestyle=LINES[k], marker=MARKS[k], label=f"n = {n}")
    steps.set(title="BFGS on quadratics, exact search", xlabel="step", ylabel="gradient norm / first")
    memory.boxplot([*result["counts"].values()], tick_labels=[*result["counts"]])
    memory.set(
        title="network: to a gradient of 1e-4", xlabel="memory of L-BFGS, or method", ylabel="evaluations"
    )
    for k, (name, values) in enumerate(result["damping"].items()):
        damping.semilogy(values, linestyle=LINES[k], marker=MARKS[k], markersize=4, label=name)
    damping.set(title="NIST: damping of Levenberg-Marquardt", xlabel="step", ylabel="lambda")
    digits = np.array([*result["right"].values()])
    for number, mark in enumerate(MARKS[:2]):
        fits.plot(digits[:, number], mark, color=COLOURS[number], label=("far start", "near start")[number])
    fits.axhline(6, color="black", linewidth=1)
    fits.set(title="NIST: right digits of the worst parameter", xlabel="problem", ylabel="digits")
    fits.set_xticks(range(len(digits)), [*result["right"]], rotation=90)
    for panel in (steps, damping, fits):
        panel.legend()
    return figure
