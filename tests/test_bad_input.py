"""Bad input: a clear error that names the argument, before any work, with nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import read_only

import xpnet
from xpnet import (
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    GradientDescent,
    Momentum,
    Nesterov,
    Network,
    iterate,
    minimize,
)
from xpnet.optimizers import rules

NETWORK = Network(2, Dense(3, "tanh"), Dense(3, "softmax"))
X = np.random.default_rng(0).standard_normal((6, 2))
LABELS = np.array([0, 1, 2, 0, 1, 2])


def with_value(array, value):
    array = np.array(array, float)
    array.flat[3] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": np.zeros((0, 2)), "targets": []}, ValueError, "X is empty"),
        ({"X": X[:5]}, ValueError, r"targets must be \(5,\) or \(5, 3\).*got shape \(6,\)"),
        ({"X": X[0]}, ValueError, r"X must be \(samples, 2\).*got shape \(2,\)"),
        ({"X": X[:, :1]}, ValueError, r"X must be \(samples, 2\).*got shape \(6, 1\)"),
        ({"X": with_value(X, np.nan)}, ValueError, "X contains NaN"),
        ({"X": with_value(X, np.inf)}, ValueError, "X contains infinity"),
        ({"X": with_value(X, 1e300)}, ValueError, "X contains infinity"),  # in float32
        ({"X": X.astype(object)}, TypeError, "X must hold real numbers, got an array of objects"),
        ({"X": X.astype(str)}, TypeError, "X must hold real numbers, got an array of strings"),
        ({"targets": LABELS - 1}, ValueError, "labels from 0 to 2.*got labels from -1 to 1"),
        ({"targets": LABELS + 1}, ValueError, "labels from 0 to 2.*got labels from 1 to 3"),
        ({"targets": LABELS + 0.5}, ValueError, "targets .* must be integers, got fractions"),
        ({"targets": with_value(LABELS, np.nan)}, ValueError, "targets contains NaN"),
        ({"targets": np.eye(4)[LABELS]}, ValueError, r"targets must be \(6, 3\).*\(6, 4\)"),
        ({"targets": np.ones((6, 3))}, ValueError, "targets .* must sum to 1"),
        (
            {"targets": 2 * np.eye(3)[LABELS]},
            ValueError,
            r"must lie in \[0, 1\], got values from 0 to 2",
        ),
        (
            {"targets": ["a"] * 6},
            TypeError,
            "targets must hold real numbers, got an array of strings",
        ),
        ({"sample_weight": np.ones(5)}, ValueError, r"sample_weight must be \(6,\).*\(5,\)"),
        ({"sample_weight": -np.ones(6)}, ValueError, "sample_weight must not be negative"),
        ({"sample_weight": np.zeros(6)}, ValueError, "sample_weight .* not all zero"),
        (
            {"sample_weight": with_value(np.ones(6), np.nan)},
            ValueError,
            "sample_weight contains NaN",
        ),
        ({"chunk": 0}, ValueError, "chunk must be at least 1, got 0"),
        ({"chunk": 2.5}, TypeError, "chunk must be an integer, got 2.5"),
        ({"threads": 0}, ValueError, "threads must be at least 1, got 0"),
        ({"threads": True}, TypeError, "threads must be an integer, got True"),
        ({"dtype": "float16"}, ValueError, "dtype must be 'float32' or 'float64', got 'float16'"),
        ({"penalty": 0.1}, TypeError, "penalty must be L2, L1, or a sequence of them, got 0.1"),
        ({"network": 3}, TypeError, "network must be a Network, got 3"),
        ({"divergence": CrossEntropy}, TypeError, "divergence must be a Divergence such as"),
        ({"backend": "cuppy"}, xpnet.BackendError, "did you mean 'cupy'"),
    ],
)
def test_risks(arguments, error, message, device):
    given = {
        "network": NETWORK,
        "divergence": CrossEntropy(),
        "X": X,
        "targets": LABELS,
        "backend": device,
    } | arguments
    with pytest.raises(error, match=message):
        EmpiricalRisk(**given)


def test_one_output_and_cross_entropy(device):
    with pytest.raises(ValueError, match="at least 2 outputs; for one output use BinaryCrossEntropy"):
        EmpiricalRisk(Network(2, Dense(1, "softmax")), CrossEntropy(), X, LABELS > 1, backend=device)
    with pytest.raises(ValueError, match=r"targets of BinaryCrossEntropy\(\) must lie in \[0, 1\]"):
        EmpiricalRisk(Network(2, Dense(1, "sigmoid")), BinaryCrossEntropy(), X, LABELS, backend=device)


def test_what_is_no_plain_array_is_named(device):
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    masked = np.ma.array(np.zeros(6), mask=[0, 0, 1, 0, 0, 0])
    for arguments, error, message in [
        (
            {"sample_weight": sparse.csr_array(X)},
            TypeError,
            r"sample_weight is a SciPy sparse matrix \(csr_array\); pass sample_weight.toarray\(\)",
        ),
        ({"targets": masked}, ValueError, r"targets\[2\] is masked: leave what is masked out"),
        ({"sample_weight": masked}, ValueError, r"sample_weight\[2\] is masked"),
        ({"X": np.ma.array(X, mask=X > 1)}, ValueError, r"X\[\d, \d\] is masked"),
    ]:
        with pytest.raises(error, match=message):
            EmpiricalRisk(
                NETWORK, CrossEntropy(), **{"X": X, "targets": LABELS} | arguments, backend=device
            )


@pytest.fixture
def risk():
    return EmpiricalRisk(NETWORK, CrossEntropy(), X, LABELS, backend="numpy")


@pytest.fixture
def w():
    return NETWORK.initialize(0, "numpy")


def test_points(risk, w):
    for call in (risk.value, risk.value_and_gradient):
        with pytest.raises(ValueError, match="w must have 21 parameters on its last axis.*20"):
            call(w[:-1])
        with pytest.raises(TypeError, match="w must be float32, as the data, got float64"):
            call(w.astype(float))
        with pytest.raises(TypeError, match="w must be an array of backend 'numpy'.*got a builtins.list"):
            call([0.0] * 21)
    with pytest.raises(ValueError, match=r"w must be \(P,\) or \(R, P\), got shape \(1, 1, 21\)"):
        risk.value_and_gradient(w[None, None])


def test_arrays_of_two_backends(risk):
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    w = strict.zeros(21, dtype=strict.float32)
    with pytest.raises(TypeError, match="backend 'numpy' on cpu, got a array_api_strict"):
        risk.value(w)
    with pytest.raises(TypeError, match="backend 'numpy' on cpu, got a array_api_strict"):
        next(iterate(risk, GradientDescent(), w))
    device = strict.__array_namespace_info__().devices()[1]
    other = EmpiricalRisk(
        NETWORK,
        CrossEntropy(),
        X,
        LABELS,
        backend=xpnet.Backend("array_api_strict", strict, device),
    )
    with pytest.raises(TypeError, match=r"device1.*CPU_DEVICE"):
        other.value(w)


@pytest.mark.parametrize("run", [minimize, lambda *a: next(iterate(*a))], ids=["minimize", "iterate"])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda w: with_value(w, np.nan).astype("float32"), ValueError, "w contains NaN"),
        (lambda w: with_value(w, np.inf).astype("float32"), ValueError, "w contains infinity"),
        (lambda w: w.astype(int), TypeError, "w must be float32 or float64, got int64"),
        (lambda w: w.astype(float), TypeError, "w must be float32, as the data, got float64"),
        (lambda w: w[:20].copy(), ValueError, "w must have 21 parameters"),
        (lambda w: w[None, None], ValueError, r"w must be \(P,\) or \(R, P\)"),
        (list, TypeError, "w must be an array, .* got list"),
    ],
)
def test_starts(risk, w, run, change, error, message):
    bad = change(w)
    before = np.array(bad)
    with pytest.raises(error, match=message):
        run(risk, Nesterov(), bad)
    np.testing.assert_array_equal(np.array(bad), before)


def test_what_is_to_be_moved_can_be_written_to(risk, w):
    (bad,) = read_only(w)
    with pytest.raises(ValueError, match="w is read-only"):
        iterate(risk, Nesterov(), bad)
    with pytest.raises(ValueError, match="w is read-only"):
        minimize(risk, Nesterov(), bad, in_place=True)


@pytest.mark.parametrize("kind", [GradientDescent, Momentum, Nesterov])
@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (0, ValueError, r"rate must be in \(0, inf\), got 0"),
        (-0.1, ValueError, r"rate must be in \(0, inf\), got -0.1"),
        (float("nan"), ValueError, "rate must be .* got nan"),
        (float("inf"), ValueError, "rate must be .* got inf"),
        ("0.1", TypeError, "rate must be a number, got '0.1'"),
        (None, TypeError, "rate must be a number, got None"),
        (np.ones((2, 2)), ValueError, r"rate must be a number, \(R, 1\) or \(P,\), got shape \(2, 2\)"),
        (np.array([[0.1], [-0.2]]), ValueError, r"rate must be in \(0, inf\), got -0.2"),
        (np.array([0.1, np.inf]), ValueError, r"rate must be in \(0, inf\), got inf"),
        (np.array([[0.1], [np.nan]]), ValueError, r"rate must be in \(0, inf\), got nan"),
    ],
)
def test_rates(kind, rate, error, message):
    with pytest.raises(error, match=message):
        kind(rate)


@pytest.mark.parametrize("kind", [Momentum, Nesterov])
@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5, float("nan"), np.array([[0.5], [1.0]])])
def test_momenta(kind, momentum):
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got"):
        kind(0.1, momentum)


def test_a_schedule_that_goes_wrong_is_named(risk, w):
    steps = iterate(risk, GradientDescent(lambda step: 0.1 - 0.06 * step), w)
    next(steps)
    next(steps)
    with pytest.raises(ValueError, match=r"rate\(2\) must be in \[0, inf\), got -0.0"):
        next(steps)


def test_unknown_names_list_the_close_ones():
    with pytest.raises(ValueError, match="unknown activation 'thanh'; did you mean 'tanh'"):
        Dense(3, "thanh")
    with pytest.raises(ValueError, match="unknown activation 'swish'; use one of"):
        Dense(3, "swish")
    with pytest.raises(ValueError, match="unknown initializer 'glorott'; did you mean 'glorot'"):
        Dense(3, initializer="glorott")
    with pytest.raises(ValueError, match="units must be at least 1, got 0"):
        Dense(0)
    with pytest.raises(ValueError, match="strength must be .* got -1"):
        xpnet.L2(-1)


def test_what_is_no_objective_optimizer_or_rule(risk, w):
    before = w.copy()
    with pytest.raises(TypeError, match="objective must be an Objective, got"):
        minimize(lambda w: w, Nesterov(), w)
    with pytest.raises(TypeError, match="optimizer must be an Optimizer such as"):
        minimize(risk, Nesterov, w)
    with pytest.raises(TypeError, match="stop must be a stopping rule such as after"):
        minimize(risk, Nesterov(), w, stop=100)
    with pytest.raises(ValueError, match="held_out must be given"):
        minimize(risk, Nesterov(), w, stop=xpnet.after(3) | xpnet.patience(2))
    with pytest.raises(TypeError, match="held_out must be an Objective"):
        minimize(risk, Nesterov(), w, held_out=3)
    with pytest.raises(ValueError, match="check_every must be at least 1, got 0"):
        minimize(risk, Nesterov(), w, check_every=0)
    with pytest.raises(ValueError, match="held_out_every must be at least 1, got 0"):
        minimize(risk, Nesterov(), w, held_out_every=0)
    np.testing.assert_array_equal(w, before)


def test_a_rate_for_other_replicas(risk):
    w = NETWORK.initialize(0, "numpy", replicas=2)
    with pytest.raises(ValueError, match="rate must be .* w has 2 replicas .* rate has 3 rows"):
        minimize(risk, GradientDescent(np.ones((3, 1))), w)
    with pytest.raises(ValueError, match="rate must be .* w has no replicas .* rate has 3 rows"):
        minimize(risk, GradientDescent(np.ones((3, 1))), w[0].copy())


@pytest.mark.parametrize("name", ["X", "targets", "sample_weight"])
def test_half_precision_is_refused(name, device):
    arguments = {"X": X, "targets": np.eye(3)[LABELS], "sample_weight": np.ones(6)}
    half = arguments[name].astype("float16")
    kinds = [half, device.xp.asarray(half), list(half)]
    for values in kinds:
        message = rf"{name} must not be in half precision, got b?float16: convert it to float32"
        with pytest.raises(TypeError, match=message):
            EmpiricalRisk(NETWORK, CrossEntropy(), **arguments | {name: values}, backend=device)


def test_half_precision_of_pytorch_is_refused(torch, device):
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(TypeError, match="X must not be in half precision, got b?float16"):
            EmpiricalRisk(NETWORK, CrossEntropy(), torch.tensor(X, dtype=dtype), LABELS, backend=device)


def test_points_in_half_precision_are_refused(device):
    risk = EmpiricalRisk(NETWORK, CrossEntropy(), X, LABELS, backend=device)
    w = device.xp.asarray(NETWORK.initialize(0, device), dtype="float16")
    with pytest.raises(TypeError, match="w must be float32, as the data, got float16"):
        risk.value(w)
    with pytest.raises(TypeError, match="w must be float32 or float64, got float16"):
        minimize(risk, Nesterov(), w)
    with pytest.raises(TypeError, match="momentum: w must be float32 or float64, got float16"):
        rules.momentum.compute(device.xp, w, w, w, rate=0.1, momentum=0.9)


def test_a_rate_elsewhere_than_w(cupy_backend):
    risk = EmpiricalRisk(NETWORK, CrossEntropy(), X, LABELS, backend=cupy_backend)
    w = NETWORK.initialize(0, cupy_backend, replicas=2)
    column = np.full((2, 1), 0.1)
    for optimizer, name in ((GradientDescent(column), "rate"), (Momentum(0.1, column), "momentum")):
        message = rf"{name} must be .* got a numpy.ndarray where w is a cupy.ndarray; move it with"
        with pytest.raises(TypeError, match=message):
            minimize(risk, optimizer, w)


def test_quadratics():
    with pytest.raises(ValueError, match=r"A must be square.*got shape \(2, 3\)"):
        xpnet.Quadratic(np.ones((2, 3)), backend="numpy")
    with pytest.raises(
        ValueError, match=r"b must be \(2,\) or \(R, 2\), as A is \(2, 2\), got shape \(3,\)"
    ):
        xpnet.Quadratic(np.eye(2), np.ones(3), backend="numpy")
    with pytest.raises(ValueError, match="same number of replicas"):
        xpnet.Quadratic(np.eye(2), np.ones((3, 2)), np.ones(4), backend="numpy")
    with pytest.raises(ValueError, match="b contains NaN"):
        xpnet.Quadratic(np.eye(2), [1, np.nan], backend="numpy")
    quadratic = xpnet.Quadratic(np.eye(2), np.ones((3, 2)), backend="numpy")
    with pytest.raises(ValueError, match=r"w must be \(3, 2\) as there are 3 replicas"):
        quadratic.value(np.ones(2))
    with pytest.raises(ValueError, match=r"w must be \(\.\.\., 2\), got shape \(3,\)"):
        quadratic.value(np.ones(3))
