"""Descent methods, line searches, trust regions and Levenberg-Marquardt, together on what they share."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, to_numpy
from oracles import quadratic, regression

import xpnet
import xpnet.testing
from xpnet import (
    BFGS,
    LBFGS,
    Backtracking,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    Exact,
    Fixed,
    GaussNewton,
    LeastSquares,
    LevenbergMarquardt,
    Network,
    Newton,
    NewtonCG,
    NonlinearCG,
    Objective,
    Quadratic,
    SteepestDescent,
    StrongWolfe,
    TrustRegion,
    after,
    evaluations,
    gradient_below,
    iterate,
    minimize,
    schedules,
    value_below,
)

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
METHODS = [
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
L2 = xpnet.L2(1e-3, biases=True)  # without it the Gauss-Newton matrix may be singular
NETWORK = Network(2, Dense(3, "tanh"), Dense(1))


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
        penalty=L2,
    )


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_every_backend_takes_the_same_steps(method, backend, dtype, tolerance):
    points = []
    for own in (backend, xpnet.backend("numpy")):
        w = NETWORK.initialize(2, own, dtype)
        steps = iterate(regression(own, dtype), method, w)
        records = [next(steps) for _ in range(4)]
        assert w.dtype == own.dtype(dtype)
        assert [record.step for record in records] == list(range(4))
        points.append(own.to_numpy(w))
    np.testing.assert_allclose(points[0], points[1], atol=1e3 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_snapshot_and_resume_bit_for_bit(method, dtype, device):
    objective, w = regression(device, dtype), NETWORK.initialize(1, device, dtype)
    state = method.initialize(objective, w)
    for _ in range(4):
        method.step(objective, w, state)
    saved = pickle.loads(pickle.dumps((w, state)))
    assert all(
        isinstance(to_numpy(value), int | float | np.ndarray | np.generic) for value in state.values()
    )
    for _ in range(4):
        method.step(objective, w, state)
    later, later_state = copy.deepcopy(saved)
    steps = iterate(objective, method, later, state=later_state)
    for _ in range(4):
        next(steps)
    assert later.tobytes() == w.tobytes()
    assert state.keys() == later_state.keys()
    assert all(
        np.array_equal(to_numpy(state[name]), to_numpy(later_state[name]), equal_nan=True) for name in state
    )


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_replicas_equal_single_runs(method, backend, dtype, tolerance):
    objective = regression(backend, dtype)
    w = NETWORK.initialize(0, backend, dtype, replicas=3)
    singles = [NETWORK.initialize(r, backend, dtype) for r in range(3)]
    many = iterate(objective, method, w)
    lengths = [next(many).rate for _ in range(4)]
    for r, own in enumerate(singles):
        steps = iterate(objective, method, own)
        for k in range(4):
            rate = next(steps).rate
            want = np.ravel(backend.to_numpy(lengths[k]))
            assert float(rate) == pytest.approx(want[r % want.size], rel=1e5 * tolerance)
        np.testing.assert_allclose(
            backend.to_numpy(w)[r], backend.to_numpy(own), rtol=1e3 * tolerance, atol=1e3 * tolerance
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_every_method_lowers_the_risk_of_a_network(method, dtype, device):
    for objective in (regression(device, dtype), classification(device, dtype)):
        w = objective.network.initialize(3, device, dtype)
        before = float(objective.value(w))
        run = minimize(objective, method, w, stop=after(25))
        assert run.value < 0.6 * before
        assert run.value <= run.history.value[0]
        if not isinstance(getattr(method, "search", None), Fixed):
            assert (np.diff(run.history.value) <= 1e-6 * run.history.value[0]).all()


@pytest.mark.parametrize("kappa", [10, 100, 1e6])
@pytest.mark.parametrize("method", DIRECTIONS[1:] + METHODS[16:], ids=str)
def test_rotated_quadratics(method, kappa, device):
    if device.name == "cupy" and kappa > 1e3:
        pytest.skip("the same on every device, and many steps")
    if isinstance(method, LevenbergMarquardt) and method.matrix_free and kappa > 1e3:
        pytest.skip("damped conjugate gradients crawl there, as they should")
    objective, w = quadratic(kappa, backend=device)
    wanted = 1e-12 * float(objective.value(w))
    run = minimize(objective, method, w, stop=after(3000) | value_below(wanted))
    assert run.best_value <= wanted


@pytest.mark.parametrize("kappa", [1, 1e6])
def test_newton_solves_a_quadratic_in_one_step(kappa, device):
    objective, w = quadratic(kappa, backend=device)
    for method in (Newton(search=Fixed(1.0)), Newton(), Newton("damp"), Newton("error")):
        point = w.copy()
        next(iterate(objective, method, point))
        assert np.linalg.norm(to_numpy(point)) <= 1e-8 * np.linalg.norm(to_numpy(w))


def test_scaling_the_axes(device):
    """Row 20: Newton's iterates are those of gradient descent where the Hessian is the identity."""
    objective, w = quadratic(100, backend=device)
    values, E = np.linalg.eigh(to_numpy(objective.A))
    root, inverse = E * np.sqrt(values) @ E.T, E / np.sqrt(values) @ E.T
    scaled = Quadratic((M := inverse @ to_numpy(objective.A) @ inverse) / 2 + M.T / 2, backend=device)
    assert_allclose(scaled.A, np.eye(8), atol=1e-12)
    w_hat = device.asarray(root @ to_numpy(w))
    ours = iterate(objective, Newton(search=Fixed(0.3)), w)
    theirs = iterate(scaled, xpnet.GradientDescent(0.3), w_hat)
    for _ in range(20):
        next(ours)
        next(theirs)
        assert_allclose(root @ to_numpy(w), w_hat, atol=1e-12)


