"""Who takes part: each makes, of a workload, a function that takes Nesterov steps.

`make(workload)` returns `(steps, describe)`: `steps(n)` takes n steps of full-gradient training and returns
the loss at the last point where the gradient was taken, with all work finished; `describe` is a dict.
"""

import math
import os

import numpy as np
from workloads import MOMENTUM, RATE, named

__all__ = ["CONTESTANTS", "named"]

GPU = os.environ.get("XPNET_BACKEND", "numpy").startswith("cupy")


def xpnet_risk(workload, **options):
    import xpnet

    backend = xpnet.backend("numpy" if not GPU else None)
    hidden = [xpnet.Dense(units, workload.activation) for units in workload.units[1:-1]]
    network = xpnet.Network(workload.units[0], *hidden, xpnet.Dense(workload.units[-1], "softmax"))
    risk = xpnet.EmpiricalRisk(
        network, xpnet.CrossEntropy(), workload.X, workload.labels, backend=backend, **options
    )
    flat = np.zeros(network.size, np.float32)
    for number, weights in enumerate(workload.weights()):
        flat[network.layout.slice(f"{number}.weights")] = weights.ravel()
    return risk, backend.asarray(flat), backend


def xpnet(workload, **options):
    import xpnet

    risk, w, backend = xpnet_risk(workload, **options)
    optimizer = xpnet.Nesterov(RATE, MOMENTUM)
    state = optimizer.initialize(risk, w)

    def steps(n):
        for _ in range(n):
            record = optimizer.step(risk, w, state)
        backend.synchronize()
        return float(record.value)

    details = {"chunk": risk.chunk, "threads": risk.threads, "device": backend.describe()}
    return steps, details


def iterate(workload):
    """xpnet with all that its loop does: tests for finite numbers, the best point, counts."""
    import xpnet

    risk, w, backend = xpnet_risk(workload)
    records = xpnet.iterate(risk, xpnet.Nesterov(RATE, MOMENTUM), w)

    def steps(n):
        for _ in range(n):
            record = next(records)
        backend.synchronize()
        return float(record.value)

    return steps, {}


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
    if GPU:
        import cupy as xp
    else:
        xp = np
    X, labels = xp.asarray(workload.X), xp.asarray(workload.labels)
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


def torch(workload, *, compiled=False, graphed=False):
    import torch

    if GPU and not torch.cuda.is_available():
        raise ImportError("PyTorch finds no GPU")
    device = "cuda" if GPU else "cpu"
    activation = torch.nn.Tanh if workload.activation == "tanh" else torch.nn.ReLU
    layers = []
    for weights in workload.weights():
        layer = torch.nn.Linear(weights.shape[1], weights.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weights))
            layer.bias.zero_()
        layers += [layer, activation()]
    model = torch.nn.Sequential(*layers[:-1]).to(device)
    X = torch.from_numpy(workload.X).to(device)
    labels = torch.from_numpy(workload.labels).to(device)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, nesterov=True)

    def loss_of(X, labels):
        return criterion(model(X), labels)

    run = torch.compile(loss_of) if compiled else loss_of

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = run(X, labels)
        loss.backward()
        optimizer.step()
        return loss

    if graphed:
        step = torch_graph(step, model, optimizer)

    def steps(n):
        for _ in range(n):
            loss = step()
        if GPU:
            torch.cuda.synchronize()
        return loss.item()

    return steps, {"version": torch.__version__, "threads": torch.get_num_threads()}


def torch_compiled(workload):
    return torch(workload, compiled=True)


def torch_graphed(workload):
    return torch(workload, graphed=True)


def torch_graph(step, model, optimizer):
    """The whole `step` as one CUDA graph; SGD, with no numbers on the host, can be captured as it is."""
    import torch

    start = [parameter.detach().clone() for parameter in model.parameters()]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # the warm-up that a capture needs
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()
    with torch.no_grad():  # back to where everyone starts
        for parameter, values in zip(model.parameters(), start, strict=True):
            parameter.copy_(values)
            optimizer.state[parameter]["momentum_buffer"].zero_()

    def replay():
        graph.replay()
        return loss

    return replay


def jax(workload):
    import jax
    import jax.numpy as jnp
    import optax

    if GPU and jax.default_backend() == "cpu":
        raise ImportError("JAX finds no GPU")
    activation = jnp.tanh if workload.activation == "tanh" else jax.nn.relu
    parameters = [(jnp.asarray(W.T), jnp.zeros(W.shape[0])) for W in workload.weights()]
    X, labels = jnp.asarray(workload.X), jnp.asarray(workload.labels)
    optimizer = optax.sgd(RATE, MOMENTUM, nesterov=True)
    state = optimizer.init(parameters)

    def loss_of(parameters, X, labels):
        y = X
        for W, b in parameters[:-1]:
            y = activation(y @ W + b)
        W, b = parameters[-1]
        return optax.softmax_cross_entropy_with_integer_labels(y @ W + b, labels).mean()

    @jax.jit
    def step(parameters, state, X, labels):
        loss, gradient = jax.value_and_grad(loss_of)(parameters, X, labels)
        updates, state = optimizer.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss

    def steps(n):
        nonlocal parameters, state
        for _ in range(n):
            parameters, state, loss = step(parameters, state, X, labels)
        jax.block_until_ready(parameters)
        return float(loss)

    return steps, {"version": jax.__version__, "device": str(jax.devices()[0])}


def sklearn(workload):
    import warnings

    import sklearn
    from sklearn.neural_network import MLPClassifier

    if GPU:
        raise ImportError("runs on CPUs only")
    if workload.units[-1] == 2:
        raise ImportError("gives two classes one output, which is another problem")
    warnings.simplefilter("ignore")
    model = MLPClassifier(
        workload.units[1:-1],
        activation=workload.activation,
        solver="sgd",
        alpha=0,
        batch_size=len(workload.X),
        learning_rate_init=RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=True,
        shuffle=False,
        tol=0,
        n_iter_no_change=10**9,
        warm_start=True,
        max_iter=1,
    )
    model.fit(workload.X, workload.labels)
    for coefficients, W in zip(model.coefs_, workload.weights(), strict=True):
        coefficients[...] = W.T
    for array in (*model.intercepts_, *model._optimizer.velocities):
        array[...] = 0

    def steps(n):
        model.max_iter = n
        model.fit(workload.X, workload.labels)
        return model.loss_

    return steps, {"version": sklearn.__version__}


CONTESTANTS = {
    "xpnet": xpnet,
    "xpnet iterate": iterate,
    "its products": floor,
    "NumPy": naive,
    "PyTorch": torch,
    "PyTorch compiled": torch_compiled,
    "JAX": jax,
    "scikit-learn": sklearn,
}
