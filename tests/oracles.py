"""Problems, and the other libraries' answers to them, that several tests ask for."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
from conftest import read_only, to_numpy

import xpnet
from xpnet import (
    BFGS,
    LBFGS,
    Backtracking,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    Fixed,
    GaussNewton,
    GradientDescent,
    KullbackLeibler,
    LevenbergMarquardt,
    Momentum,
    Nesterov,
    Network,
    Newton,
    NewtonCG,
    NonlinearCG,
    Objective,
    Quadratic,
    SquaredError,
    SteepestDescent,
    TrustRegion,
    elementwise,
    schedules,
)
from xpnet.device import blas
from xpnet.device.select import backend_of
from xpnet.layers.activations import Softmax
from xpnet.optimizers.signs import VARIANTS
from xpnet.rules import OPERATIONS

ROOT = Path(__file__).parent.parent

NETWORK = Network(4, Dense(6, "tanh"), Dense(3, "softmax"))
REGRESSION = Network(2, Dense(3, "tanh"), Dense(1))

OPTIMIZERS = [
    GradientDescent(0.3),
    Momentum(0.1, 0.9),
    Nesterov(0.1, 0.8),
    Momentum(0.1, 0.9, rate_inside=False),
    Nesterov(0.1, 0.8, rate_inside=False),
    xpnet.RMSprop(0.01),
    xpnet.Adagrad(0.1),
    xpnet.Adam(0.01, weight_decay=0.1),
    xpnet.Adadelta(),
    *(xpnet.Rprop(variant, 0.01) for variant in (*VARIANTS, "textbook")),
    xpnet.QuickProp(0.1),
    xpnet.QuickProp(0.1, guards=False),
]

DIVERGENCES = [SquaredError(), CrossEntropy(), BinaryCrossEntropy(), KullbackLeibler()]

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -3.25, 90.0, -90.0, np.inf, -np.inf, np.nan]


def risk(backend="numpy", dtype="float64"):
    random = np.random.default_rng(0)
    X, labels = random.standard_normal((40, 4)), random.integers(0, 3, 40)
    return EmpiricalRisk(NETWORK, CrossEntropy(), X, labels, backend=backend, dtype=dtype)


def quadratic(kappa, size=8, seed=0, backend="numpy"):
    """A rotated quadratic with eigenvalues from 1 to `kappa`, minimum 0 at the origin."""
    random = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(random.standard_normal((size, size)))
    values = np.geomspace(1, kappa, size)
    A = rotation * values @ rotation.T
    objective = Quadratic((A + A.T) / 2, backend=backend)
    return objective, objective.backend.asarray(random.standard_normal(size))


def torch_gradient(torch, objective, variable):
    """The gradient of `objective` at PyTorch's `variable`."""
    _, gradient = objective.value_and_gradient(objective.backend.asarray(variable.detach().numpy()))
    return torch.tensor(to_numpy(gradient))


def torch_sgd(torch, objective, w, rates, **options):
    """The iterates of PyTorch's SGD on the same gradients, one rate for each step."""
    variable = torch.nn.Parameter(torch.tensor(to_numpy(w)))
    optimizer = torch.optim.SGD([variable], lr=rates[0], **options)
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        variable.grad = torch_gradient(torch, objective, variable)
        optimizer.step()
        yield variable.detach().numpy().copy()


@elementwise
def everything(xp, a, b, *, p, q):
    c = (a < b) & (b <= p) | ~(a >= 0.5) & (a != b) | (a == q) | (a > 2.0)
    d = xp.where(c, a * b, xp.minimum(a, b) - q / (1.0 + b * b))
    e = xp.tanh(d) + xp.exp(-xp.abs(a)) + xp.log1p(b * b) + xp.sqrt(xp.abs(b)) * xp.sign(a)
    f = xp.maximum(e, p * 1.5) - xp.expm1(-a * a) + xp.log(1.0 + b * b) + (-b) ** 2 + 2.0**q
    return d, e, f - xp.where(a > b, xp.zeros_like(a), 1.0)


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def torch_iterates(torch, objective, w, make, steps):
    """The iterates of a PyTorch optimizer on the same gradients."""
    variable = torch.nn.Parameter(torch.tensor(to_numpy(w)))
    optimizer = make([variable])
    for _ in range(steps):
        variable.grad = torch_gradient(torch, objective, variable)
        optimizer.step()
        yield variable.detach().numpy().copy()


def losses(count, seed=0):
    random = np.random.default_rng(seed)
    return 1 / (1 + 0.1 * np.arange(count)) + 0.05 * random.random(count)


