"""`python -m xpnet`: versions, devices, and the self-check."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import xpnet
from xpnet import __main__ as command


def test_the_self_check_passes(device, monkeypatch, capsys):
    monkeypatch.setattr(command, "backends", lambda: [device])
    assert command.main([]) == 0
    shown = capsys.readouterr().out
    assert f"checks on {device.describe()}" in shown
    assert shown.count("  ok      ") == (3 if device.kernels == "numpy" else 4)
    assert shown.endswith("all is well\n")
    assert f"numpy {np.__version__}" in shown


def test_it_runs_as_a_module_and_can_do_without_the_check():
    done = subprocess.run(
        [sys.executable, "-m", "xpnet", "--no-check"], capture_output=True, text=True, check=True
    )
    assert "GB free" in done.stdout
    assert "xpnet.backend() is " in done.stdout
    assert "checks" not in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("check_rules", "Every elementwise rule gives what its reference gives. AssertionError: tilted"),
        ("check_training", "A short training run lowers the risk. AssertionError: tilted"),
    ],
)
def test_a_failed_check_is_named_and_an_error(name, said, monkeypatch, capsys):
    monkeypatch.setattr(command, "backends", lambda: [xpnet.backend("numpy", kernels="numpy")])

    def fails(place):
        raise AssertionError("tilted")

    fails.__doc__ = getattr(command, name).__doc__
    monkeypatch.setattr(command, name, fails)
    assert command.main([]) == 1
    shown = capsys.readouterr().out
    assert f"  FAILED  {said}" in shown
    assert "  ok  " in shown  # the others still run
    assert shown.endswith("something FAILED, see above\n")


def test_a_wrong_rule_is_found(numpy_backend, monkeypatch):
    rule = command.rules()["momentum"]
    monkeypatch.setattr(rule, "compute", lambda xp, *a, **k: tuple(1.001 * x for x in rule(xp, *a, **k)))
    with pytest.raises(AssertionError, match="momentum differs from its reference"):
        command.check_rules(numpy_backend)


def test_extras_that_are_not_installed_take_no_rule_away():
    program = (
        "import sys; [sys.modules.__setitem__(name, None) for name in sys.argv[1:]]; "
        "from xpnet.__main__ import rules; print(*sorted(rules()))"
    )
    without = ["sklearn", "scipy", "matplotlib", "onnx", "pandas", "tqdm", "tensorboard", "safetensors"]
    done = subprocess.run(
        [sys.executable, "-c", program, *without], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == sorted(command.rules())


def test_wrong_gradients_and_training_are_found(numpy_backend, monkeypatch):
    right = command._risk(numpy_backend)

    class Uphill(xpnet.Objective):
        def value(self, w):
            return right.value(w)

        def value_and_gradient(self, w):
            value, gradient = right.value_and_gradient(w)
            return value, -gradient

    monkeypatch.setattr(command, "_risk", lambda place: Uphill())
    with pytest.raises(AssertionError, match="gradient at"):
        command.check_gradient(numpy_backend)
    with pytest.raises(AssertionError, match="a risk of .* has become"):
        command.check_training(numpy_backend)


def test_a_backend_that_cannot_be_had_is_an_error(monkeypatch, capsys):
    monkeypatch.setenv("XPNET_BACKEND", "cupy:99")
    assert command.main(["--no-check"]) == 1
    assert "XPNET_BACKEND = 'cupy:99': FAILED: " in capsys.readouterr().out


def test_help_is_complete(capsys):
    for arguments, words in (
        (["--help"], ["usage: xpnet", "info", "lab", "--version", "python -m xpnet", "XPNET_BACKEND"]),
        (["info", "--help"], ["usage: xpnet info", "--no-check", "Shows versions"]),
        (["--version"], [f"xpnet {xpnet.__version__}"]),
    ):
        with pytest.raises(SystemExit, match="^0$"):
            command.main(arguments)
        shown = capsys.readouterr().out
        for word in words:
            assert word in shown
    with pytest.raises(SystemExit, match="^2$"):
        command.main(["inform"])
    assert "invalid choice: 'inform'" in capsys.readouterr().err


def test_info_is_what_there_is_without_a_command(capsys):
    assert command.main(["info", "--no-check"]) == command.main(["--no-check"]) == 0
    assert capsys.readouterr().out.count("xpnet.backend() is ") == 2