def test_rate_above_two_diverges_for_newton(device):
    objective, start = quadratic(10, backend=device)
    for rate, grows in ((1.9, False), (2.1, True)):
        w = start.copy()
        steps = iterate(objective, Newton(search=Fixed(rate)), w)
        for _ in range(10):
            next(steps)
        assert (np.linalg.norm(to_numpy(w)) > np.linalg.norm(to_numpy(start))) == grows


def saddle():
    """Row 11: a saddle at zero, minima at (0, +-1)."""
    return LeastSquaresFree()


class LeastSquaresFree(Objective):
    """`(5 x^2 - y^2) / 2 + y^4 / 4`."""

    def value(self, w):
        x, y = w[..., 0], w[..., 1]
        return 0.5 * (5 * x * x - y * y) + y**4 / 4

    def value_and_gradient(self, w):
        x, y = w[..., 0], w[..., 1]
        return self.value(w), np.stack([5 * x, y**3 - y], axis=-1)

    def hessian_product(self, w, v):
        return np.stack([5 * v[..., 0], (3 * w[..., 1] ** 2 - 1) * v[..., 1]], axis=-1)


def test_saddles_do_not_hold_who_uses_negative_curvature(device):
    xpnet.testing.check_gradient(saddle(), device.asarray([0.3, 0.4]))
    starts = device.asarray(np.random.default_rng(0).uniform(-0.5, 0.5, (100, 2)))
    for method in (
        Newton("absolute"),
        Newton("damp"),
        TrustRegion(),
        TrustRegion("cg"),
        NewtonCG(),
        Newton("absolute", Fixed(1.0)),
    ):
        run = minimize(saddle(), method, starts.copy(), stop=after(100) | gradient_below(1e-8))
        assert_allclose(run.value, -0.25, atol=1e-12, err_msg=repr(method))
    # the textbook's Newton goes to the saddle from where the curvature is negative
    bare = minimize(saddle(), Newton("error", Fixed(1.0)), starts.copy(), stop=after(50))
    inside = abs(to_numpy(starts)[:, 1]) < 3**-0.5
    assert inside.all()
    assert all("Hessian is not positive definite: its least eigenvalue is -" in r for r in bare.reason)
    assert not bare.converged.any()
    assert_array_equal(bare.w, starts)


