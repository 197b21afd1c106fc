"""Descent methods: a direction and a search; and what they share with all that look at their steps."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, to_numpy
from oracles import (
    DIRECTIONS,
    REGRESSION,
    SECOND_ORDER,
    Cliff,
    Counted,
    Function,
    classification,
    quadratic,
    regression,
)

import xpnet
import xpnet.testing
from xpnet import (
    BFGS,
    LBFGS,
    Backtracking,
    EmpiricalRisk,
    Exact,
    Fixed,
    GaussNewton,
    LevenbergMarquardt,
    Newton,
    NewtonCG,
    NonlinearCG,
    Objective,
    SteepestDescent,
    StrongWolfe,
    TrustRegion,
    after,
    evaluations,
    gradient_below,
    iterate,
    minimize,
    value_below,
)


@pytest.mark.parametrize("method", SECOND_ORDER, ids=str)
def test_every_backend_takes_the_same_steps(method, backend, dtype, tolerance):
    points = []
    for own in (backend, xpnet.backend("numpy")):
        w = REGRESSION.initialize(2, own, dtype)
        steps = iterate(regression(own, dtype), method, w)
        records = [next(steps) for _ in range(4)]
        assert w.dtype == own.dtype(dtype)
        assert [record.step for record in records] == list(range(4))
        points.append(own.to_numpy(w))
    np.testing.assert_allclose(points[0], points[1], atol=1e3 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", SECOND_ORDER, ids=str)
def test_snapshot_and_resume_bit_for_bit(method, dtype, device):
    objective, w = regression(device, dtype), REGRESSION.initialize(1, device, dtype)
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


@pytest.mark.parametrize("method", SECOND_ORDER, ids=str)
def test_replicas_equal_single_runs(method, backend, dtype, tolerance):
    objective = regression(backend, dtype)
    w = REGRESSION.initialize(0, backend, dtype, replicas=3)
    singles = [REGRESSION.initialize(r, backend, dtype) for r in range(3)]
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
@pytest.mark.parametrize("method", SECOND_ORDER, ids=str)
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
@pytest.mark.parametrize("method", DIRECTIONS[1:] + SECOND_ORDER[16:], ids=str)
def test_rotated_quadratics(method, kappa, device):
    if device.name == "cupy" and kappa > 1e3:
        pytest.skip("the same on every device, and many steps")
    if isinstance(method, LevenbergMarquardt) and method.matrix_free and kappa > 1e3:
        pytest.skip("damped conjugate gradients crawl there, as they should")
    objective, w = quadratic(kappa, backend=device)
    wanted = 1e-12 * float(objective.value(w))
    run = minimize(objective, method, w, stop=after(3000) | value_below(wanted))
    assert run.best_value <= wanted


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
                # after a few steps the differences in the last digit have grown
                assert_allclose(w, want, rtol=0, atol=1e-11 * abs(want).max(), err_msg=name)
                if k == 4:
                    break
            assert k == 4


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
    for method in SECOND_ORDER:
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


def test_replicas_converge_each_by_itself(device):
    objective = xpnet.PROBLEMS[0].objective(device)
    starts = device.asarray([[-1.2, 1.0], [1.0, 1.0], [0.9, 0.8]])
    for method in SECOND_ORDER:
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
        (lambda: Newton("ignored"), ValueError, "unknown indefinite 'ignored'"),
        (lambda: Newton("ignore"), ValueError, "search must be one that needs no descent, such as Fixed"),
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
    with pytest.raises(ValueError, match=r"state is not one of BFGS\(.*: it has no 'inverse'"):
        minimize(objective, BFGS(), w, state=state)
    with pytest.raises(
        ValueError, match=r"state\['s'\] must have shape \(5, 8\) for this w, got \(10, 8\)"
    ):
        minimize(objective, LBFGS(5), w, state=state)
    with pytest.raises(ValueError, match=r"state\['s'\] must be float64 for this w, got float32"):
        minimize(objective, LBFGS(), w, state=state | {"s": state["s"].astype("float32")})
    with pytest.raises(TypeError, match="state must be a dict that an earlier run left, got 3"):
        minimize(objective, LBFGS(), w, state=3)


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


FIRST = [SteepestDescent(), NonlinearCG(), NonlinearCG("HZ"), BFGS(), LBFGS(3), SteepestDescent(Fixed(0.1))]


@pytest.mark.parametrize("method", SECOND_ORDER[:16], ids=str)
def test_a_state_is_not_believed_on_another_objective_or_point(method):
    """Faults 10 and 26: the first value on going on is that of the objective at hand, at `w`."""
    objective, backend = regression(), xpnet.backend("numpy")
    other = EmpiricalRisk(
        REGRESSION, xpnet.SquaredError(), np.ones((3, 2)), np.arange(3.0), backend="numpy", dtype="float64"
    )
    other = other if not isinstance(method, GaussNewton) else regression()
    w = REGRESSION.initialize(1, backend, "float64")
    state = method.initialize(objective, w)
    for _ in range(4):
        method.step(objective, w, state)
    for changed, point in ((other, w.copy()), (objective, w + 0.01)):
        own = copy.deepcopy(state)
        method.resume(backend, changed, point, own)
        fresh, start = method.initialize(changed, point), point.copy()
        if changed is not objective or point is not w:
            record = method.step(changed, point, own)
            assert record.step == 4
            assert float(record.value) == float(changed.value(start))
            if changed is not objective:
                wanted = method.step(changed, start, fresh)
                assert float(wanted.value) == float(record.value)
    same = copy.deepcopy(state)
    method.resume(backend, objective, w, same)
    assert same["step"] == 4
    assert all(name in same for name in state)


@pytest.mark.parametrize("method", SECOND_ORDER[:16], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resuming_on_the_same_objective_changes_no_bit(method, dtype, device):
    objective, w = regression(device, dtype), REGRESSION.initialize(1, device, dtype)
    state = method.initialize(objective, w)
    for _ in range(4):
        method.step(objective, w, state)
    later, own = copy.deepcopy((w, state))
    method.resume(device, objective, later, own)
    for _ in range(4):
        method.step(objective, w, state)
        method.step(objective, later, own)
    assert later.tobytes() == w.tobytes()


@pytest.mark.parametrize("method", FIRST, ids=str)
def test_an_objective_may_hand_out_the_same_arrays_each_time(method):
    """Fault 31."""
    A = quadratic(50)[0].A
    start = np.linspace(1, 2, 8)
    same = Function(lambda w: 0.5 * w @ A @ w + np.cos(w).sum(), lambda w: A @ w - np.sin(w), start)

    class Fresh(Function):
        def value_and_gradient(self, w):
            return tuple(array.copy() for array in super().value_and_gradient(w))

    points = []
    for objective in (same, Fresh(*same.functions, start)):
        w = start.copy()
        state = method.initialize(objective, w)
        for _ in range(8):
            method.step(objective, w, state)
        points.append(w)
    np.testing.assert_array_equal(*points)


@pytest.mark.parametrize("method", FIRST[:5], ids=str)
@pytest.mark.parametrize(
    ("name", "scale"),
    [("float32", 1e-25), ("float32", 1e-33), ("float32", 1e30), ("float64", 1e-290), ("float64", 1e302)],
)
def test_gradients_of_any_size(method, name, scale):
    """Faults 11 and 42: the unit of the value does not matter, though its square is no number."""
    scale, low = np.dtype(name).type(scale), np.finfo(name).smallest_normal
    curvatures = np.array([1, 2, 5], name)
    objective = Function(
        lambda w: 0.5 * scale * (curvatures * w * w).sum(axis=-1),
        lambda w: scale * curvatures * w,
        np.ones(3, name),
    )
    w = np.array([1, -2, 0.5], name)
    state, before = method.initialize(objective, w), float(objective.value(w))
    for _ in range(12):
        record = method.step(objective, w, state)
        assert np.isfinite(w).all()
        if record.endings:
            break
    assert float(objective.value(w)) <= max(0.05 * before, 100 * low)
    assert not any("zero" in ending.text for ending in record.endings) or not objective.told[1].any()
    assert objective.calls < 150


@pytest.mark.parametrize("method", [BFGS(), Newton(), NewtonCG(), GaussNewton()], ids=str)
def test_bits_do_not_depend_on_the_threads_of_blas(method):
    """Fault 41."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    network = xpnet.Network(4, xpnet.Dense(30, "tanh"), xpnet.Dense(8))
    random = np.random.default_rng(0)
    objective = EmpiricalRisk(
        network,
        xpnet.SquaredError(),
        random.standard_normal((300, 4)),
        random.standard_normal((300, 8)),
        backend="numpy",
        dtype="float64",
        penalty=xpnet.L2(1e-2, biases=True),
    )
    points = []
    for threads in (1, 2):
        w = network.initialize(0, "numpy", "float64")
        with threadpoolctl.threadpool_limits(threads):
            state = method.initialize(objective, w)
            for _ in range(2):
                method.step(objective, w, state)
            method.resume(objective.backend, objective, w, state)
            method.step(objective, w, state)
        points.append(w)
    np.testing.assert_array_equal(*points)


def test_steps_counted_by_numpy_are_steps(device):
    """Fault 16: what `np.savez` makes of a state."""
    objective, w = quadratic(10, backend=device)
    for method in (LBFGS(3), BFGS()):
        state = method.initialize(objective, w)
        method.step(objective, w, state)
        state |= {name: np.array(state[name]) for name in ("step", "learned") if name in state}
        method.resume(device, objective, w, state)
        record = method.step(objective, w, state)
        assert type(record.step) is int
        assert record.step == 1
