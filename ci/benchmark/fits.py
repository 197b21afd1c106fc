"""The suite of fits: regression networks trained by second-order methods until their loss is low enough.

The loss is half the mean square error. Everyone starts from the same weights; a "step" is a whole fit.
PyTorch, and SciPy on PyTorch's derivatives, stop in the very evaluation that reaches the loss; xpnet at the
end of the step that does; scikit-learn, which asks nobody in between, after the number of iterations that
it needs, found beforehand. What Levenberg-Marquardt multiplies and factorises is also done alone: as many
products J'J of such blocks, and solutions of such equations, as xpnet needs, on as many threads.
"""

import contextlib
import itertools
from dataclasses import dataclass

import numpy as np
from fit_peers import least_squares, least_squares_only, scipy, sklearn, torch
from race import KERNELS
from report import Comparison, compared, times

WARM_UP = 1
SAME_LOSS = False  # as each ends below a bound


@dataclass(frozen=True)
class Problem:
    samples: int
    units: list[int]
    loss: float  # to be reached
    least_squares: bool = True  # whether Levenberg-Marquardt takes part


PROBLEMS = {
    "10-30-30-1": Problem(5_000, [10, 30, 30, 1], 1e-3),
    "1-10-1": Problem(2_000, [1, 10, 1], 1e-3, least_squares=False),
}
WORKLOADS = [f"{name} {dtype}" for name in PROBLEMS for dtype in ("float32", "float64")]
PEERS_GOAL = 0.4  # of L-BFGS: of the best of the others
SMALL_GOAL = 1.0  # the same on 1-10-1: not slower than scikit-learn
ALONE_GOAL, SCIPY_GOAL = 1.2, 0.5  # of Levenberg-Marquardt
LM, ALONE, LEAST_SQUARES = "xpnet L-M", "its J'J and solutions", "SciPy least_squares"


@dataclass(frozen=True)
class Workload:
    problem: Problem
    X: np.ndarray
    y: np.ndarray
    weights: list[np.ndarray]  # (outputs, inputs)


def named(workload):
    """A problem and a dtype, such as "1-10-1 float32"."""
    name, _, dtype = workload.partition(" ")
    problem = PROBLEMS[name]
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (problem.samples, problem.units[0]))
    if name == "1-10-1":
        y = np.sin(4 * X[:, 0]) + 0.5 * X[:, 0] ** 2
    else:
        u, v, w = random.standard_normal((3, problem.units[0]))
        y = np.sin(X @ u) + 0.5 * np.cos(X @ v) * np.tanh(X @ w)
    pairs = itertools.pairwise(problem.units)
    weights = [random.uniform(-1, 1, (o, i)) * (6 / (i + o)) ** 0.5 for i, o in pairs]
    return Workload(problem, X.astype(dtype), y.astype(dtype), [part.astype(dtype) for part in weights])


def xpnet_risk(workload):
    import xpnet

    units = workload.problem.units
    hidden = [xpnet.Dense(count, "tanh") for count in units[1:-1]]
    network = xpnet.Network(units[0], *hidden, xpnet.Dense(units[-1]))
    dtype = workload.X.dtype.name
    risk = xpnet.EmpiricalRisk(
        network, xpnet.SquaredError(), workload.X, workload.y, backend="numpy", dtype=dtype
    )
    start = np.zeros(network.size, dtype)
    for number, part in enumerate(workload.weights):
        start[network.layout.slice(f"{number}.weights")] = part.ravel()
    return risk, start


def xpnet(workload, name):
    import xpnet

    risk, start = xpnet_risk(workload)
    goal = workload.problem.loss
    kernels = getattr(risk.backend, "kernels", "numpy")
    details = {"chunk": risk.chunk, "threads": risk.threads, "kernels": kernels}

    def steps(n):
        for _ in range(n):
            stop = xpnet.value_below(goal) | xpnet.after(3000)
            run = xpnet.minimize(risk, name, start.copy(), stop=stop)
        if run.value > goal:
            raise RuntimeError(f"the fit ended at {run.value}: {run.reason}")
        details.update(evaluations=run.evaluations, iterations=run.steps)
        return run.value

    return steps, details


def levenberg_marquardt(workload):
    least_squares_only(workload)
    return xpnet(workload, "levenberg-marquardt")


