"""Where libraries differ: each row of the table in docs/conventions.md, against the library it names."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from oracles import feed, losses, quadratic, regression, torch_iterates, torch_sgd

import xpnet
from xpnet import (
    L2,
    LBFGS,
    Adadelta,
    Adagrad,
    Adam,
    Dense,
    EmpiricalRisk,
    Fixed,
    GradientDescent,
    LevenbergMarquardt,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    Network,
    RAdam,
    RMSprop,
    Rprop,
    SquaredError,
    iterate,
    schedules,
)

RATES = [0.05] * 4 + [0.005] * 4 + [0.02] * 4


@pytest.fixture
def sklearn_optimizers():
    name = "sklearn.neural_network._stochastic_optimizers"
    return pytest.importorskip(name, reason="scikit-learn, the oracle of this test, is not installed")


def defaults(kind):
    return {name: p.default for name, p in inspect.signature(kind).parameters.items()}


def ours(objective, optimizer, start, steps):
    """The points at which `optimizer` takes its gradients, that is Nesterov's look-ahead points."""
    w = start.copy()
    state = optimizer.initialize(objective, w)
    for _ in range(steps):
        optimizer.step(objective, w, state)
        yield np.array(state.get("ahead", w))


def same(objective, optimizer, start, theirs):
    """For each of their iterates, whether it is ours to 1e-12."""
    theirs = list(theirs)
    scale = abs(start).max()
    pairs = zip(ours(objective, optimizer, start, len(theirs)), theirs, strict=True)
    return [bool(abs(a - b).max() <= 1e-12 * scale) for a, b in pairs]


def changing(step):
    return RATES[step]


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Momentum, {"momentum": 0.9}), (Nesterov, {"momentum": 0.9, "nesterov": True})],
    ids=["momentum", "nesterov"],
)
def test_pytorch_has_the_rate_outside_the_velocity(kind, options, torch):
    objective, start = quadratic(10)
    theirs = list(torch_sgd(torch, objective, start, RATES, **options))
    assert all(same(objective, kind(changing, 0.9, rate_inside=False), start, theirs))
    # with the rate inside they part where it first changes
    inside = same(objective, kind(changing, 0.9), start, theirs)
    assert inside == [True] * 4 + [False] * 8


@pytest.mark.parametrize("nesterov", [False, True])
def test_scikit_learn_has_it_inside(nesterov, sklearn_optimizers):
    objective, start = quadratic(10)

    def theirs():
        w = start.copy()
        optimizer = sklearn_optimizers.SGDOptimizer([w], 0.05, momentum=0.9, nesterov=nesterov)
        for rate in RATES:
            optimizer.learning_rate = rate
            optimizer.update_params([w], [objective.value_and_gradient(w)[1]])
            yield w.copy()

    kind = Nesterov if nesterov else Momentum
    assert all(same(objective, kind(changing, 0.9), start, theirs()))
    assert not all(same(objective, kind(changing, 0.9, rate_inside=False), start, theirs()))


def test_nesterov_s_iterate_is_the_point_before_looking_ahead(torch):
    objective, start = quadratic(10)
    w = start.copy()
    steps = iterate(objective, Nesterov(0.05, 0.9), w)
    theirs = list(torch_sgd(torch, objective, start, [0.05] * 5, momentum=0.9, nesterov=True))
    for _ in theirs:
        next(steps)
    assert abs(w - theirs[-1]).max() > 1e-3


