"""Trains two small networks with every optimizer and prints what it took to reach the same risk.

A classifier, 200 of scikit-learn's digits, 64-8-10 tanh, to a cross-entropy of 0.05; and a regression,
200 points of a function of two variables, 2-10-10-1 tanh, to half a mean squared error of 1e-3; each from
ten starts. A cell is the median over the starts of the number of evaluations (values, gradients and
products with second derivatives alike, so that a whole Hessian is as many as there are parameters) and of
the seconds of processor time, and the rate. Starts that did not get there in 10,000 evaluations count as
slower than all others, and the cell says how many did; a dash stands for a median that did not. First-
order optimizers have a rate to choose, one for all starts: five are tried from three of these, as
replicas, which is not counted, and the best is shown. `python examples/choose.py` is how
ci/results/networks.txt is made.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import xpnet

STARTS, RATE_STARTS = 10, 3
RATES = 10.0 ** np.arange(-2, 0.5, 0.5)
LIMIT = 10_000
NAMES = [name for name in xpnet.optimizers.NAMES if name != "perceptron"]


def risk(network: xpnet.Network, divergence: xpnet.Divergence, X: np.ndarray, d: np.ndarray):
    return xpnet.EmpiricalRisk(network, divergence, X, d, backend="numpy", dtype="float64")


def digits() -> tuple[xpnet.EmpiricalRisk, float]:
    X, d = load_digits(return_X_y=True)
    network = xpnet.Network(64, xpnet.Dense(8, "tanh"), xpnet.Dense(10, "softmax"))
    return risk(network, xpnet.CrossEntropy(), X[:200] / 16, d[:200]), 0.05


def regression() -> tuple[xpnet.EmpiricalRisk, float]:
    X = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    d = np.sin(3 * X[:, 0]) * np.cos(2 * X[:, 1])
    network = xpnet.Network(2, xpnet.Dense(10, "tanh"), xpnet.Dense(10, "tanh"), xpnet.Dense(1))
    return risk(network, xpnet.SquaredError(), X, d), 1e-3


PROBLEMS = {"digits": digits, "regression": regression}


def best_rate(objective: xpnet.EmpiricalRisk, target: float, optimizer: xpnet.FirstOrder) -> float:
    """The rate whose median start reaches `target` first; if none does in 500 steps, comes nearest."""
    starts = objective.network.initialize(0, "numpy", "float64", replicas=RATE_STARTS)
    w, rates = np.tile(starts, (len(RATES), 1)), np.repeat(RATES, RATE_STARTS)[:, None]
    stop = xpnet.value_below(target) | xpnet.after(500)
    run = xpnet.minimize(objective, dataclasses.replace(optimizer, rate=rates), w, stop=stop)
    reached = run.history.value <= target
    steps = np.where(reached.any(axis=0), reached.argmax(axis=0), run.steps)
    shape = len(RATES), RATE_STARTS
    medians = [np.median(numbers.reshape(shape), axis=1) for numbers in (run.best_value, steps)]
    return float(RATES[np.lexsort(medians)[0]])


def reach(
    objective: xpnet.EmpiricalRisk, target: float, optimizer: xpnet.Optimizer, seed: int
) -> tuple[float, float]:
    """Evaluations, infinitely many if too many, and seconds."""
    w = objective.network.initialize(seed, "numpy", "float64")
    start = time.process_time()
    stop = xpnet.value_below(target) | xpnet.evaluations(LIMIT) | xpnet.after(LIMIT)
    run = xpnet.minimize(objective, optimizer, w, stop=stop)
    seconds = time.process_time() - start
    return sum(run.evaluations.values()) if run.best_value <= target else math.inf, seconds


def cell(problem: str, name: str) -> str:
    objective, target = PROBLEMS[problem]()
    optimizer, rate = xpnet.optimizers.NAMES[name], ""
    if isinstance(optimizer, xpnet.FirstOrder):
        best = best_rate(objective, target, optimizer)
        optimizer, rate = dataclasses.replace(optimizer, rate=best), f" / rate {best:.2g}"
    counts, seconds = zip(
        *[reach(objective, target, optimizer, seed) for seed in range(STARTS)], strict=True
    )
    solved, count = sum(map(math.isfinite, counts)), np.median(counts)
    text = f"{count:.0f} / {np.median(seconds):.2f}{rate}" if math.isfinite(count) else "-"
    return text if solved == STARTS else f"{text} ({solved} of {STARTS})"


def table() -> Iterator[str]:
    yield f"{'evaluations / seconds':22}" + "".join(f"{problem:>36}" for problem in PROBLEMS)
    for name in NAMES:
        yield f"{name:22}" + "".join(f"{cell(problem, name):>36}" for problem in PROBLEMS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="a file to write the table to as well")
    arguments = parser.parse_args()
    lines = []
    for line in table():
        print(line, flush=True)
        lines.append(line)
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
