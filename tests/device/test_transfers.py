"""On CuPy a step in float32 stays on the device and in float32; `counter` sees what the device is given."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from oracles import DIVERGENCES, NETWORK, OPTIMIZERS, data, risk

import xpnet
from xpnet import L1, L2, Dense, EmpiricalRisk, Network, schedules


def mixed(counted):
    """CuPy's own kernels that make float64 of something else; the library's are looked at by `ci/nvrtc`."""
    kinds = {name: set(name.partition("__")[2].split("_")) for name in counted.kernels}
    return [name for name, own in kinds.items() if "float64" in own and own - {"float64", "float"}]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_a_step_copies_nothing_and_waits_for_nothing(optimizer, cupy_backend, counter):
    objective, w = risk(cupy_backend, "float32"), NETWORK.initialize(0, cupy_backend)
    state = optimizer.initialize(objective, w)
    for _ in range(3):
        optimizer.step(objective, w, state)
    with counter.forbid("d2h", "h2d", "sync"), counter.count() as counted:
        record = optimizer.step(objective, w, state)
    assert not mixed(counted)
    assert record.gradient.dtype == w.dtype == np.float32
    for name, values in state.items():
        if name != "before":  # of iRprop+: a value
            assert getattr(values, "dtype", np.float32) == np.float32, name


@pytest.mark.parametrize("kind", ["plateau", "rows"])
def test_rates_on_the_device_are_no_reason_to_copy(kind, cupy_backend, counter):
    objective = risk(cupy_backend, "float32")
    w = NETWORK.initialize(0, cupy_backend, replicas=3)
    column = cupy_backend.asarray([[0.1], [0.2], [0.3]])
    rate = schedules.Plateau(0.1) if kind == "plateau" else column
    for optimizer in OPTIMIZERS:
        if isinstance(optimizer, xpnet.Rprop):
            continue
        optimizer = dataclasses.replace(optimizer, rate=rate)
        state = optimizer.initialize(objective, w)
        optimizer.step(objective, w, state)
        with counter.forbid("d2h", "h2d", "sync"):
            optimizer.step(objective, w, state)
        assert w.dtype == np.float32


@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "relu", "softplus", "softmax"])
@pytest.mark.parametrize("divergence", DIVERGENCES, ids=str)
def test_a_risk_and_its_products_stay_in_float32(divergence, activation, cupy_backend, counter):
    X, targets = data(divergence)
    network = Network(4, Dense(5, activation), Dense(3, "softmax"))
    objective = EmpiricalRisk(
        network, divergence, X, targets, backend=cupy_backend, penalty=[L1(0.1), L2(0.1)], chunk=4
    )
    w = network.initialize(0, cupy_backend)

    def work():
        value, gradient = objective.value_and_gradient(w)
        assert value.dtype == objective.value(w).dtype == np.float64  # an accumulator
        assert gradient.dtype == np.float32
        assert objective.hessian_product(w, w).dtype == np.float32
        assert objective.gauss_newton_product(w, w).dtype == np.float32

    work()
    with counter.forbid("d2h", "h2d", "sync"), counter.count() as counted:
        work()
    assert not mixed(counted)