def test_defaults_that_are_pytorch_s_and_that_are_not(torch):
    optim = torch.optim
    assert defaults(optim.RMSprop)["alpha"] == 0.99 != RMSprop().rho == 0.9
    assert defaults(optim.RMSprop)["eps"] == RMSprop().epsilon == 1e-8
    assert not defaults(optim.RMSprop)["centered"]
    assert defaults(optim.Adagrad)["initial_accumulator_value"] == Adagrad().accumulator == 0
    assert defaults(optim.Adagrad)["eps"] == Adagrad().epsilon == 1e-10
    assert defaults(optim.Adam)["betas"] == (Adam().beta1, Adam().beta2) == (0.9, 0.999)
    assert defaults(optim.Adam)["eps"] == Adam().epsilon == 1e-8
    assert defaults(optim.AdamW)["weight_decay"] == xpnet.optimizers.NAMES["adamw"].weight_decay == 0.01
    nadam, radam = defaults(optim.NAdam), defaults(optim.RAdam)
    assert (
        (nadam["lr"], nadam["momentum_decay"]) == (NAdam().rate, NAdam().momentum_decay) == (0.002, 0.004)
    )
    assert radam["lr"] == RAdam().rate == 0.001
    assert nadam["decoupled_weight_decay"] is radam["decoupled_weight_decay"] is False
    assert not hasattr(optim, "Lion")
    assert (Lion().rate, Lion().beta1, Lion().beta2, Lion().weight_decay) == (1e-4, 0.9, 0.99, 0.0)
    assert defaults(optim.SGD)["dampening"] == Momentum().dampening == 0
    assert defaults(optim.lr_scheduler.OneCycleLR)["cycle_momentum"]
    assert defaults(optim.lr_scheduler.CyclicLR)["cycle_momentum"]
    assert defaults(optim.Adadelta)["rho"] == Adadelta().rho == 0.9
    assert defaults(optim.Adadelta)["eps"] == Adadelta().epsilon == 1e-6
    assert defaults(optim.Rprop)["etas"] == (Rprop().down, Rprop().up) == (0.5, 1.2)
    assert defaults(optim.Rprop)["step_sizes"] == (Rprop().smallest, Rprop().largest) == (1e-6, 50)
    assert defaults(optim.Rprop)["lr"] == 0.01 != Rprop().rate == 0.1
    assert defaults(optim.LBFGS)["history_size"] == 100 != LBFGS().pairs == 10
    assert defaults(optim.LBFGS)["line_search_fn"] is None
    plateau = defaults(optim.lr_scheduler.ReduceLROnPlateau)
    assert (plateau["factor"], plateau["patience"], plateau["threshold"]) == (0.1, 10, 1e-4)
    assert schedules.Plateau(1.0) == schedules.Plateau(1.0, 0.1, 10, 1e-4, 0.0)
    assert (plateau["threshold_mode"], plateau["cooldown"], plateau["eps"]) == ("rel", 0, 1e-8)


@pytest.mark.parametrize("kind", [NAdam, RAdam])
def test_pytorch_s_other_decay_is_a_penalty_unless_told(kind, torch):
    plain, start = line()
    penalised, _ = line(L2(0.1, biases=True))
    make = getattr(torch.optim, kind.__name__)
    for decoupled in (False, True):
        options = {"weight_decay": 0.1, "decoupled_weight_decay": decoupled}
        theirs = list(torch_iterates(torch, plain, start, lambda p, o=options: make(p, 0.01, **o), 10))
        near = [
            abs(own - want).max() < 1e-9
            for own, want in zip(
                ours(
                    plain if decoupled else penalised, kind(0.01, weight_decay=0.1 * decoupled), start, 10
                ),
                theirs,
                strict=True,
            )
        ]
        assert all(near)


def test_pytorch_s_schedules_after_their_end(torch):
    """Ours stay where they ended."""
    step = torch.optim.lr_scheduler

    def rates(make, count):
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        schedule, found = make(sgd), []
        for _ in range(count):
            found.append(sgd.param_groups[0]["lr"])
            sgd.step()
            schedule.step()
        return found

    def own(schedule, count):
        return [schedule.rate(k, {}) for k in range(count)]

    theirs = rates(lambda sgd: step.CosineAnnealingLR(sgd, 10), 16)
    assert own(schedules.Cosine(0.1, 10), 11) == pytest.approx(theirs[:11], abs=1e-15)
    assert theirs[15] > 0.01 > own(schedules.Cosine(0.1, 10), 16)[15] == 0.0
    with pytest.raises(ValueError, match="Tried to step"):
        rates(lambda sgd: step.OneCycleLR(sgd, 0.1, 10), 16)
    assert own(schedules.OneCycle(0.1, 10), 16)[9:] == [pytest.approx(0.1 / 25 / 1e4)] * 7
    gamma = rates(lambda sgd: step.ExponentialLR(sgd, 0.9), 16)
    assert own(schedules.ExponentialDecay(0.1, -np.log(0.9)), 16) == pytest.approx(gamma, rel=1e-13)