def feed(plateau, values, w):
    place = backend_of(w)
    memory = plateau.initialize(place, w)
    seen = []
    for step, value in enumerate(values):
        plateau.observe(place, value, memory)
        seen.append(plateau.rate(step + 1, memory))
    return seen


def regression(backend="numpy", dtype="float64"):
    """A sum of squares on `REGRESSION`, a network of one output."""
    X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    targets = np.sin(3 * X[:, 0]) + X[:, 1] ** 2
    penalty = xpnet.L2(1e-3, biases=True)  # without it the Gauss-Newton matrix may be singular
    return EmpiricalRisk(
        REGRESSION, SquaredError(), X, targets, backend=backend, dtype=dtype, penalty=penalty
    )


def data(divergence, samples=9, outputs=3, seed=0):
    random = np.random.default_rng(seed)
    X = random.standard_normal((samples, 4))
    targets = random.random((samples, outputs))
    if divergence.targets == "distribution":
        targets /= targets.sum(axis=1, keepdims=True)
    return read_only(X, targets)


def blas_threads():
    """Of the libraries there were at the first hold; SciPy, which may come later, brings its own."""
    return blas.blas_threads()


def seeded_risk(backend="numpy", dtype="float64", seed=0):
    random = np.random.default_rng(seed)
    X, labels = random.standard_normal((40, 4)), random.integers(0, 3, 40)
    return EmpiricalRisk(NETWORK, CrossEntropy(), X, labels, backend=backend, dtype=dtype)


class Bowl(Objective):
    """1/2 |w|^2, which does something at one evaluation."""

    def __init__(self, when=None, what=None):
        self.calls, self.when, self.what = 0, when, what

    def value(self, w):
        return 0.5 * (w * w).sum(axis=-1)

    def value_and_gradient(self, w):
        value, gradient = self.value(w), w.copy()
        if self.calls == self.when:
            value, gradient = self.what(value, gradient)
        self.calls += 1
        return value, gradient


def interrupt(value, gradient):
    raise KeyboardInterrupt


BAD = [
    ("value", lambda value, gradient: (value * np.nan, gradient)),
    ("value", lambda value, gradient: (value + np.inf, gradient * np.nan)),
    ("gradient", lambda value, gradient: (value, gradient * np.inf)),
    (
        "gradient",
        lambda value, gradient: (value, gradient + np.nan * (gradient == gradient[0])),
    ),
]