def test_trust_region_subproblem_is_exact():
    from xpnet.optimizers.trust import _in_ball

    random = np.random.default_rng(0)
    for _ in range(300):
        c = np.sort(random.standard_normal(4) * 10 ** random.uniform(-3, 3))
        s = random.standard_normal(4) * 10 ** random.uniform(-3, 3)
        if random.random() < 0.3:
            s[0] = 0.0  # may be the hard case
        radius = 10 ** random.uniform(-2, 2)
        q = _in_ball(c, s, radius)
        # the conditions that characterize the global minimum
        assert np.linalg.norm(q) <= radius * (1 + 1e-9)
        t = max(0.0, float(-(s + c * q) @ q) / float(q @ q)) if q.any() else 0.0
        np.testing.assert_allclose(
            (c + t) * q, -s, atol=1e-5 * (np.abs(s).max() + np.abs(c).max() * radius)
        )
        assert c[0] + t >= -1e-5 * np.abs(c).max()
        if t > 1e-6 * np.abs(c).max():
            assert np.linalg.norm(q) == pytest.approx(radius, rel=1e-6)


def test_bfgs_on_a_quadratic_recovers_the_inverse_hessian(device):
    objective, w = quadratic(100, backend=device)
    for scaled in (False, True):
        method, point = BFGS(Exact(), scaled=scaled), w.copy()
        state = method.initialize(objective, point)
        for _ in range(9):  # n + 1
            method.step(objective, point, state)
        assert np.linalg.norm(to_numpy(objective.value_and_gradient(point)[1])) < 1e-10
        method.learn(state, objective.value_and_gradient(point)[1])
        assert_allclose(state["inverse"] @ objective.A, np.eye(8), atol=1e-8)


@pytest.mark.parametrize("method", [BFGS(), LBFGS()], ids=str)
def test_pairs_without_curvature_are_left_out(method):
    """Row 23: unless `y's > 1e-10 |y| |s|`."""
    objective, w = quadratic(10)
    state = method.initialize(objective, w)
    for _ in range(3):
        method.step(objective, w, state)
    gradient = objective.value_and_gradient(w)[1]
    for y, learned in ((-1.0, False), (1e-11, False), (1e-9, True)):
        own = copy.deepcopy(state)
        s = np.eye(8)[0]
        own["moved"], own["before"] = s, gradient - (y * s + np.eye(8)[1])
        method.learn(own, gradient)
        without = copy.deepcopy(state)
        if isinstance(method, BFGS):
            assert np.array_equal(own["inverse"], without["inverse"]) != learned
        else:
            direction = method.direction(objective, w, gradient, without)[0]
            assert np.array_equal(method.direction(objective, w, gradient, own)[0], direction) != learned


def test_conjugate_gradients_on_a_quadratic_are_linear_ones(device):
    objective, w = quadratic(1000, backend=device)
    for method in (NonlinearCG("PR+", Exact()), NonlinearCG("HZ", Exact()), BFGS(Exact(), scaled=False)):
        point = w.copy()
        steps = iterate(objective, method, point)
        want = xpnet.linear.conjugate_gradient(
            lambda v: objective.hessian_product(w, v), -(objective.A @ w), iterations=5
        )
        for _ in range(5):
            next(steps)
        assert_allclose(point - w, want.x, rtol=1e-6, atol=1e-8)


def test_lbfgs_with_memory_for_all_steps_is_bfgs(device):
    objective = regression(device)
    w = NETWORK.initialize(0, device, "float64")
    other = w.copy()
    pair = (
        iterate(objective, LBFGS(30, Fixed(0.5), scaling="first"), w),
        iterate(objective, BFGS(Fixed(0.5)), other),
    )
    for _ in range(25):
        next(pair[0])
        next(pair[1])
        assert_allclose(w, other, rtol=1e-8, atol=1e-10)


