"""The suite of update kernels: one step of an optimizer whose gradient costs nothing.

A workload is an optimizer and a number of float32 parameters, such as "adam 1e7". The "loss" is the sum of
the parameters' magnitudes, by which it is seen that all take the same steps.
"""

import numpy as np

THREADS = 2
GOALS = dict.fromkeys(("momentum", "nesterov", "rmsprop", "adam", "rprop"), 1.0)
OPTIMIZERS = (*GOALS, "gradient descent", "adagrad", "adamw", "adadelta")
WORKLOADS = [f"{optimizer} {size}" for size in ("1e5", "1e7") for optimizer in OPTIMIZERS]
RATE = 1e-3


def named(workload):
    """The optimizer's name, parameters, and two gradients to be taken in turn."""
    optimizer, _, size = workload.rpartition(" ")
    random = np.random.default_rng(0)
    w, *gradients = (random.standard_normal(int(float(size)), np.float32) for _ in range(3))
    return optimizer, w, gradients


def xpnet(workload):
    import xpnet

    name, w, gradients = workload
    optimizer = {
        "gradient descent": xpnet.GradientDescent(RATE),
        "momentum": xpnet.Momentum(RATE, 0.9),
        "nesterov": xpnet.Nesterov(RATE, 0.9),
        "rmsprop": xpnet.RMSprop(RATE, 0.9),
        "adagrad": xpnet.Adagrad(RATE),
        "adam": xpnet.Adam(RATE),
        "adamw": xpnet.Adam(RATE, weight_decay=0.01),
        "adadelta": xpnet.Adadelta(1.0),
        "rprop": xpnet.Rprop(rate=RATE),
    }[name]

    class Given(xpnet.objectives.Objective):
        def value(self, w):
            return 0.0

        def value_and_gradient(self, w):
            return 0.0, gradients[state["step"] % 2]

    backend, objective = xpnet.backend("numpy"), Given()
    state = optimizer.initialize(objective, w)

    def steps(n):
        for _ in range(n):
            optimizer.step(objective, w, state)
        # of PyTorch's Nesterov too, what is compared is the point ahead
        return float(np.abs(state.get("ahead", w)).sum(dtype=float)) if n == 5 else None

    return steps, {"device": backend.describe()}


def torch(workload, **kind):
    import torch

    name, w, gradients = workload
    torch.set_num_threads(THREADS)
    parameter = torch.nn.Parameter(torch.from_numpy(w))
    make, options = {
        "gradient descent": (torch.optim.SGD, {}),
        "momentum": (torch.optim.SGD, {"momentum": 0.9}),
        "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9}),
        "adagrad": (torch.optim.Adagrad, {}),
        "adam": (torch.optim.Adam, {}),
        "adamw": (torch.optim.AdamW, {"weight_decay": 0.01}),
        "adadelta": (torch.optim.Adadelta, {"lr": 1.0}),
        "rprop": (torch.optim.Rprop, {}),
    }[name]
    try:
        optimizer = make([parameter], **{"lr": RATE} | options | kind)
    except TypeError as error:
        raise ImportError(f"{make.__name__} has no such implementation") from error
    gradients = [torch.from_numpy(gradient) for gradient in gradients]
    taken = 0

    def steps(n):
        nonlocal taken
        for _ in range(n):
            parameter.grad = gradients[taken % 2]
            optimizer.step()
            taken += 1
        return float(np.abs(w).sum(dtype=float)) if n == 5 else None

    return steps, {"version": torch.__version__, "threads": torch.get_num_threads()}


CONTESTANTS = {
    "xpnet": xpnet,
    "PyTorch fused": lambda workload: torch(workload, fused=True),
    "PyTorch foreach": lambda workload: torch(workload, foreach=True),
    "PyTorch default": torch,
}


def comparisons(workload, seconds):
    """What is to be read from the times: `(text, ratio, goal or None)`."""
    peers = [value for name, value in seconds.items() if name.startswith("PyTorch")]
    if "xpnet" in seconds and peers:
        goal = GOALS.get(workload.rpartition(" ")[0])
        yield "xpnet / PyTorch's best", seconds["xpnet"] / min(peers), goal
