"""The suite of update kernels: one step of an optimizer whose gradient costs nothing.

A workload is an optimizer and a number of float32 parameters, such as "adam 1e7". The "loss" is the sum of
the parameters' magnitudes, by which it is seen that all take the same steps. A copy moves as many bytes
as the update must read and write, on one thread and on two.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from report import compared

THREADS = 2
PEERS_GOAL, COPY_GOAL = 1.0, 1.2
MOVED = {  # arrays that an update reads, and those of them that it writes
    "momentum": (3, 2),  # point, gradient, velocity
    "nesterov": (3, 2),
    "rmsprop": (3, 2),
    "adam": (4, 3),
    "rprop": (4, 3),  # with the last gradient and the step sizes
    "gradient descent": (2, 1),
    "adagrad": (3, 2),
    "adamw": (4, 3),
    "adadelta": (4, 3),
}
OPTIMIZERS = tuple(MOVED)
WORKLOADS = [f"{optimizer} {size}" for size in ("1e5", "1e7") for optimizer in OPTIMIZERS]
# where large arrays lie in the machine's memory makes up to a factor of 2: each begins in several places
ORDERS = {workload: 4 for workload in WORKLOADS if workload.endswith("1e7")}
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

    return steps, {"device": backend.describe(), "kernels": getattr(backend, "kernels", "numpy")}


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


def copy(workload, threads):
    """Copies half of the bytes that the update reads and writes, as a copy reads and writes each."""
    name, w, _ = workload
    source = np.ones(len(w) * sum(MOVED[name]) // 2, np.float32)
    target = np.zeros_like(source)
    ends = [len(source) * k // threads for k in range(threads + 1)]
    parts = [(target[a:b], source[a:b]) for a, b in itertools.pairwise(ends)]
    pool = ThreadPoolExecutor(max(1, threads - 1))

    def steps(n):
        for _ in range(n):
            others = [pool.submit(np.copyto, *part) for part in parts[1:]]
            np.copyto(*parts[0])
            for other in others:
                other.result()

    return steps, {"megabytes": 2e-6 * source.nbytes}


CONTESTANTS = {
    "xpnet": xpnet,
    "PyTorch fused": lambda workload: torch(workload, fused=True),
    "PyTorch foreach": lambda workload: torch(workload, foreach=True),
    "PyTorch default": torch,
    "a copy": lambda workload: copy(workload, 1),
    "a copy, two threads": lambda workload: copy(workload, THREADS),
}
NAMES = ["xpnet numba", "xpnet numpy", *list(CONTESTANTS)[1:]]


def comparisons(workload, entries):
    """What is to be read from the times."""
    torch_names = [name for name in entries if name.startswith("PyTorch")]
    copies = [name for name in entries if name.startswith("a copy")]
    for kernels, peers_goal, copy_goal in (("numba", PEERS_GOAL, COPY_GOAL), ("numpy", None, None)):
        name = f"xpnet {kernels}"
        yield from compared(entries, name, torch_names, f"{name} / PyTorch's best", peers_goal)
        yield from compared(entries, name, copies, f"{name} / a copy of the same bytes", copy_goal)
