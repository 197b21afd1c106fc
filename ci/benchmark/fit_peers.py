"""The other libraries, for fits.py: each makes a function that fits a workload's network so many times."""

import contextlib
import itertools
import warnings

import numpy as np

TR_SOLVER = "exact"  # which is faster here than "lsmr"


def least_squares_only(workload):
    if not workload.problem.least_squares:
        raise ImportError("takes part in the larger problem")


class _Reached(Exception):
    """The loss is low enough."""


def _torch_model(workload):
    """A function without arguments that makes loss and gradient, the parameters, and a reset."""
    import torch

    torch.set_num_threads(2)
    X, y = torch.from_numpy(workload.X), torch.from_numpy(workload.y)[:, None]
    pairs = itertools.pairwise(workload.problem.units)
    layers = [torch.nn.Linear(i, o, dtype=X.dtype) for i, o in pairs]
    parts = [part for layer in layers for part in (layer, torch.nn.Tanh())]
    model = torch.nn.Sequential(*parts[:-1])
    parameters = list(model.parameters())
    details = {"version": torch.__version__, "threads": torch.get_num_threads()}

    def reset():
        details["evaluations"] = 0
        with torch.no_grad():
            for layer, part in zip(layers, workload.weights, strict=True):
                layer.weight.copy_(torch.from_numpy(part))
                layer.bias.zero_()

    def loss():
        details["evaluations"] += 1
        for parameter in parameters:
            parameter.grad = None
        value = 0.5 * torch.nn.functional.mse_loss(model(X), y)
        value.backward()
        details["loss"] = value.item()
        if details["loss"] <= workload.problem.loss:
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
        try:
            optimizer.step(loss)
        finally:
            details["iterations"] = optimizer.state[optimizer._params[0]]["n_iter"]

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


def least_squares(workload):
    """SciPy's trust region on residuals and Jacobian of PyTorch's, in float64 as SciPy has it."""
    import scipy.optimize
    import torch

    least_squares_only(workload)
    torch.set_num_threads(2)
    X, y = torch.from_numpy(workload.X), torch.from_numpy(workload.y)
    units, samples = workload.problem.units, workload.problem.samples
    shapes = [shape for i, o in itertools.pairwise(units) for shape in ((o, i), (o,))]
    sizes = [int(np.prod(shape)) for shape in shapes]
    details = {"version": torch.__version__, "threads": torch.get_num_threads()}

    def error(w, x, target):
        parts = [part.reshape(shape) for part, shape in zip(w.split(sizes), shapes, strict=True)]
        for number, (W, b) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
            x = W @ x + b
            x = torch.tanh(x) if number < len(units) - 2 else x
        return (x[0] - target) * samples**-0.5

    errors = torch.func.vmap(error, (None, 0, 0))
    rows = torch.func.vmap(torch.func.grad(error), (None, 0, 0))

    def residuals(w):
        details["evaluations"] += 1
        found = errors(torch.from_numpy(w).to(X.dtype), X, y).numpy().astype(float)
        details["loss"] = 0.5 * float(found @ found)
        if details["loss"] <= workload.problem.loss:
            raise _Reached
        return found

    def jacobian(w):
        details["jacobians"] += 1
        return rows(torch.from_numpy(w).to(X.dtype), X, y).numpy().astype(float)

    start = np.concatenate([np.append(W.ravel(), np.zeros(len(W))) for W in workload.weights]).astype(float)

    def reset():
        details.update(evaluations=0, jacobians=0)

    def fit():
        tolerances = {"ftol": None, "xtol": None, "gtol": 1e-15}  # never met
        scipy.optimize.least_squares(
            residuals, start, jacobian, x_scale="jac", tr_solver=TR_SOLVER, max_nfev=1000, **tolerances
        )

    return _repeated(reset, fit, details)


def sklearn(workload):
    import sklearn
    from sklearn.neural_network import MLPRegressor

    warnings.simplefilter("ignore")
    X, y, goal = workload.X, workload.y, workload.problem.loss
    model = MLPRegressor(
        hidden_layer_sizes=workload.problem.units[1:-1],
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
        for own, part in zip(model.coefs_, workload.weights, strict=True):
            own[...] = part.T
        for own in model.intercepts_:
            own[...] = 0
        model.max_iter = iterations
        model.fit(X, y)
        return model.loss_

    low, high = 1, 2
    while loss_after(high) > goal:
        low, high = high, 2 * high
        if high > 4096:
            raise RuntimeError(f"the loss is {model.loss_} after {low} iterations")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if loss_after(middle) > goal else (low, middle)

    def steps(n):
        for _ in range(n):
            loss = loss_after(high)
        return loss

    return steps, {"version": sklearn.__version__, "iterations": high}
