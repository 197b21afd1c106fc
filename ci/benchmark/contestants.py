"""Who takes part: each makes, of a workload, a function that takes steps of its optimizer.

`make(workload)` returns `(steps, describe)`: `steps(n)` takes n steps of full-gradient training and returns
the loss at the last point where the gradient was taken, with all work finished; `describe` is a dict.
"""

import math

import numpy as np
from peers import GPU, jax, sklearn, torch, torch_compiled, torch_graphed
from workloads import ADAM_RATE, MOMENTUM, RATE, named

__all__ = ["CONTESTANTS", "named", "torch_graphed"]


def xpnet_risk(workload, **options):
    import xpnet

    backend = xpnet.backend("numpy" if not GPU else None)
    hidden = [xpnet.Dense(units, workload.activation) for units in workload.units[1:-1]]
    if workload.regression:
        last, divergence = xpnet.Dense(workload.units[-1]), xpnet.SquaredError()
    else:
        last, divergence = xpnet.Dense(workload.units[-1], "softmax"), xpnet.CrossEntropy()
    network = xpnet.Network(workload.units[0], *hidden, last)
    risk = xpnet.EmpiricalRisk(
        network, divergence, workload.X, workload.targets, backend=backend, **options
    )
    flat = np.zeros(network.size, np.float32)
    for number, weights in enumerate(workload.weights()):
        flat[network.layout.slice(f"{number}.weights")] = weights.ravel()
    return risk, backend.asarray(flat), backend


def optimizer_of(workload):
    import xpnet

    return xpnet.Adam(ADAM_RATE) if workload.optimizer == "adam" else xpnet.Nesterov(RATE, MOMENTUM)


def details_of(risk, backend):
    kernels = getattr(backend, "kernels", "numpy")
    return {"chunk": risk.chunk, "threads": risk.threads, "kernels": kernels, "device": backend.describe()}


def xpnet(workload, **options):
    risk, w, backend = xpnet_risk(workload, **options)
    optimizer = optimizer_of(workload)
    state = optimizer.initialize(risk, w)

    def steps(n):
        for _ in range(n):
            record = optimizer.step(risk, w, state)
        backend.synchronize()
        return float(record.value)

    return steps, details_of(risk, backend)


def iterate(workload):
    """xpnet with all that its loop does: tests for finite numbers, the best point, counts."""
    import xpnet

    risk, w, backend = xpnet_risk(workload)
    records = xpnet.iterate(risk, optimizer_of(workload), w)

    def steps(n):
        for _ in range(n):
            record = next(records)
        backend.synchronize()
        return float(record.value)

    return steps, details_of(risk, backend)


def minimize(workload, **options):
    """xpnet as most people call it; that a run begins, and ends with a value, counts too."""
    import xpnet

    risk, w, backend = xpnet_risk(workload)
    optimizer, state = optimizer_of(workload), None

    def steps(n):
        nonlocal w, state
        run = xpnet.minimize(risk, optimizer, w, stop=xpnet.after(n), state=state, in_place=True, **options)
        w, state = run.w, run.state
        backend.synchronize()
        return float(run.history.value[-1])

    return steps, details_of(risk, backend) | {"least": 8}


def graphed(workload):
    """The same with the steps between looks as launches of one CUDA graph, recorded in each run."""
    return minimize(workload, graph=True)


def floor(workload):
    """xpnet's own matrix products alone: the same shapes, chunks and threads, nothing else."""
    from xpnet.device.blas import hold_blas
    from xpnet.device.threads import run_all

    risk, _, backend = xpnet_risk(workload)
    X, chunks, threads = backend.asarray(workload.X), math.ceil(risk.samples / risk.chunk), risk.threads
    groups = [range(chunks * k // threads, chunks * (k + 1) // threads) for k in range(threads)]
    xp, weights = backend.xp, [backend.asarray(part) for part in workload.weights()]
    random = np.random.default_rng(0)
    signals = [
        backend.asarray(random.standard_normal((units, risk.chunk), np.float32)) for units in workload.units
    ]

    def group(numbers):
        for number in numbers:
            part = slice(number * risk.chunk, min((number + 1) * risk.chunk, risk.samples))
            count = part.stop - part.start
            inputs = [X[part].T, *(signal[:, :count] for signal in signals[1:])]
            for W, y in zip(weights, inputs, strict=False):
                xp.matmul(W, y)
            for k in reversed(range(len(weights))):
                xp.matmul(inputs[k + 1], inputs[k].T)
                if k:
                    xp.matmul(weights[k].T, inputs[k + 1])

    def steps(n):
        for _ in range(n):
            with hold_blas():
                run_all([lambda g=g: group(g) for g in groups], threads)
        backend.synchronize()

    return steps, {}


def naive(workload):
    """The textbook on whole batches, samples first, as one would write it in NumPy."""
    if workload.regression or workload.optimizer != "nesterov":
        raise ImportError("is written for classes and Nesterov's method")
    if GPU:
        import cupy as xp
    else:
        xp = np
    X, labels = xp.asarray(workload.X), xp.asarray(workload.targets)
    W = [xp.asarray(part).T.copy() for part in workload.weights()]
    b = [xp.zeros(part.shape[1], np.float32) for part in W]
    parameters = [*W, *b]
    velocities = [xp.zeros_like(part) for part in parameters]
    tanh = workload.activation == "tanh"
    rows = xp.arange(len(X))

    def steps(n):
        for _ in range(n):
            for p, v in zip(parameters, velocities, strict=True):
                p += MOMENTUM * v
            ys = [X]
            for k, (w, c) in enumerate(zip(W, b, strict=True)):
                z = ys[-1] @ w + c
                if k < len(W) - 1:
                    z = xp.tanh(z) if tanh else xp.maximum(z, 0)
                ys.append(z)
            e = xp.exp(z - z.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            loss = -xp.log(p[rows, labels]).mean()
            dz = p
            dz[rows, labels] -= 1
            dz /= len(X)
            gradients = []
            for k in reversed(range(len(W))):
                gradients.append((ys[k].T @ dz, dz.sum(axis=0)))
                if k:
                    slope = 1 - ys[k] ** 2 if tanh else ys[k] > 0
                    dz = (dz @ W[k].T) * slope
            gradients = gradients[::-1]
            flat = [g[0] for g in gradients] + [g[1] for g in gradients]
            for p, v, g in zip(parameters, velocities, flat, strict=True):
                p -= RATE * g
                v *= MOMENTUM
                v -= RATE * g
        return float(loss)

    return steps, {}


CONTESTANTS = {
    "xpnet": xpnet,
    "xpnet iterate": iterate,
    "xpnet minimize": minimize,
    "its products": floor,
    "NumPy": naive,
    "PyTorch": torch,
    "PyTorch compiled": torch_compiled,
    "JAX": jax,
    "scikit-learn": sklearn,
}