@pytest.mark.parametrize("kind", [RMSprop, Adagrad, Adam])
def test_pytorch_adds_epsilon_to_the_root(kind, torch):
    objective, start = quadratic(10)
    make = getattr(torch.optim, kind.__name__)
    options = {"alpha": 0.9} if kind is RMSprop else {}
    theirs = list(torch_iterates(torch, objective, start, lambda p: make(p, 0.01, eps=0.1, **options), 20))
    assert all(same(objective, kind(0.01, epsilon=0.1), start, theirs))
    assert not any(same(objective, kind(0.01, epsilon=0.1, epsilon_inside=True), start, theirs))


def test_scikit_learn_s_adam_has_the_paper_s_epsilon_hat(sklearn_optimizers):
    objective, start = quadratic(10)

    def theirs():
        w = start.copy()
        optimizer = sklearn_optimizers.AdamOptimizer([w], 0.01, epsilon=0.1)
        for _ in range(20):
            optimizer.update_params([w], [objective.value_and_gradient(w)[1]])
            yield w.copy()

    assert all(same(objective, Adam(0.01, epsilon=0.1, epsilon_hat=True), start, theirs()))
    assert not any(same(objective, Adam(0.01, epsilon=0.1), start, theirs()))
    with pytest.raises(ValueError, match="epsilon_hat must be False where epsilon_inside is True"):
        Adam(epsilon_hat=True, epsilon_inside=True)


def line(penalty=None):
    X = np.random.default_rng(0).standard_normal((30, 3))
    network = Network(3, Dense(1))
    objective = EmpiricalRisk(
        network, SquaredError(), X, X.sum(axis=1), backend="numpy", dtype="float64", penalty=penalty
    )
    return objective, network.initialize(0, "numpy", "float64")


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_pytorch_s_weight_decay_is_a_penalty_but_for_adamw(name, torch):
    plain, start = line()
    penalised, _ = line(L2(0.1, biases=True))  # PyTorch's falls on all parameters that it is given
    make = getattr(torch.optim, name)
    theirs = list(torch_iterates(torch, plain, start, lambda p: make(p, 0.01, weight_decay=0.1), 20))
    kind = GradientDescent if name == "SGD" else Adam
    assert all(same(penalised, kind(0.01), start, theirs)) == (name != "AdamW")
    if name == "AdamW":
        assert all(same(plain, Adam(0.01, weight_decay=0.1), start, theirs))


def test_scikit_learn_s_alpha_is_a_penalty_over_the_samples_without_biases():
    networks = pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed")
    X = np.random.default_rng(0).standard_normal((30, 3))
    d = np.sin(X).sum(axis=1)
    options = {"activation": "tanh", "solver": "lbfgs", "random_state": 0, "max_iter": 900}
    model = networks.MLPRegressor(hidden_layer_sizes=4, alpha=0.5, **options)
    model.fit(X, d)
    network = Network(3, Dense(4, "tanh"), Dense(1))
    w = np.concatenate(
        [
            part.ravel()
            for pair in zip([c.T for c in model.coefs_], model.intercepts_, strict=True)
            for part in pair
        ]
    )
    risk = EmpiricalRisk(
        network, SquaredError(), X, d, backend="numpy", dtype="float64", penalty=L2(0.5 / 30)
    )
    value, gradient = risk.value_and_gradient(w)
    assert float(value) == pytest.approx(model.loss_, rel=1e-12)
    assert abs(gradient).max() < 1e-3


def test_pytorch_s_rprop_is_irprop_minus(torch):
    objective, start = quadratic(10)
    theirs = list(torch_iterates(torch, objective, start, lambda p: torch.optim.Rprop(p, 0.1), 40))
    for variant in xpnet.optimizers.signs.VARIANTS:
        assert all(same(objective, Rprop(variant), start, theirs)) == (variant == "iRprop-")


