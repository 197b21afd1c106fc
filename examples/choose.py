"""Trains two small networks with every optimizer and prints what it took to reach the same risk.

A classifier, 200 of scikit-learn's digits, 64-8-10 tanh, to a cross-entropy of 0.05; and a regression, 200
points of a function of two variables, 2-10-10-1 tanh, to half a mean squared error of 1e-3. A cell is the
number of evaluations (values, gradients and products with second derivatives alike, so that a whole Hessian
is as many as there are parameters), the seconds of processor time, and the rate; or a dash where it did not
get there in 10,000 evaluations. First-order optimizers have a rate to choose: five are tried as replicas,
which is not counted, and the best is shown. `python examples/choose.py` is how ci/results/networks.txt is
made.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import xpnet

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
    """The rate that is first to reach `target`; if none does, the one that comes nearest."""
    w = np.tile(objective.network.initialize(0, "numpy", "float64"), (len(RATES), 1))
    stop = xpnet.value_below(target) | xpnet.after(500)
    run = xpnet.minimize(objective, dataclasses.replace(optimizer, rate=RATES[:, None]), w, stop=stop)
    reached = run.history.value <= target
    steps = np.where(reached.any(axis=0), reached.argmax(axis=0), run.steps)
    return float(RATES[np.lexsort((run.best_value, steps))[0]])


def reach(problem: str, name: str) -> tuple[int | None, float, float | None]:
    """Evaluations (None if too many), seconds, and the rate where there is one to choose."""
    objective, target = PROBLEMS[problem]()
    optimizer, rate = xpnet.optimizers.NAMES[name], None
    if isinstance(optimizer, xpnet.FirstOrder):
        rate = best_rate(objective, target, optimizer)
        optimizer = dataclasses.replace(optimizer, rate=rate)
    w = objective.network.initialize(0, "numpy", "float64")
    start = time.process_time()
    stop = xpnet.value_below(target) | xpnet.evaluations(LIMIT) | xpnet.after(LIMIT)
    run = xpnet.minimize(objective, optimizer, w, stop=stop)
    seconds = time.process_time() - start
    return sum(run.evaluations.values()) if run.best_value <= target else None, seconds, rate


def table() -> Iterator[str]:
    yield f"{'evaluations / seconds':26}" + "".join(f"{problem:>26}" for problem in PROBLEMS)
    for name in NAMES:
        cells = []
        for problem in PROBLEMS:
            count, seconds, rate = reach(problem, name)
            text = "-" if count is None else f"{count} / {seconds:.2f}"
            cells.append(text if rate is None or count is None else f"{text} / rate {rate:.2g}")
        yield f"{name:26}" + "".join(f"{cell:>26}" for cell in cells)


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
