"""What makes a backend itself computes with the kernels that the environment names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from oracles import Bowl

import xpnet
from xpnet import linear
from xpnet.device.select import has_numba

X, LABELS = np.eye(3), [0, 1, 1]


@dataclass(frozen=True)
class Telling(xpnet.Layer):
    """A layer that notes which kernels it is run by."""

    told: ClassVar[list[str]] = []

    def shapes(self, inputs):
        return {}

    def initialize(self, random, inputs):
        return {}

    def forward(self, xp, parameters, inputs):
        self.told.append(getattr(xp, "kernels", "numpy"))
        return inputs, None

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        return gradient if input_gradient else None


NETWORK = xpnet.Network(3, Telling(), xpnet.Dense(2, "softmax"))
ENTRIES = {
    "predict": lambda: NETWORK.predict(np.zeros(8), X),
    "parameters": lambda: NETWORK.parameters(np.zeros(8)),
    "initialize": lambda: NETWORK.initialize(backend="numpy"),
    "EmpiricalRisk": lambda: xpnet.EmpiricalRisk(NETWORK, "cross_entropy", X, LABELS, backend="numpy"),
    "Quadratic": lambda: xpnet.Quadratic(X, backend="numpy"),
    "LeastSquares": lambda: xpnet.LeastSquares(lambda xp, w: [w[..., 0]], backend="numpy"),
    "ThresholdUnit": lambda: xpnet.ThresholdUnit(X, [1, -1, 1], backend="numpy"),
    "minimize": lambda: xpnet.minimize(Bowl(), "momentum", np.ones(3), stop=xpnet.after(1)),
    "iterate": lambda: xpnet.iterate(Bowl(), "momentum", np.ones(3)),
    "a step": lambda: xpnet.Momentum().initialize(Bowl(), np.ones(3)),
    "linear": lambda: linear.conjugate_gradient(lambda v: v, np.ones(3)),
    "difference_hessian": lambda: xpnet.difference_hessian(Bowl(), np.ones(3)),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_asks_the_environment(entry, monkeypatch):
    monkeypatch.setenv("XPNET_KERNELS", "numpy")
    ENTRIES[entry]()
    monkeypatch.setenv("XPNET_KERNELS", "none of these")
    with pytest.raises(xpnet.BackendError, match="XPNET_KERNELS='none of these' are no kernels"):
        ENTRIES[entry]()


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
@pytest.mark.parametrize("entry", ["predict", "EmpiricalRisk"])
def test_layers_are_run_by_them(entry, kernels, monkeypatch):
    if kernels == "numba" and not has_numba():
        pytest.skip("Numba is not installed")
    monkeypatch.setenv("XPNET_KERNELS", kernels)
    Telling.told.clear()
    made = ENTRIES[entry]()
    if entry == "EmpiricalRisk":
        assert made.backend.kernels == kernels
        made.value(made.initialize())
    assert {*Telling.told} == {kernels}


def test_a_run_tells_them(monkeypatch):
    for kernels in ["numpy"] + ["numba"] * has_numba():
        monkeypatch.setenv("XPNET_KERNELS", kernels)
        assert ENTRIES["minimize"]().kernels == kernels