def test_trajectories_equal_scipy(device):
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy, the oracle, is not installed")
    by_name = {problem.name: problem for problem in xpnet.PROBLEMS}
    for ours, theirs, names in (
        (BFGS(scaled=False), "BFGS", ("rosenbrock", "beale", "wood", "watson", "helical valley")),
        (NonlinearCG(), "CG", ("beale", "wood", "watson", "brown-dennis", "broyden tridiagonal")),
    ):
        for name in names:
            problem = by_name[name]
            objective, w = problem.objective(device), np.array(problem.start)
            points = []
            optimize.minimize(
                lambda x, objective=objective: float(objective.value(device.asarray(x))),
                w.copy(),
                jac=lambda x, objective=objective: to_numpy(
                    objective.value_and_gradient(device.asarray(x))[1]
                ),
                method=theirs,
                callback=lambda x, points=points: points.append(x.copy()),
                options={"maxiter": 30},
            )
            w = device.asarray(w)
            steps = iterate(objective, ours, w)
            for k, want in enumerate(points):
                next(steps)
                # later the differences in the last digit have grown
                allowed = (1e-12 if k < 6 else 1e-8) * abs(want).max()
                assert_allclose(w, want, rtol=0, atol=allowed, err_msg=name)
                if k == 12:
                    break
            assert k >= 10