def run_program(program, *arguments):
    """The words that a Python program, a text or a file, prints in a process of its own."""
    text = [str(program)] if isinstance(program, Path) else ["-c", textwrap.dedent(program)]
    root = str(Path(xpnet.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *text, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def one_operation(name):
    """A rule of one operation of the table; conditions become numbers."""
    operation = OPERATIONS[name]

    def rule(xp, a, b):
        function = getattr(xp, name)
        if name == "where":
            return function(a < b, a, b)
        if name == "full_like":
            return function(a, 0.3)
        if name == "clip":
            return function(a, -1.5, 2.0)
        given = (a > 0.0, b > 0.0) if operation.takes == "conditions" else (a, b)
        result = function(*given[: operation.count])
        return xp.where(result, a, b) if operation.condition else result

    rule.__name__ = rule.__qualname__ = name
    return elementwise(rule)


def numbers(dtype):
    """Pairs of numbers of every kind, each with each: special, at random, huge, tiny, subnormal."""
    limits = np.finfo(dtype)
    some = [
        *SPECIAL,
        limits.max,
        -limits.max,
        limits.tiny,
        -limits.smallest_subnormal,
        2.5,
        -1.5,
        7.0,
        -3.0,
    ]
    some = np.array([*some, *np.random.default_rng(0).standard_normal(9)], dtype)
    return [part.ravel() for part in np.meshgrid(some, some)]


DIRECTIONS = [
    SteepestDescent(),
    NonlinearCG(),
    NonlinearCG("HZ"),
    BFGS(),
    LBFGS(3),
    LBFGS(20, scaling="first"),
    Newton(),
    Newton("damp"),
    NewtonCG(),
    GaussNewton(),
    GaussNewton(matrix_free=True),
]


SECOND_ORDER = [
    *DIRECTIONS,
    SteepestDescent(Backtracking()),
    SteepestDescent(Fixed(schedules.Plateau(0.3, patience=5))),
    LBFGS(3, Backtracking()),
    NewtonCG(search=Backtracking()),
    BFGS(Fixed(0.5)),
    TrustRegion(),
    TrustRegion("cg"),
    LevenbergMarquardt(),
    LevenbergMarquardt(scaling="identity"),
    LevenbergMarquardt(scaling="identity", matrix_free=True),
]


def classification(backend="numpy", dtype="float64"):
    network = Network(2, Dense(3, "tanh"), Dense(2, "softmax"))
    X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    return EmpiricalRisk(
        network,
        CrossEntropy(),
        X,
        (X[:, 0] > X[:, 1]).astype(int),
        backend=backend,
        dtype=dtype,
        penalty=xpnet.L2(1e-3, biases=True),
    )


class Saddle(Objective):
    """`(5 x^2 - y^2) / 2 + y^4 / 4`: row 11, a saddle at zero, minima of -1/4 at (0, +-1)."""

    def value(self, w):
        x, y = w[..., 0], w[..., 1]
        return 0.5 * (5 * x * x - y * y) + y**4 / 4

    def value_and_gradient(self, w):
        x, y = w[..., 0], w[..., 1]
        return self.value(w), np.stack([5 * x, y**3 - y], axis=-1)

    def hessian_product(self, w, v):
        return np.stack([5 * v[..., 0], (3 * w[..., 1] ** 2 - 1) * v[..., 1]], axis=-1)


class Counted(Objective):
    """Counts what is asked of an objective, and keeps the least value it has told."""

    def __init__(self, objective):
        self.objective, self.calls, self.least = objective, 0, np.inf

    def _told(self, value):
        self.calls += 1
        self.least = min(self.least, float(value))
        return value

    def value(self, w):
        return self._told(self.objective.value(w))

    def value_and_gradient(self, w):
        value, gradient = self.objective.value_and_gradient(w)
        return self._told(value), gradient

    def normal_equations(self, w):
        value, *rest = self.objective.normal_equations(w)
        return self._told(value), *rest

    def hessian_product(self, w, v):
        self.calls += len(v) if v.ndim > w.ndim else 1
        return self.objective.hessian_product(w, v)

    def gauss_newton_product(self, w, v):
        self.calls += len(v) if v.ndim > w.ndim else 1
        return self.objective.gauss_newton_product(w, v)


class Cliff(Objective):
    """`x^2 / 2` left of a cliff, NaN beyond."""

    def __init__(self, edge):
        self.edge = edge

    def value(self, w):
        x = w[..., 0]
        return np.where(x > self.edge, np.nan, 0.5 * (x - 1) ** 2)

    def value_and_gradient(self, w):
        return self.value(w), np.where(w > self.edge, np.nan, w - 1)

    def hessian_product(self, w, v):
        return np.where(w > self.edge, np.nan, 1.0) * v

    gauss_newton_product = hessian_product


def symmetric(values, seed=0):
    random = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(random.standard_normal((len(values), len(values))))
    return rotation * np.asarray(values) @ rotation.T


def times(A):
    """The product with `A`, or with one matrix for each row."""
    return lambda v: (A @ v[..., None])[..., 0]


class Function(Objective):
    """A function by its value and gradient; it hands out the same arrays each time."""

    def __init__(self, value, gradient, w):
        self.functions, self.calls = (value, gradient), 0
        self.told = np.zeros(w.shape[:-1], w.dtype), np.zeros_like(w)

    def value(self, w):
        return self.functions[0](w)

    def value_and_gradient(self, w):
        self.calls += 1
        for array, function in zip(self.told, self.functions, strict=True):
            array[...] = function(w)
        return self.told


class OwnSoftmax(Softmax):
    """A softmax that is not the library's, so that divergences are evaluated of its outputs."""

    name = "softmax"


OWN_SOFTMAX = OwnSoftmax()


def torch_activation(torch, name):
    functional = torch.nn.functional
    return {
        "identity": lambda z: z,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "leaky_relu": functional.leaky_relu,
        "softplus": functional.softplus,
        "softmax": lambda z: torch.softmax(z, dim=1),
        "cube": lambda z: z**3 + z,
    }[name]


def torch_divergence(torch, divergence, y, d):
    """Written out, per sample."""
    kind = type(divergence)
    if kind is SquaredError:
        return 0.5 * ((y - d) ** 2).sum(dim=1)
    if kind is CrossEntropy:
        return -torch.special.xlogy(d, y).sum(dim=1)
    if kind is KullbackLeibler:
        return (torch.special.xlogy(d, d) - torch.special.xlogy(d, y)).sum(dim=1)
    return -(torch.special.xlogy(d, y) + torch.special.xlogy(1 - d, 1 - y)).sum(dim=1)
