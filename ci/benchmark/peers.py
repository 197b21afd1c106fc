"""The other libraries, for contestants.py: the same steps by PyTorch, JAX with optax, scikit-learn."""

import os

from workloads import ADAM_RATE, MOMENTUM, RATE

GPU = os.environ.get("XPNET_BACKEND", "numpy").startswith("cupy")


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
    targets = torch.from_numpy(workload.targets).to(device)
    fused = {} if GPU else {"fused": True}  # the fastest there is on a CPU
    if workload.optimizer == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=ADAM_RATE, **fused)
    else:
        settings = {"lr": RATE, "momentum": MOMENTUM, "nesterov": True}
        optimizer = torch.optim.SGD(model.parameters(), **settings, **fused)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def loss_of(X, targets):
        if workload.regression:
            return 0.5 * (model(X) - targets).square().sum(axis=1).mean()
        return cross_entropy(model(X), targets)

    run = torch.compile(loss_of) if compiled else loss_of

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = run(X, targets)
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
    X, targets = jnp.asarray(workload.X), jnp.asarray(workload.targets)
    if workload.optimizer == "adam":
        optimizer = optax.adam(ADAM_RATE)
    else:
        optimizer = optax.sgd(RATE, MOMENTUM, nesterov=True)
    state = optimizer.init(parameters)

    def loss_of(parameters, X, targets):
        y = X
        for W, b in parameters[:-1]:
            y = activation(y @ W + b)
        W, b = parameters[-1]
        if workload.regression:
            return 0.5 * jnp.square(y @ W + b - targets).sum(axis=1).mean()
        return optax.softmax_cross_entropy_with_integer_labels(y @ W + b, targets).mean()

    @jax.jit
    def step(parameters, state, X, targets):
        loss, gradient = jax.value_and_grad(loss_of)(parameters, X, targets)
        updates, state = optimizer.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss

    def steps(n):
        nonlocal parameters, state
        for _ in range(n):
            parameters, state, loss = step(parameters, state, X, targets)
        jax.block_until_ready(parameters)
        return float(loss)

    return steps, {"version": jax.__version__, "device": str(jax.devices()[0])}


def sklearn(workload):
    import warnings

    import sklearn
    from sklearn.neural_network import MLPClassifier

    if GPU:
        raise ImportError("runs on CPUs only")
    if workload.regression:
        raise ImportError("takes part where there are classes")
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
    model.fit(workload.X, workload.targets)
    for coefficients, W in zip(model.coefs_, workload.weights(), strict=True):
        coefficients[...] = W.T
    for array in (*model.intercepts_, *model._optimizer.velocities):
        array[...] = 0

    def steps(n):
        model.max_iter = n
        model.fit(workload.X, workload.targets)
        return model.loss_

    return steps, {"version": sklearn.__version__}