def test_lbfgs_reaches_the_minimum_that_pytorch_reaches(torch, device):
    objective, start = regression(device), NETWORK.initialize(4, device, "float64")
    run = minimize(objective, LBFGS(), start.copy(), stop=after(2000) | gradient_below(1e-9))
    variable = torch.nn.Parameter(torch.tensor(to_numpy(start)))
    optimizer = torch.optim.LBFGS(
        [variable], max_iter=2000, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        value, gradient = objective.value_and_gradient(device.asarray(variable.detach().numpy()))
        variable.grad = torch.tensor(to_numpy(gradient))
        return torch.tensor(float(value))

    optimizer.step(closure)
    theirs = float(objective.value(device.asarray(variable.detach().numpy())))
    assert run.value == pytest.approx(theirs, rel=1e-6)
    assert run.value <= theirs * (1 + 1e-12)


def test_levenberg_marquardt_reaches_what_scipy_reaches(device):
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy, the oracle, is not installed")
    objective, start = regression(device), NETWORK.initialize(4, device, "float64")
    run = minimize(objective, LevenbergMarquardt(), start.copy(), stop=after(500))
    found = optimize.least_squares(
        lambda w: to_numpy(objective.residuals(device.asarray(w))),
        to_numpy(start),
        jac=lambda w: to_numpy(objective.jacobian(device.asarray(w))),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
    )
    assert run.value == pytest.approx(found.cost, rel=1e-10)
    assert "as far as rounding lets it go" in run.reason
    assert run.converged


def test_gauss_newton_solves_a_linear_least_squares_in_one_step(device):
    def line(xp, w):
        return [w[..., 0] + w[..., 1] * x - y for x, y in ((0.0, 1.0), (1.0, 3.0), (2.0, 4.0))]

    objective, w = LeastSquares(line, backend=device), device.asarray([0.0, 0.0])
    next(iterate(objective, GaussNewton(search=Fixed(1.0)), w))
    assert_allclose(w, np.polyfit([0, 1, 2], [1, 3, 4], 1)[::-1], rtol=1e-13)


def test_a_singular_gauss_newton_matrix_ends_the_run_and_says_so(device):
    def one_equation(xp, w):
        return [w[..., 0] + w[..., 1] - 1.0]

    objective, w = LeastSquares(one_equation, backend=device), device.asarray([0.0, 0.0])
    run = minimize(objective, GaussNewton(), w, stop=after(5))
    assert "step 0: the Gauss-Newton matrix is not positive definite" in run.reason
    assert not run.converged
    assert_array_equal(run.w, 0)
    damped = minimize(objective, LevenbergMarquardt(), 0.0 * w, stop=after(50))
    assert damped.value < 1e-20


def test_the_exact_search_needs_positive_curvature_and_says_so():
    objective, w = Quadratic(np.diag([1.0, -1.0]), backend="numpy"), np.array([0.1, 1.0])
    run = minimize(objective, SteepestDescent(Exact()), w, stop=after(5))
    assert run.reason.endswith("no minimum along the direction, where the curvature is not positive")
    assert not run.converged
    np.testing.assert_array_equal(run.w, [0.1, 1.0])


def test_objectives_that_serve_as_oracles_have_right_gradients():
    xpnet.testing.check_gradient(Cliff(5.0), np.array([-3.0]))
    xpnet.testing.check_gradient(Counted(xpnet.PROBLEMS[0].objective("numpy")), np.array([-1.2, 1.0]))
    for objective in (regression(), classification()):
        xpnet.testing.check_gradient(objective, objective.network.initialize(0, "numpy", "float64"))


@pytest.mark.parametrize(
    "make",
    [
        lambda pair: xpnet.Adam(beta1=pair),
        lambda pair: xpnet.RMSprop(epsilon=pair),
        lambda pair: xpnet.QuickProp(growth=pair),
        lambda pair: xpnet.Rprop(up=pair),
        lambda pair: xpnet.schedules.Plateau(pair),
        lambda pair: LevenbergMarquardt(damping=pair),
        lambda pair: TrustRegion(radius=pair),
        lambda pair: StrongWolfe(decrease=pair),
        lambda pair: Newton(damping=pair),
    ],
)
def test_options_for_all_replicas_refuse_one_for_each(make):
    with pytest.raises(TypeError, match=r"\w+ must be one number, for all replicas, got an array of shape"):
        make(np.array([[0.1], [0.2]]))


def test_the_budget_is_hard_and_the_best_point_comes_back(device):
    objective = xpnet.PROBLEMS[0].objective(device)
    for method in METHODS:
        counted = Counted(objective)
        for limit in (2, 3, 7, 20, 33):
            counted.calls, counted.least = 0, np.inf
            stop = evaluations(limit) | after(10_000)
            w = device.asarray([-1.2, 1.0])
            run = minimize(counted, method, w, stop=stop)
            assert counted.calls == sum(run.evaluations.values()) <= limit
            if run.reason == f"{limit} evaluations made":
                assert run.value == pytest.approx(run.best_value, rel=1e-14)
                assert run.value <= counted.least
            else:
                assert "step" in run.reason  # ended by itself


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


@pytest.mark.parametrize(
    "method", [m for m in METHODS if not isinstance(getattr(m, "search", None), Fixed)], ids=str
)
def test_searches_shrink_back_from_nan(method, device):
    # the minimum lies right at the cliff: a long first step falls off it
    run = minimize(Cliff(1.0), method, device.asarray([-30.0]), stop=after(300) | gradient_below(1e-6))
    assert run.converged
    assert abs(run.w[0] - 1) < 1e-5
    # no value at all but at the start
    run = minimize(Cliff(-30.0), method, device.asarray([-30.0]), stop=after(50))
    assert "some that were tried were not finite" in run.reason
    assert not run.converged
    assert run.w[0] == -30


def test_replicas_converge_each_by_itself(device):
    objective = xpnet.PROBLEMS[0].objective(device)
    starts = device.asarray([[-1.2, 1.0], [1.0, 1.0], [0.9, 0.8]])
    for method in METHODS:
        if isinstance(getattr(method, "search", None), Fixed) or isinstance(method, SteepestDescent):
            continue
        run = minimize(objective, method, starts.copy(), stop=after(2000) | gradient_below(1e-8))
        assert_allclose(run.w, 1, atol=1e-6, err_msg=repr(method))
        finished = np.isnan(run.history.value).argmax(axis=0)
        assert finished[1] == 1  # it began at the minimum
        assert run.converged.all()


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        (Newton(), "hessian_product for Newton"),
        (NewtonCG(), "hessian_product for NewtonCG"),
        (TrustRegion(), "hessian_product for TrustRegion"),
        (GaussNewton(), "gauss_newton_product for GaussNewton"),
        (LevenbergMarquardt(), "gauss_newton_product for LevenbergMarquardt"),
        (SteepestDescent(Exact()), "hessian_product for the exact search"),
    ],
    ids=str,
)
def test_objectives_without_a_product_are_refused_before_any_work(method, missing, device):
    class Plain(Objective):
        def value(self, w):
            raise AssertionError("work has begun")

        value_and_gradient = value

    with pytest.raises(TypeError, match=f"objective must have a {missing}; Plain has none"):
        minimize(Plain(), method, device.asarray([1.0, 1.0]))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Newton("ignore"), ValueError, "unknown indefinite 'ignore'"),
        (lambda: Newton(damping=0), ValueError, r"damping must be in \(0, 1\), got 0"),
        (
            lambda: Newton(search=0.1),
            TypeError,
            r"search must be a Search such as StrongWolfe\(\), got 0.1",
        ),
        (lambda: NewtonCG(0), ValueError, "iterations must be at least 1, got 0"),
        (lambda: NonlinearCG("FR"), ValueError, "unknown formula 'FR'"),
        (lambda: LBFGS(0), ValueError, "pairs must be at least 1, got 0"),
        (lambda: LBFGS(scaling="last"), ValueError, "unknown scaling 'last'"),
        (lambda: StrongWolfe(0.5, 0.4), ValueError, r"curvature must be in \(0.5, 1\), got 0.4"),
        (lambda: StrongWolfe(trials=0), ValueError, "trials must be at least 1, got 0"),
        (lambda: Backtracking(shrink=1.0), ValueError, r"shrink must be in \(0, 1\), got 1.0"),
        (lambda: Fixed(-1), ValueError, r"rate must be in \(0, inf\), got -1"),
        (lambda: TrustRegion("dogleg"), ValueError, "unknown subproblem 'dogleg'"),
        (lambda: TrustRegion(radius=0), ValueError, r"radius must be in \(0, inf\), got 0"),
        (lambda: LevenbergMarquardt(factor=1), ValueError, r"factor must be in \(1, inf\), got 1"),
        (
            lambda: LevenbergMarquardt(matrix_free=True),
            ValueError,
            "scaling must be 'identity' where matrix_free is true, got 'diagonal'",
        ),
    ],
)
def test_bad_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_state_of_another_optimizer_or_shape_is_refused():
    objective, w = quadratic(10)
    state = LBFGS().initialize(objective, w)
    with pytest.raises(ValueError, match=r"state is not one of BFGS\(.*: it has no 'fresh', 'inverse'"):
        minimize(objective, BFGS(), w, state=state)
    with pytest.raises(
        ValueError, match=r"state\['s'\] must have shape \(5, 8\) for this w, got \(10, 8\)"
    ):
        minimize(objective, LBFGS(5), w, state=state)
    with pytest.raises(ValueError, match=r"state\['s'\] must be float64 for this w, got float32"):
        minimize(objective, LBFGS(), w, state=state | {"s": state["s"].astype("float32")})
    with pytest.raises(TypeError, match="state must be a dict that an earlier run left, got 3"):
        minimize(objective, LBFGS(), w, state=3)


def test_a_fixed_rate_for_each_replica_needs_replicas():
    objective, w = quadratic(10)
    with pytest.raises(ValueError, match="w has no replicas, rate has 3 rows"):
        minimize(objective, SteepestDescent(Fixed(np.full((3, 1), 0.1))), w)


def test_names(device):
    objective, w = quadratic(10, backend=device)
    run = minimize(objective, "lbfgs", w.copy(), stop=gradient_below(1e-9) | after(500))
    same = minimize(objective, LBFGS(), w.copy(), stop=gradient_below(1e-9) | after(500))
    assert_array_equal(run.w, same.w)
    with pytest.raises(ValueError, match="unknown optimizer 'lbgfs'; did you mean 'lbfgs' or 'bfgs'"):
        minimize(objective, "lbgfs", w)
    for name, optimizer in xpnet.optimizers.NAMES.items():
        if name != "perceptron":
            assert minimize(objective, name, w.copy(), stop=after(3)).steps >= 1, name
            assert minimize(objective, optimizer, w.copy(), stop=after(3)).steps >= 1
