"""The suite of curvature: products with second derivatives beside the gradient of the same risk."""

import numpy as np
from contestants import xpnet_risk
from workloads import named

__all__ = ["CONTESTANTS", "WORKLOADS", "comparisons", "named"]

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
        risk, w, _ = xpnet_risk(workload)
        shape = w.shape if directions is None else (directions, *w.shape)
        v = np.random.default_rng(2).standard_normal(shape).astype(w.dtype)

        def steps(n):
            for _ in range(n):
                if kind == "gradient":
                    risk.value_and_gradient(w)
                else:
                    getattr(risk, kind)(w, v)

        return steps, {"chunk": risk.chunk, "threads": risk.threads}

    return make


CONTESTANTS = {
    "gradient": contestant("gradient"),
    "Hessian product": contestant("hessian_product"),
    "Gauss-Newton product": contestant("gauss_newton_product"),
    f"{DIRECTIONS} Hessian products": contestant("hessian_product", DIRECTIONS),
    f"{DIRECTIONS} Gauss-Newton products": contestant("gauss_newton_product", DIRECTIONS),
}


def comparisons(workload, seconds):
    """What is to be read from the times: `(text, ratio, goal or None)`."""
    for name, value in seconds.items():
        if name != "gradient" and "gradient" in seconds:
            yield f"{name} / gradient", value / seconds["gradient"], GOALS.get(name)