def test_pytorch_s_plateau_ignores_changes_below_its_eps(torch):
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1e-8)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, patience=2)
    for value in losses(60):
        theirs.step(value)
    assert sgd.param_groups[0]["lr"] == 1e-8
    assert feed(schedules.Plateau(1e-8, patience=2), map(np.float64, losses(60)), np.ones(2))[-1] < 2e-9


def test_pytorch_s_lbfgs_without_a_search_takes_the_same_steps(torch):
    """A first step of `rate min(1, 1 / |g|_1)`, then of `rate`; the scaling is that of the last pair."""
    objective = regression()
    start = objective.network.initialize(4, "numpy", "float64")
    first = abs(objective.value_and_gradient(start)[1]).sum()
    search = Fixed(lambda step: 0.5 * min(1.0, 1.0 / first) if step == 0 else 0.5)
    variable = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.LBFGS([variable], 0.5, max_iter=1, tolerance_grad=0, tolerance_change=0)

    def closure():
        value, gradient = objective.value_and_gradient(variable.detach().numpy())
        variable.grad = torch.tensor(gradient)
        return torch.tensor(float(value))

    def theirs():
        for _ in range(15):
            optimizer.step(closure)
            yield variable.detach().numpy().copy()

    assert all(same(objective, LBFGS(100, search), start, theirs()))


def test_scipy_s_lbfgsb_keeps_ten_pairs_too():
    """Its steps are those of ten pairs, and of no other number."""
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    objective = next(p for p in xpnet.PROBLEMS if p.name == "extended rosenbrock").objective("numpy")

    def taken(**options):
        start, options = np.array([-1.2, 1.0] * 5), options | {"maxiter": 25}
        found = optimize.minimize(
            objective.value_and_gradient, start, jac=True, method="L-BFGS-B", options=options
        )
        return found.x.tolist()

    assert taken() == taken(maxcor=10)
    assert taken() != taken(maxcor=9)
    assert taken() != taken(maxcor=11)


def test_levenberg_marquardt_s_diagonal_scaling_does_not_see_units():
    """As SciPy's x_scale="jac"; its default for method "lm", and our "identity", do."""
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    units = np.array([1.0, 1e3])

    def model(scale):
        def residuals(xp, w):
            a, b = w[..., 0] * scale[0], w[..., 1] * scale[1]
            return [a * xp.exp(b * x) - np.exp(1.5 * x) - 0.1 * x for x in np.linspace(0, 1, 8).tolist()]

        return xpnet.LeastSquares(residuals, backend="numpy")

    start = np.array([0.5, 0.5])
    plain, scaled = model(np.ones(2)), model(units)
    for scaling in ("diagonal", "identity"):
        points = []
        for objective, factor in ((plain, np.ones(2)), (scaled, units)):
            w = start / factor
            steps = iterate(objective, LevenbergMarquardt(scaling=scaling), w)
            for _ in range(4):
                next(steps)
            points.append(w * factor)
        assert np.allclose(*points, rtol=1e-9) == (scaling == "diagonal")
    counts = {
        x_scale: [
            optimize.least_squares(
                o.residuals, start / f, jac=o.jacobian, method="lm", x_scale=x_scale
            ).nfev
            for o, f in ((plain, np.ones(2)), (scaled, units))
        ]
        for x_scale in (1.0, "jac")
    }
    assert counts["jac"][0] == counts["jac"][1]
    assert counts[1.0][0] != counts[1.0][1]


def test_pytorch_s_dropout_is_inverted_too(torch):
    layer = torch.nn.Dropout(0.75)
    assert set(layer(torch.ones(1000)).unique().tolist()) == {0.0, 4.0}
    numbers = np.arange(1000, dtype=np.uint32)
    mask = xpnet.Dropout(0.75).mask(xpnet.backend("numpy").xp, 3, numbers, np.dtype(float))
    assert set(np.unique(mask)) == {0.0, 4.0}
    assert (layer.eval()(torch.ones(5)) == 1).all()
