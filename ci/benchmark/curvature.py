"""The suite of curvature: products with second derivatives beside the gradient of the same risk."""

import numpy as np
from contestants import details_of, xpnet_risk
from race import KERNELS
from report import compared
from workloads import named

__all__ = ["CONTESTANTS", "NAMES", "WORKLOADS", "comparisons", "named"]

GOALS = {"Hessian product": 2.5, "Gauss-Newton product": 2.0}
WORKLOADS = [
    "5000x10-30-30-2",
    "1000x2-20-20-2",
    "4096x64-256-256-10",
    "20000x784-256-10",
    "4096x32-64-64-64-64-10",
]
DIRECTIONS = 8


def contestant(kind, directions=None):
    def make(workload):
        risk, w, backend = xpnet_risk(workload)
        shape = w.shape if directions is None else (directions, *w.shape)
        v = np.random.default_rng(2).standard_normal(shape).astype(w.dtype)

        def steps(n):
            for _ in range(n):
                if kind == "gradient":
                    risk.value_and_gradient(w)
                else:
                    getattr(risk, kind)(w, v)

        return steps, details_of(risk, backend)

    return make


CONTESTANTS = {
    "gradient": contestant("gradient"),
    "Hessian product": contestant("hessian_product"),
    "Gauss-Newton product": contestant("gauss_newton_product"),
    f"{DIRECTIONS} Hessian products": contestant("hessian_product", DIRECTIONS),
    f"{DIRECTIONS} Gauss-Newton products": contestant("gauss_newton_product", DIRECTIONS),
}


NAMES = [f"{name} {kernels}" for kernels in KERNELS for name in CONTESTANTS]


def comparisons(workload, entries):
    """What is to be read from the times."""
    for name in NAMES:
        own, _, kernels = name.rpartition(" ")
        if own != "gradient":
            base = f"gradient {kernels}"
            yield from compared(entries, name, [base], f"{name} / {base}", GOALS.get(own))