def alone(workload):
    """The products and the solutions of a fit of Levenberg-Marquardt's, which is watched first."""
    from xpnet.device.blas import blas_threads, hold_blas
    from xpnet.device.threads import run_all
    from xpnet.objectives.risk.squares import JACOBIAN_BYTES, MATRIX_GROUPS

    least_squares_only(workload)
    risk, start = xpnet_risk(workload)
    linalg, kind = risk.backend.xp.linalg, type(risk)
    done = []  # "products", or what solved an equation and the number of BLAS's threads then
    kept = {name: getattr(linalg, name) for name in ("solve", "cholesky", "inv")}
    equations = kind.normal_equations

    def watched(name):
        def call(*arguments, **options):
            done.append((name, max(blas_threads(), default=1)))
            return kept[name](*arguments, **options)

        return call

    def counted(self, w):
        done.append(("products", 1))
        return equations(self, w)

    try:
        kind.normal_equations = counted
        for name in kept:
            setattr(linalg, name, watched(name))
        fit, _ = xpnet(workload, "levenberg-marquardt")
        fit(1)
    finally:
        kind.normal_equations = equations
        for name, function in kept.items():
            setattr(linalg, name, function)

    samples, size, dtype = workload.problem.samples, len(start), workload.X.dtype
    groups = min(MATRIX_GROUPS, samples)
    ends = [samples * k // groups for k in range(groups + 1)]
    rows = max(16, JACOBIAN_BYTES // (size * dtype.itemsize))
    random = np.random.default_rng(0)
    blocks = [
        [random.standard_normal((min(rows, b - at), size), dtype) for at in range(a, b, rows)]
        for a, b in itertools.pairwise(ends)
    ]
    matrix = blocks[0][0].T @ blocks[0][0] + np.eye(size, dtype=dtype)
    vector = np.ones((size, 1), dtype)
    threads = min(groups, risk.threads)

    def products(group):
        return sum(block.T @ block for block in group)

    def steps(n):
        for _ in range(n):
            for name, blas in done:
                with hold_blas() if blas == 1 else contextlib.nullcontext():
                    if name == "products":
                        run_all([lambda g=g: products(g) for g in blocks], threads)
                    elif name == "solve":
                        np.linalg.solve(matrix, vector)
                    else:
                        getattr(np.linalg, name)(matrix)

    counts = {name: sum(what == name for what, _ in done) for name in ("products", *kept)}
    return steps, counts | {"threads": threads, "blas_threads": sorted({blas for _, blas in done})}


CONTESTANTS = {
    "xpnet L-BFGS": lambda workload: xpnet(workload, "lbfgs"),
    LM: levenberg_marquardt,
    ALONE: alone,
    LEAST_SQUARES: least_squares,
    "PyTorch LBFGS": torch,
    "SciPy L-BFGS-B": scipy,
    "scikit-learn": sklearn,
}
OURS = ("xpnet L-BFGS", LM)
NAMES = [*(f"{name} {kernels}" for kernels in KERNELS for name in OURS), *list(CONTESTANTS)[len(OURS) :]]
PEERS = ("PyTorch LBFGS", "SciPy L-BFGS-B", "scikit-learn")


def comparisons(workload, entries):
    """What is to be read from the times."""
    small = workload.startswith("1-10-1")
    for kernels in KERNELS:
        goals = kernels == "numba"
        name = f"xpnet L-BFGS {kernels}"
        text = f"{name} / the best of the others"
        yield from compared(entries, name, PEERS, text, PEERS_GOAL if goals and not small else None)
        text = f"{name} / scikit-learn"
        yield from compared(entries, name, ["scikit-learn"], text, SMALL_GOAL if goals and small else None)
        yield from each_iteration(entries, name, "scikit-learn")
        name = f"{LM} {kernels}"
        yield from compared(entries, name, [ALONE], f"{name} / {ALONE}", ALONE_GOAL if goals else None)
        text = f"{name} / {LEAST_SQUARES} on PyTorch's Jacobian"
        yield from compared(entries, name, [LEAST_SQUARES], text, SCIPY_GOAL if goals else None)


def each_iteration(entries, ours, theirs):
    """The ratio of the times of an iteration, where both say how many they needed."""
    counts = [entries.get(name, {}).get("details", {}).get("iterations") for name in (ours, theirs)]
    if all(counts) and all(times(entries, [name], "seconds") for name in (ours, theirs)):
        text = f"{ours} / {theirs}, an iteration ({counts[0]} and {counts[1]} of them)"
        for found in compared(entries, ours, [theirs], text):
            share = counts[1] / counts[0]
            yield Comparison(text, found.ratio * share, found.best * share)
