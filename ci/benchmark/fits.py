"""The suite of fits: a regression network trained by second-order methods until its loss is at most 1e-3.

The loss is half the mean square error, and begins at .36. Everyone starts from the same weights; a "step"
is a whole fit. PyTorch, and SciPy on PyTorch's gradient, stop in the very evaluation that reaches the loss;
xpnet at the end of the step that does; scikit-learn, which asks nobody in between, after the number of
iterations that it needs, found beforehand.
"""

import contextlib
import itertools
import warnings

import numpy as np

WARM_UP = 1
WORKLOADS = ["float32", "float64"]
GOAL_LOSS = 1e-3
GOAL = 0.7
UNITS = [10, 30, 30, 1]
SAMPLES = 5_000


def named(workload):
    """Inputs, targets and weights `(outputs, inputs)`, of the dtype `workload`."""
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (SAMPLES, UNITS[0]))
    u, v, w = random.standard_normal((3, UNITS[0]))
    y = np.sin(X @ u) + 0.5 * np.cos(X @ v) * np.tanh(X @ w)
    pairs = itertools.pairwise(UNITS)
    weights = [random.uniform(-1, 1, (o, i)) * (6 / (i + o)) ** 0.5 for i, o in pairs]
    return [X.astype(workload), y.astype(workload), [part.astype(workload) for part in weights]]


def xpnet(workload, name):
    import xpnet

    X, y, weights = workload
    hidden = [xpnet.Dense(units, "tanh") for units in UNITS[1:-1]]
    network = xpnet.Network(UNITS[0], *hidden, xpnet.Dense(1))
    risk = xpnet.EmpiricalRisk(network, xpnet.SquaredError(), X, y, backend="numpy", dtype=X.dtype.name)
    start = np.zeros(network.size, X.dtype)
    for number, part in enumerate(weights):
        start[network.layout.slice(f"{number}.weights")] = part.ravel()
    details = {"chunk": risk.chunk, "threads": risk.threads}

    def steps(n):
        for _ in range(n):
            stop = xpnet.value_below(GOAL_LOSS) | xpnet.after(3000)
            run = xpnet.minimize(risk, name, start.copy(), stop=stop)
        if run.value > GOAL_LOSS:
            raise RuntimeError(f"the fit ended at {run.value}: {run.reason}")
        details.update(evaluations=run.evaluations, steps=run.steps)
        return run.value

    return steps, details


class _Reached(Exception):
    """The loss is low enough."""


def _torch_model(workload):
    """A function without arguments that makes loss and gradient, the parameters, and a reset."""
    import torch

    torch.set_num_threads(2)
    X, y = torch.from_numpy(workload[0]), torch.from_numpy(workload[1])[:, None]
    layers = [torch.nn.Linear(i, o, dtype=X.dtype) for i, o in itertools.pairwise(UNITS)]
    model = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1], torch.nn.Tanh(), layers[2])
    parameters = list(model.parameters())
    details = {"version": torch.__version__, "threads": torch.get_num_threads()}

    def reset():
        details["evaluations"] = 0
        with torch.no_grad():
            for layer, part in zip(layers, workload[2], strict=True):
                layer.weight.copy_(torch.from_numpy(part))
                layer.bias.zero_()

    def loss():
        details["evaluations"] += 1
        for parameter in parameters:
            parameter.grad = None
        value = 0.5 * torch.nn.functional.mse_loss(model(X), y)
        value.backward()
        details["loss"] = value.item()
        if details["loss"] <= GOAL_LOSS:
            raise _Reached
        return value

    return loss, parameters, reset, details


def _repeated(reset, fit, details):
    def steps(n):
        for _ in range(n):
            reset()
            with contextlib.suppress(_Reached):
                fit()
        return details["loss"]

    return steps, details


def torch(workload):
    import torch

    loss, parameters, reset, details = _torch_model(workload)

    def fit():
        optimizer = torch.optim.LBFGS(
            parameters,
            max_iter=10**6,
            max_eval=10**6,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=10,
            line_search_fn="strong_wolfe",
        )
        optimizer.step(loss)

    return _repeated(reset, fit, details)


def scipy(workload):
    import scipy.optimize
    import torch

    loss, parameters, reset, details = _torch_model(workload)

    def value_and_gradient(w):
        torch.nn.utils.vector_to_parameters(torch.from_numpy(w).to(parameters[0].dtype), parameters)
        value = loss().item()
        return value, torch.cat([p.grad.ravel() for p in parameters]).numpy().astype(float)

    def fit():
        start = torch.nn.utils.parameters_to_vector(parameters).detach().numpy().astype(float)
        options = {"maxiter": 10**6, "maxfun": 10**6, "ftol": 0, "gtol": 0, "maxcor": 10}
        scipy.optimize.minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)

    return _repeated(reset, fit, details)


def sklearn(workload):
    import sklearn
    from sklearn.neural_network import MLPRegressor

    warnings.simplefilter("ignore")
    X, y, weights = workload
    model = MLPRegressor(
        hidden_layer_sizes=UNITS[1:-1],
        activation="tanh",
        solver="lbfgs",
        alpha=0,
        tol=0,
        max_fun=10**6,
        max_iter=1,
        warm_start=True,
    )
    model.fit(X, y)

    def loss_after(iterations):
        for own, part in zip(model.coefs_, weights, strict=True):
            own[...] = part.T
        for own in model.intercepts_:
            own[...] = 0
        model.max_iter = iterations
        model.fit(X, y)
        return model.loss_

    low, high = 1, 2
    while loss_after(high) > GOAL_LOSS:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if loss_after(middle) > GOAL_LOSS else (low, middle)

    def steps(n):
        for _ in range(n):
            loss = loss_after(high)
        return loss

    return steps, {"version": sklearn.__version__, "iterations": high}


CONTESTANTS = {
    "xpnet L-BFGS": lambda workload: xpnet(workload, "lbfgs"),
    "xpnet L-M": lambda workload: xpnet(workload, "levenberg-marquardt"),
    "PyTorch LBFGS": torch,
    "SciPy L-BFGS-B": scipy,
    "scikit-learn": sklearn,
}


def comparisons(workload, seconds):
    """What is to be read from the times: `(text, ratio, goal or None)`."""
    peers = [value for name, value in seconds.items() if not name.startswith("xpnet")]
    for name, value in seconds.items():
        if name.startswith("xpnet") and peers:
            yield f"{name} / the best of the others", value / min(peers), GOAL
