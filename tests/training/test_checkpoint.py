"""Checkpoints: written in time, whole, and enough to go on from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from oracles import NETWORK, Bowl
from oracles import seeded_risk as risk

from xpnet import (
    Checkpoint,
    GradientDescent,
    Minibatch,
    Momentum,
    Outcome,
    after,
    gradient_below,
    load,
    minimize,
    patience,
)


def start(replicas=None):
    return NETWORK.initialize(1, "numpy", "float64", replicas)


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("optimizer", [Momentum(0.2), Minibatch("adam", 7)], ids=repr)
def test_a_run_that_was_killed_goes_on_from_its_file(optimizer, ending, replicas, tmp_path):
    """Where the exception stands for a kill: what is written at the end is taken away."""
    if ending == "safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / f"run.{ending}"
    kept = []

    def die(step):
        if step.step == 27:
            kept.append(path.read_bytes())
            raise RuntimeError

    rules = patience(30) | after(60)
    options = {"held_out": risk(seed=3), "held_out_every": 3, "keep_path": True}
    with pytest.raises(RuntimeError):
        minimize(
            risk(),
            optimizer,
            start(replicas),
            stop=rules,
            callback=[Checkpoint(path, every=10), die],
            **options,
        )
    assert load(path).run.steps == 28  # the end of a run is kept in any case
    path.write_bytes(kept[0])
    saved = load(path)
    assert (saved.run.steps, saved.optimizer, saved.network) == (20, optimizer, NETWORK)
    options |= {"stop": rules}
    got = minimize(risk(), optimizer, resume=path, callback=Checkpoint(path, every=10), **options)
    want = minimize(risk(), optimizer, start(replicas), **options)
    for name in ("w", "value", "best_w", "best_value"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name), name)
    for name in ("step", "value", "rate", "held_out", "path"):
        np.testing.assert_array_equal(getattr(got.history, name), getattr(want.history, name), name)
    assert load(path).run.steps == 60


def test_replicas_of_which_some_have_ended_are_in_the_file(tmp_path):
    path, w = tmp_path / "run.npz", np.array([[0.1], [1.0], [10.0]])
    files = []

    def keep(step):
        files.append(path.read_bytes() if path.exists() else b"")

    def run(**options):
        return minimize(Bowl(), GradientDescent(0.1), stop=gradient_below(0.05) | after(90), **options)

    want = run(w=w, callback=[Checkpoint(path, every=1), keep])
    path.write_bytes(files[40])
    outcomes = load(path).run.outcome
    assert {*outcomes} == {Outcome.CONVERGED, Outcome.INTERRUPTED}
    got = run(resume=path)
    np.testing.assert_array_equal(got.w, want.w)
    np.testing.assert_array_equal(got.history.value, want.history.value)
    assert got.reason == want.reason


def test_seconds_count_too(tmp_path):
    path, found = tmp_path / "run.npz", []

    def look(step):
        time.sleep(0.01)
        found.append(path.exists())

    minimize(Bowl(), "adam", np.ones(3), stop=after(6), callback=[Checkpoint(path, seconds=0.03), look])
    assert found[0] is False
    assert found[-1] is True


def test_what_cannot_be_written_costs_no_step(tmp_path):
    path, bowl = tmp_path / "run.npz", Bowl()
    path.write_bytes(b"old")
    unsavable = GradientDescent(lambda step: 0.1)
    with pytest.raises(TypeError, match="rate"):
        minimize(bowl, unsavable, np.ones(3), callback=Checkpoint(path))
    with pytest.raises(ValueError, match="path must end in"):
        minimize(bowl, "adam", np.ones(3), callback=Checkpoint(tmp_path / "run.txt"))
    with pytest.raises(FileNotFoundError):
        minimize(bowl, "adam", np.ones(3), callback=Checkpoint(tmp_path / "no" / "run.npz"))
    assert bowl.calls == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.npz"]
    assert path.read_bytes() == b"old"


def test_settings_are_checked():
    for wrong in ({"every": 0}, {"seconds": -1.0}, {"every": 1.5}, {"parts": 3}, {"path": 3}):
        with pytest.raises((TypeError, ValueError), match=f"{next(iter(wrong))} must be"):
            Checkpoint(**{"path": "run.npz", **wrong})
    assert eval(repr(Checkpoint("run.npz", every=3))) == Checkpoint("run.npz", every=3)


PROGRAM = """
import sys
import numpy as np
from xpnet import Checkpoint, Quadratic, after, minimize
w = np.linspace(-1, 1, 50)
minimize(Quadratic(np.eye(50)), "adam", w, stop=after(10**6), callback=Checkpoint(sys.argv[1], every=5))
"""


def test_a_process_that_is_killed_leaves_a_file_to_go_on_from(tmp_path):
    from xpnet import Quadratic

    path = tmp_path / "run.npz"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], env={**os.environ})
    try:
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.2)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    if os.name == "posix":
        assert process.returncode == -signal.SIGKILL
    steps = load(path).run.steps
    assert steps
    assert steps % 5 == 0
    objective, w = Quadratic(np.eye(50), backend="numpy"), np.linspace(-1, 1, 50)
    got = minimize(objective, "adam", resume=path, stop=after(steps + 20))
    np.testing.assert_array_equal(got.w, minimize(objective, "adam", w, stop=after(steps + 20)).w)


def test_a_file_of_another_ending_is_refused_at_once():
    with pytest.raises(ValueError, match=r"path must end in .npz or .safetensors, got 'run.pt'"):
        Checkpoint("run.pt")
