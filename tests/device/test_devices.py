"""CUDA devices and streams: nothing is left to the current ones, and nothing is left behind."""

from __future__ import annotations

import numpy as np
import pytest

import xpnet
from xpnet import (
    L2,
    LBFGS,
    Adam,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    GradientDescent,
    Minibatch,
    Momentum,
    Network,
    after,
    iterate,
    minimize,
)

NETWORK = Network(4, Dense(6, "tanh"), Dense(3, "softmax"))
RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.standard_normal((50, 4)), RANDOM.integers(0, 3, 50)


@pytest.fixture
def cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        xpnet.backend("cupy")
    except xpnet.BackendError as error:
        pytest.skip(str(error))
    return cupy


@pytest.fixture
def watched(cupy, monkeypatch):
    """A backend whose device knows whether it is the current one, and all that must ask it."""

    class Device(cupy.cuda.Device):
        depth = 0

        def __enter__(self):
            Device.depth += 1
            return super().__enter__()

        def __exit__(self, *error):
            Device.depth -= 1
            return super().__exit__(*error)

    own = xpnet.backend("cupy")
    place = xpnet.Backend("cupy", own.xp, Device(0))
    asked = set()

    def on_device(module, name):
        original = getattr(module, name)

        def checked(*arguments, **options):
            assert Device.depth > 0, f"{name} outside the device"
            asked.add(name)
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, checked)

    # backend_of(w) is the same backend
    for module in ("optimizers.base", "training", "network", "objectives.base", "optimizers.minibatch"):
        module = __import__(f"xpnet.{module}", fromlist=["_"])
        if hasattr(module, "backend_of"):
            monkeypatch.setattr(module, "backend_of", lambda array, **options: place)
    for name in ("ones", "empty", "zeros", "arange", "asarray", "astype", "matmul", "sum", "concat"):
        on_device(own.xp, name)
    for name in ("forward", "backward"):
        on_device(Network, name)
    cuda = __import__("xpnet.rules.cuda", fromlist=["_"])
    on_device(cuda, "run")
    yield place, asked
    assert Device.depth == 0


@pytest.mark.parametrize("resident", [True, False])
def test_all_work_is_done_on_the_device_of_the_risk(watched, resident):
    place, asked = watched
    w = NETWORK.initialize(0, place)
    risk = EmpiricalRisk(
        NETWORK,
        CrossEntropy(),
        X,
        LABELS,
        backend=place,
        resident=resident,
        chunk=20,
        penalty=L2(0.1),
        sample_weight=np.ones(50),
    )
    risk.value(w)
    risk.value_and_gradient(w)
    risk.gauss_newton_product(w, w)
    risk.hessian(w)
    NETWORK.predict(w, X)
    for optimizer in (Momentum(), Adam(), LBFGS(), Minibatch(GradientDescent(0.1), 16)):
        minimize(risk, optimizer, w, stop=after(3), held_out=risk)
        steps = iterate(risk, optimizer, w)
        next(steps)
        next(steps)
    assert asked > {"ones", "empty", "forward", "backward", "run"}


def test_arrays_on_another_device_are_refused_with_both_named(cupy):
    class Elsewhere(cupy.cuda.Device):  # which need not exist, as nothing is done there
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    place = xpnet.backend("cupy")
    other = xpnet.Backend("cupy", place.xp, Elsewhere(1))
    risk = EmpiricalRisk(NETWORK, CrossEntropy(), X, LABELS, backend=place)
    w = NETWORK.initialize(0, place)
    both = r"must be an array of backend 'cupy' on .*1.*, got a cupy.ndarray on .*0.*; move it with"
    with pytest.raises(TypeError, match=f"X {both}"):
        EmpiricalRisk(NETWORK, CrossEntropy(), place.asarray(X), LABELS, backend=other)
    with pytest.raises(TypeError, match=f"targets {both}"):
        EmpiricalRisk(NETWORK, CrossEntropy(), X, place.asarray(LABELS), backend=other)
    risk.backend = other
    for call in (
        lambda: risk.value(w),
        lambda: risk.value_and_gradient(w),
        lambda: risk.hessian_product(w, w),
        lambda: next(iterate(risk, GradientDescent(), w)),
    ):
        with pytest.raises(TypeError, match=f"w {both}"):
            call()
    with pytest.raises(TypeError, match=f"v {both}"):
        xpnet.check_direction(other, w, w)


def test_a_state_that_lies_elsewhere_is_refused(cupy):
    risk = EmpiricalRisk(NETWORK, CrossEntropy(), X, LABELS, backend="cupy")
    w = NETWORK.initialize(0, "cupy")
    state = {"step": 1, "velocity": np.zeros(NETWORK.size, np.float32)}
    with pytest.raises(TypeError, match=r"state\['velocity'\] must be an array of backend 'cupy'.*numpy"):
        next(iterate(risk, Momentum(), w, state=state))


@pytest.mark.parametrize("resident", [True, False])
def test_the_current_device_and_stream_are_left_as_they_were(cupy, resident):
    user = cupy.cuda.Stream(non_blocking=True)
    results = []
    for stream in (cupy.cuda.Stream(null=True), user):
        with stream:
            risk = EmpiricalRisk(
                NETWORK, CrossEntropy(), X, LABELS, backend="cupy", resident=resident, chunk=20
            )
            w = NETWORK.initialize(0, "cupy")
            for _ in zip(iterate(risk, Momentum(), w), range(3), strict=False):
                assert cupy.cuda.get_current_stream() == stream
                assert cupy.cuda.runtime.getDevice() == 0
            minimize(risk, Momentum(), w, stop=after(3), in_place=True)
            assert cupy.cuda.get_current_stream() == stream
            results.append(w.get())
    np.testing.assert_array_equal(*results)


def test_no_work_goes_to_the_null_stream_of_a_user_with_another(cupy, counter):
    """While a stream is captured, what is launched on it is recorded and not executed."""
    risk = EmpiricalRisk(NETWORK, CrossEntropy(), X, LABELS, backend="cupy", chunk=50)
    w = NETWORK.initialize(0, "cupy")
    velocity = cupy.zeros_like(w)
    rule = xpnet.optimizers.rules.momentum
    stream = cupy.cuda.Stream(non_blocking=True)

    def work():
        rule.write(risk.backend.xp, (w, velocity), w, w, velocity, rate=0.1, momentum=0.9)

    work()
    with stream:
        stream.begin_capture()
        with counter.count() as counts:
            work()
        stream.end_capture()
    assert counts.launches == 0
