"""RMSprop, Adagrad, Adam, Adadelta, Rprop and QuickProp: against PyTorch, and by their own properties."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, to_numpy
from oracles import NETWORK, quadratic, risk, torch_iterates

from xpnet import (
    Adadelta,
    Adagrad,
    Adam,
    Formula,
    Lion,
    NAdam,
    Objective,
    Quadratic,
    QuickProp,
    RAdam,
    RMSprop,
    Rprop,
    after,
    iterate,
    minimize,
    schedules,
    value_below,
)
from xpnet.layers.activations import sigmoid_with_offset
from xpnet.optimizers.signs import VARIANTS


def peers(torch):
    optim = torch.optim
    return {
        RMSprop(0.01, 0.99): lambda p: optim.RMSprop(p, 0.01, alpha=0.99),
        RMSprop(0.01, epsilon=1e-3): lambda p: optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-3),
        RMSprop(0.01, momentum=0.8): lambda p: optim.RMSprop(p, 0.01, alpha=0.9, momentum=0.8),
        RMSprop(0.01, 0.95, centred=True): lambda p: optim.RMSprop(p, 0.01, alpha=0.95, centered=True),
        RMSprop(0.01, centred=True, momentum=0.5): lambda p: optim.RMSprop(
            p, 0.01, alpha=0.9, centered=True, momentum=0.5
        ),
        Adagrad(0.1): lambda p: optim.Adagrad(p, 0.1),
        Adagrad(0.1, 0.5): lambda p: optim.Adagrad(p, 0.1, initial_accumulator_value=0.5),
        Adam(0.01): lambda p: optim.Adam(p, 0.01),
        Adam(0.01, 0.8, 0.95, epsilon=1e-4): lambda p: optim.Adam(p, 0.01, (0.8, 0.95), 1e-4),
        Adam(0.01, weight_decay=0.1): lambda p: optim.AdamW(p, 0.01, weight_decay=0.1),
        Adam(0.01, amsgrad=True): lambda p: optim.Adam(p, 0.01, amsgrad=True),
        Adam(0.1, 0.5, 0.6, 0.1, amsgrad=True): lambda p: optim.AdamW(
            p, 0.1, (0.5, 0.6), weight_decay=0.1, amsgrad=True
        ),
        NAdam(): lambda p: optim.NAdam(p),
        NAdam(0.01, 0.8, 0.95, 0.1, 1e-4, 0.1): lambda p: optim.NAdam(
            p, 0.01, (0.8, 0.95), 1e-4, 0.1, 0.1, decoupled_weight_decay=True
        ),
        RAdam(0.01): lambda p: optim.RAdam(p, 0.01),
        RAdam(0.01, 0.8, 0.6): lambda p: optim.RAdam(p, 0.01, (0.8, 0.6)),  # never scaled
        RAdam(0.01, 0.8, 0.95, 0.1, 1e-4): lambda p: optim.RAdam(
            p, 0.01, (0.8, 0.95), 1e-4, 0.1, decoupled_weight_decay=True
        ),
        Adadelta(1.0): lambda p: optim.Adadelta(p, 1.0),
        Adadelta(0.5, 0.8, 1e-4): lambda p: optim.Adadelta(p, 0.5, rho=0.8, eps=1e-4),
        Rprop(): lambda p: optim.Rprop(p, 0.1),
        Rprop(rate=0.01, up=1.3, down=0.4, largest=0.5): lambda p: optim.Rprop(
            p, 0.01, etas=(0.4, 1.3), step_sizes=(1e-6, 0.5)
        ),
    }


@pytest.fixture
def double(torch):
    """PyTorch, with the numbers that it keeps of its own (NAdam's product) in double precision."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(usual)


@pytest.mark.parametrize("problem", ["quadratic", "network"])
def test_trajectories_equal_pytorch(double, problem, device):
    torch = double
    if problem == "quadratic":
        objective, start = quadratic(10, backend=device)
    else:
        objective, start = risk(device), NETWORK.initialize(1, device, "float64")
    for ours, make in peers(torch).items():
        w = start.copy()
        steps = iterate(objective, ours, w)
        for want in torch_iterates(torch, objective, start, make, 300):
            next(steps)
            assert_allclose(w, want, rtol=1e-12, atol=1e-13, err_msg=repr(ours))
            w[...] = device.asarray(
                want
            )  # so that differences in the last digit do not grow from step to step


def test_lion_is_its_formula(device):
    objective, start = quadratic(10, backend=device)
    xp, m, want = device.xp, 0.0, start.copy()
    for record, w in moves(objective, Lion(0.01, 0.8, 0.9, 0.1), start):
        want = want - 0.01 * (0.1 * want + xp.sign(0.8 * m + 0.2 * record.gradient))
        m = 0.9 * m + 0.1 * record.gradient
        assert_allclose(w, want, rtol=1e-12)


def moves(objective, optimizer, start, steps=50):
    w = start.copy()
    state = optimizer.initialize(objective, w)
    for _ in range(steps):
        yield optimizer.step(objective, w, state), w


def test_a_variance_that_rounds_below_zero_is_zero(device):
    # a constant gradient: its mean square is the square of its mean
    objective = Quadratic(1e-12 * np.eye(3), [0.1, 0.3, 0.7], backend=device)
    run = minimize(objective, RMSprop(0.01, centred=True), device.xp.zeros(3), stop=after(200))
    assert np.isfinite(to_numpy(run.w)).all()


def test_the_place_of_epsilon_is_chosen(device):
    objective, start = quadratic(10, backend=device)
    gradient = objective.value_and_gradient(start)[1]
    for inside in (False, True):
        for kind, square in ((RMSprop, 0.1 * gradient**2), (Adagrad, gradient**2)):
            w = start.copy()
            next(iterate(objective, kind(0.01, epsilon=0.5, epsilon_inside=inside), w))
            divisor = np.sqrt(square + 0.5) if inside else np.sqrt(square) + 0.5
            assert_allclose(w, start - 0.01 * gradient / divisor, rtol=1e-14)
        w = start.copy()
        next(iterate(objective, Adam(0.01, epsilon=0.5, epsilon_inside=inside), w))
        divisor = np.sqrt(gradient**2 + 0.5) if inside else np.abs(gradient) + 0.5
        assert_allclose(w, start - 0.01 * gradient / divisor, rtol=1e-13)


def starts(kappa, count=50, backend="numpy"):
    """Rotated quadratics and where to start, of seeds 0 to `count` - 1."""
    return [quadratic(kappa, size=10, seed=seed, backend=backend) for seed in range(count)]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kappa", [10, 100])
def test_rprop_solves_rotated_quadratics(variant, kappa, device):
    for objective, w in starts(kappa, 50 if device.name == "numpy" else 3, device):
        run = minimize(objective, Rprop(variant), w, stop=after(3000) | value_below(1e-8))
        assert run.best_value <= 1e-8


def textbook_rprop(variant, objective, w, steps):
    """Parameter by parameter, as the papers write it."""
    w = to_numpy(w)
    size, last, move = np.full_like(w, 0.1), np.zeros_like(w), np.zeros_like(w)
    before = np.inf
    for _ in range(steps):
        value, gradient = map(to_numpy, objective.value_and_gradient(objective.backend.asarray(w)))
        for i in range(w.size):
            product = gradient[i] * last[i]
            if product > 0:
                size[i] = min(size[i] * 1.2, 50.0)
            elif product < 0:
                size[i] = max(size[i] * 0.5, 1e-6)
            if product < 0 and variant == "RPROP+":
                move[i], last[i] = -move[i], 0.0
            elif product < 0 and variant == "iRprop+":
                move[i], last[i] = (-move[i] if value > before else 0.0), 0.0
            elif product < 0 and variant == "iRprop-":
                move[i], last[i] = 0.0, 0.0
            else:
                move[i], last[i] = -np.sign(gradient[i]) * size[i], gradient[i]
            w[i] += move[i]
        before = value
        yield w


@pytest.mark.parametrize("variant", VARIANTS)
def test_rprop_variants_are_those_of_the_papers(variant, device):
    objective, start = quadratic(30, backend=device)
    w = start.copy()
    steps = iterate(objective, Rprop(variant), w)
    for want in textbook_rprop(variant, objective, start.copy(), 80):
        next(steps)
        assert_allclose(w, want, rtol=1e-13, atol=1e-15)


def lecture_rprop(objective, w, steps):
    """The simplified version of the lecture, read literally: limits are taken of a signed `change`."""
    w, change, before = to_numpy(w), None, None
    for _ in range(steps):
        slope = to_numpy(objective.value_and_gradient(objective.backend.asarray(w))[1])
        if change is None:
            change, before = 0.1 * np.sign(slope), slope
            w = w - change
        else:
            same = np.sign(before) == np.sign(slope)
            w = np.where(same, w, w + change)
            change = np.where(same, np.minimum(1.2 * change, 50.0), np.maximum(0.5 * change, 1e-6))
            before = np.where(same, slope, before)
            w = w - change
        yield w


def test_the_textbook_variant_is_the_literal_reading(device):
    objective, start = quadratic(30, backend=device)
    w = start.copy()
    steps = iterate(objective, Rprop("textbook"), w)
    for want in lecture_rprop(objective, start.copy(), 80):
        next(steps)
        assert_allclose(w, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kappa", [10, 100])
def test_the_textbook_variant_fails_on_rotated_quadratics(kappa):
    """Row 29: in 44 to 49 of 50, where the variants of the papers solve all."""
    pairs = starts(kappa)
    objective = Quadratic(np.stack([objective.A for objective, _ in pairs]), backend="numpy")
    w = np.stack([w for _, w in pairs])
    run = minimize(objective, Rprop("textbook"), w, stop=after(1000))
    assert (~(run.best_value <= 1e-8)).sum() >= 40


@pytest.mark.parametrize("variant", VARIANTS)
def test_rprop_sees_only_signs_however_small_the_derivatives(variant):
    """In float32 the product of two derivatives of 1e-25 is 0."""
    points = []
    for scale in (1.0, 2.0**-83):
        A = np.diag([scale, 10 * scale]).astype("float32")
        w = np.array([1.0, -0.7], "float32")
        run = minimize(Quadratic(A, backend="numpy", dtype="float32"), Rprop(variant), w, stop=after(40))
        points.append(run.w)
    np.testing.assert_array_equal(*points)


@pytest.mark.parametrize("kind", [RMSprop, Adagrad, Adam, Adadelta])
def test_a_parameter_rests_where_the_square_of_its_derivative_overflows(kind, torch):
    """As PyTorch's do, which the module says."""
    start = np.array([1.0, 1.0], "float32")
    gradient = np.array([1e25, 1.0], "float32")

    class Slope(Objective):
        def value(self, w):
            return float(w @ gradient)

        def value_and_gradient(self, w):
            return self.value(w), gradient.copy()

    options = {"alpha": 0.9} if kind is RMSprop else {}
    make = getattr(torch.optim, kind.__name__)
    variable = torch.nn.Parameter(torch.tensor(start))
    theirs = make([variable], lr=0.1, **options)
    w = start.copy()
    steps = iterate(Slope(), kind(0.1), w)
    for _ in range(5):
        next(steps)
        variable.grad = torch.tensor(gradient)
        theirs.step()
    np.testing.assert_allclose(w, variable.detach().numpy(), rtol=1e-6)
    assert w[0] == 1 != w[1]


def test_the_secant_is_exact_on_separable_quadratics(device):
    objective = Quadratic(np.diag([1.0, 3.0, 10.0]), [1.0, -2.0, 0.5], backend=device)
    w = device.asarray([1.0, 1.0, 1.0])
    steps = iterate(objective, QuickProp(0.05, guards=False), w)
    next(steps)
    next(steps)
    assert_allclose(w, [-1, 2 / 3, -0.05], rtol=1e-12)


def fahlman(objective, w, rate, growth, decay, steps):
    """Parameter by parameter, after the listing in Fahlman's program."""
    w = to_numpy(w)
    move, last = np.zeros_like(w), np.zeros_like(w)
    shrink = growth / (1 + growth)
    for _ in range(steps):
        slope = to_numpy(objective.value_and_gradient(objective.backend.asarray(w))[1]) + decay * w
        for i in range(w.size):
            d, s, p, step = move[i], slope[i], last[i], 0.0
            if d < 0:
                if s > 0:
                    step -= rate * s
                step += growth * d if s >= shrink * p else d * s / (p - s)
            elif d > 0:
                if s < 0:
                    step -= rate * s
                step += growth * d if s <= shrink * p else d * s / (p - s)
            else:
                step -= rate * s
            move[i], last[i] = step, s
        w += move
        yield w


def test_quickprop_is_fahlman_s(device):
    for seed in range(5):
        objective, start = quadratic(10, seed=seed, backend=device)
        w = start.copy()
        steps = iterate(objective, QuickProp(0.02), w)
        for want in fahlman(objective, start.copy(), 0.02, 1.75, 1e-4, 20):
            next(steps)
            assert_allclose(w, want, rtol=1e-9, atol=1e-10)


def test_quickprop_solves_rotated_quadratics(device):
    for objective, w in starts(10, 50 if device.name == "numpy" else 3, device):
        run = minimize(
            objective, QuickProp(0.05, weight_decay=0.0), w, stop=after(2000) | value_below(1e-6)
        )
        assert run.best_value <= 1e-6


def test_the_plain_secant_misses_some_that_fahlman_s_guards_save():
    """Row 30: of 100 rotated quadratics of kappa 10 in the plane, each a replica."""
    pairs = [quadratic(10, size=2, seed=seed) for seed in range(100)]
    objective = Quadratic(np.stack([objective.A for objective, _ in pairs]), backend="numpy")
    missed = []
    for guards in (False, True):
        w = np.stack([w for _, w in pairs])
        run = minimize(objective, QuickProp(0.05, guards=guards), w, stop=after(3000) | value_below(1e-6))
        missed.append(int((~(run.best_value <= 1e-6)).sum()))
    assert 1 <= missed[0] <= 15
    assert missed[1] == 0


def test_on_concave_ground_the_secant_climbs_and_fahlman_s_guards_do_not(device):
    """Row 50: the secant goes to where the slope is zero, which is the top between two wells."""
    wells, start = Formula(lambda xp, w: (w[..., 0] ** 2 - 1.0) ** 2, backend=device), device.asarray([0.1])
    plain, guarded = (
        minimize(
            wells, QuickProp(0.05, weight_decay=0.0, guards=guards), start, stop=after(60), check_every=1
        )
        for guards in (False, True)
    )
    values = plain.history.value
    assert values[1] < values[0] < values[2]  # a gradient step down, then a secant up
    assert_allclose(plain.w, 0.0, atol=1e-12)
    assert plain.value == 1.0
    assert (np.diff(guarded.history.value[:8]) < 0.0).all()
    assert_allclose(guarded.w, 1.0, atol=1e-8)


def test_the_offset_keeps_saturated_units_learning(device):
    activation = sigmoid_with_offset(0.1)
    z = np.array([[40.0, 0.0]])
    y, cache = activation.forward(device.xp, device.asarray(z.copy()), None)
    assert_allclose(y, 1 / (1 + np.exp(-z)))
    slope = activation.backward(device.xp, cache, device.asarray(np.ones_like(z)))
    assert_allclose(slope, [[0.1, 0.35]], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RMSprop(rho=1.0), r"rho must be in \[0, 1\), got 1.0"),
        (lambda: RMSprop(epsilon=-1), "epsilon must be .* got -1"),
        (lambda: Adagrad(accumulator=-1), "accumulator must be .* got -1"),
        (lambda: Adam(beta1=1), r"beta1 must be in \[0, 1\), got 1"),
        (lambda: Adam(beta2=-0.1), r"beta2 must be in \[0, 1\), got -0.1"),
        (lambda: Adam(weight_decay=float("nan")), "weight_decay must be .* got nan"),
        (lambda: Adadelta(epsilon=0), r"epsilon must be in \(0, inf\), got 0"),
        (lambda: Rprop("iRprop"), "unknown variant 'iRprop'; did you mean"),
        (lambda: Rprop(up=0.9), r"up must be in \[1, inf\), got 0.9"),
        (lambda: Rprop(down=1.0), r"down must be in \(0, 1\), got 1.0"),
        (lambda: Rprop(smallest=1.0, largest=0.5), "largest must be .* got 0.5"),
        (lambda: QuickProp(growth=1.0), "growth must be .* got 1.0"),
        (lambda: Adam(0), r"rate must be in \(0, inf\), got 0"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("rate", [lambda step: 0.1, schedules.LinearDecay(0.1), schedules.Plateau(0.1)])
def test_rprop_has_step_sizes_and_no_schedule(rate):
    with pytest.raises(TypeError, match="rate must be the step sizes at the start"):
        Rprop(rate=rate)


def test_irprop_plus_looks_at_the_value():
    class Spy(Objective):
        """A slope that turns at each step, and a value that is told."""

        def __init__(self, values):
            self.values, self.k = values, -1

        def value(self, w):
            return np.float64(self.values[self.k])

        def value_and_gradient(self, w):
            self.k += 1
            return self.value(w), np.array([1.0 if self.k % 2 == 0 else -1.0])

    for values, moves in (([1, 2], [-0.1, 0.1]), ([2, 1], [-0.1, 0.0])):
        w = np.zeros(1)
        steps = iterate(Spy(values), Rprop("iRprop+"), w)
        seen = [0.0]
        for _ in values:
            next(steps)
            seen.append(float(w[0]))
        np.testing.assert_allclose(np.diff(seen), moves)
