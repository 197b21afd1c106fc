"""Runs every optimizer on the classic test problems and prints what it took.

A cell is the number of evaluations (values, gradients and products with second derivatives alike) until the
value was within 1e-8 of a known minimum, or a dash where 3,000 were not enough. First-order optimizers
have a rate to choose: they run with seven rates at once, as replicas, and the first to arrive counts, so
for them the search for the rate is not counted. It is how ci/results/problems.txt is made.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import xpnet

LIMIT = 3000
RATES = 10.0 ** np.arange(-6, 1)[:, None]
FIRST_ORDER = {
    "GD": xpnet.GradientDescent(RATES),
    "momentum": xpnet.Momentum(RATES),
    "Nesterov": xpnet.Nesterov(RATES),
    "Rprop": xpnet.Rprop(rate=RATES),
    "QuickProp": xpnet.QuickProp(RATES),
    "RMSprop": xpnet.RMSprop(RATES),
    "Adagrad": xpnet.Adagrad(RATES),
    "Adam": xpnet.Adam(RATES),
    "Adadelta": xpnet.Adadelta(RATES),
}
OTHERS = {
    "steepest": xpnet.SteepestDescent(),
    "CG PR+": xpnet.NonlinearCG(),
    "CG HZ": xpnet.NonlinearCG("HZ"),
    "BFGS": xpnet.BFGS(),
    "L-BFGS": xpnet.LBFGS(),
    "Newton": xpnet.Newton(),
    "damped": xpnet.Newton("damp"),
    "Newton-CG": xpnet.NewtonCG(),
    "trust": xpnet.TrustRegion(),
    "trust CG": xpnet.TrustRegion("cg"),
    "GN": xpnet.GaussNewton(),
    "LM": xpnet.LevenbergMarquardt(),
}


class Rotated:
    """A rotated quadratic of 10 parameters, condition number `kappa`, minimum 0 at the origin."""

    def __init__(self, kappa: float) -> None:
        random = np.random.default_rng(0)
        rotation, _ = np.linalg.qr(random.standard_normal((10, 10)))
        A = rotation * np.geomspace(1, kappa, 10) @ rotation.T
        self.name, self.A = f"quadratic, kappa {kappa:g}", (A + A.T) / 2
        self.start = tuple(random.standard_normal(10))

    def objective(self, backend: str) -> xpnet.Quadratic:
        return xpnet.Quadratic(self.A, backend=backend)

    def solved(self, value: float) -> bool:
        return value <= 1e-8


PROBLEMS = [*xpnet.PROBLEMS, *(Rotated(kappa) for kappa in (10, 100, 1e6))]


def evaluations(problem, optimizer: xpnet.Optimizer) -> int | None:
    """How many it takes until `problem` is solved; None if more than LIMIT."""
    watched = Watched(problem)
    w = np.array(problem.start)
    if hasattr(getattr(optimizer, "rate", None), "shape"):
        w = np.tile(w, (len(RATES), 1))
    state = None
    try:
        with np.errstate(all="ignore"):
            state = optimizer.initialize(watched, w)
            while watched.count < LIMIT:
                record = optimizer.step(watched, w, state)
                if record.endings and all(record.endings):
                    break
    except Solved:
        return watched.count
    return None


class Solved(Exception):
    pass


class Watched(xpnet.Objective):
    """Counts evaluations, and ends the run once a value is a minimum."""

    def __init__(self, problem) -> None:
        self.problem, self.inner, self.count = problem, problem.objective("numpy"), 0
        self.lacks = ~self.inner.offers

    def _told(self, value):
        self.count += 1
        if any(np.isfinite(v) and self.problem.solved(v) for v in np.ravel(value)):
            raise Solved
        return value

    def value(self, w):
        return self._told(self.inner.value(w))

    def value_and_gradient(self, w):
        value, gradient = self.inner.value_and_gradient(w)
        return self._told(value), gradient

    def normal_equations(self, w):
        value, *rest = self.inner.normal_equations(w)
        return self._told(value), *rest

    def hessian_product(self, w, v):
        self.count += len(v) if v.ndim > w.ndim else 1
        return self.inner.hessian_product(w, v)

    def gauss_newton_product(self, w, v):
        self.count += len(v) if v.ndim > w.ndim else 1
        return self.inner.gauss_newton_product(w, v)


def table(optimizers: dict[str, xpnet.Optimizer]) -> list[str]:
    lines = [f"{'':26}" + "".join(f"{name:>10}" for name in optimizers)]
    solved = dict.fromkeys(optimizers, 0)
    for problem in PROBLEMS:
        cells = []
        for name, optimizer in optimizers.items():
            count = evaluations(problem, optimizer)
            solved[name] += count is not None
            cells.append("-" if count is None else str(count))
        lines.append(f"{problem.name:26}" + "".join(f"{cell:>10}" for cell in cells))
    lines.append(f"{f'solved, of {len(PROBLEMS)}':26}" + "".join(f"{n:>10}" for n in solved.values()))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="a file to write the tables to as well")
    arguments = parser.parse_args()
    lines = [*table(OTHERS), "", f"the best of {len(RATES)} rates", "", *table(FIRST_ORDER)]
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
