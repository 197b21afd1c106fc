"""The progress bar."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from oracles import BAD, NETWORK, Bowl
from oracles import seeded_risk as risk

from xpnet import (
    GradientDescent,
    Nesterov,
    Outcome,
    after,
    minimize,
)
from xpnet.training.progress import Bar


def start(replicas=None, dtype="float64", backend="numpy"):
    return NETWORK.initialize(1, backend, dtype, replicas)


def test_the_progress_bar(capsys, device):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    minimize(
        risk(device),
        Nesterov(0.2),
        start(backend=device),
        stop=after(40),
        held_out=risk(device, seed=3),
        progress=True,
    )
    shown = capsys.readouterr().err
    assert "40/40" in shown
    assert "value" in shown
    assert "rate 0.2" in shown
    assert "held out" in shown


def test_a_missing_progress_bar_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    w = start()
    with pytest.raises(ImportError, match=r"pip install '\.\[progress\]'.* checkout"):
        minimize(risk(), Nesterov(0.2), w, progress=True)
    np.testing.assert_array_equal(w, start())


def test_a_bar_over_numbers_that_are_not_finite_warns_of_nothing(capsys):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    for w in (np.ones(3), np.ones((2, 3))):
        run = minimize(Bowl(2, BAD[0][1]), GradientDescent(0.1), w, stop=after(9), progress=True)
        assert run.outcome in (Outcome.DIVERGED, (Outcome.DIVERGED,) * 2)
    assert "value" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["see", "close"])
@pytest.mark.parametrize("error", [BrokenPipeError, KeyboardInterrupt])
def test_a_bar_that_fails_does_not_lose_the_run(method, error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(Bar, "__init__", lambda *_: None)
    monkeypatch.setattr(Bar, "see", lambda *_: None)
    monkeypatch.setattr(Bar, "close", lambda *_: None)
    monkeypatch.setattr(Bar, method, fail)
    if error is KeyboardInterrupt:
        run = minimize(Bowl(), GradientDescent(0.1), np.ones(3), stop=after(9), progress=True)
    else:
        with pytest.raises(error) as caught:
            minimize(Bowl(), GradientDescent(0.1), np.ones(3), stop=after(9), progress=True)
        run = caught.value.run
    assert (run.steps, len(run.history)) == ((1, 1) if method == "see" else (9, 9))
    assert run.value == pytest.approx(1.5 * 0.81**run.steps)
