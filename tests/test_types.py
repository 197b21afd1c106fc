"""What a type checker finds in a user's script: the mistakes, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

SOUND = """
import numpy as np
import xpnet

X = np.zeros((10, 3))
network = xpnet.Network(3, xpnet.Dense(8, "tanh"), xpnet.Dense(2, "softmax"))
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, [0, 1] * 5, dtype="float32")
same = xpnet.EmpiricalRisk(network, "cross_entropy", X, [0, 1] * 5, dtype="float32")
w = network.initialize(seed=0)
w = same.initialize(seed=0, replicas=None)
print(xpnet.__version__.split("."), xpnet.export.to_c)
run = xpnet.minimize(risk, "lbfgs", w, stop=xpnet.after(5) | xpnet.gradient_below(1e-3))
outcome: xpnet.Outcome | tuple[xpnet.Outcome, ...] = run.outcome
reason: str | tuple[str, ...] = run.reason
print(run.w @ np.eye(2), np.asarray(run.w), run.w[0], np.allclose(run.w, [1.0]), float(run.value))
print(run.history.value[::10], network.predict(run.w, X).shape)
for record in xpnet.iterate(risk, xpnet.Nesterov(0.1), w):
    print(record.step, float(record.value))
    break
H = risk.hessian(w) @ w
start = np.array([-1.2, 1.0])
quadratic = xpnet.Quadratic(np.eye(2), backend="numpy")
print(xpnet.minimize(quadratic, xpnet.Newton("damp"), start).w)


class Rosenbrock(xpnet.Objective):
    def value(self, w: xpnet.Vector) -> xpnet.Scalar:
        return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2

    def value_and_gradient(self, w: xpnet.Vector) -> tuple[xpnet.Scalar, xpnet.Vector]:
        a, b = w[1] - w[0] ** 2, 1 - w[0]
        return self.value(w), np.array([-400 * a * w[0] - 2 * b, 200 * a])
"""

MISTAKES = [
    'xpnet.Dense(8, "swish")',
    'xpnet.Dense(8, initializer="xavier")',
    'xpnet.minimize(xpnet.Quadratic(np.eye(2)), "l-bfgs", np.zeros(2))',
    'xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, [0, 1], dtype="float16")',
    'xpnet.Newton(indefinite="hope")',
    'xpnet.NonlinearCG("FR+")',
    'xpnet.Rprop("plus")',
    'xpnet.TrustRegion("dogleg")',
    'xpnet.LevenbergMarquardt(scaling="columns")',
    'xpnet.LBFGS(scaling="always")',
    "xpnet.Adam(lr=0.1)",
    "xpnet.Network(inputs=3, layers=[])",
    "xpnet.minimize(risk, xpnet.Adam(), w, verbose=True)",
    "network.initialize(random_state=0)",
    'xpnet.EmpiricalRisk(network, "crossentropy", X, [0, 1])',
    "network.initialise(0)",
    "xpnet.SGD(0.1)",
    "run.w.no_such_method()",
    "run.value.no_such_method()",
    "run.outcom",
    "network.predict(w, X).no_such_method()",
    "risk.value(w).no_such_method()",
]


def diagnostics(tmp_path, text):
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    script = tmp_path / "script.py"
    script.write_text(text)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    return json.loads(done.stdout)["generalDiagnostics"]


def test_a_sound_script_is_sound(tmp_path):
    assert [found["message"] for found in diagnostics(tmp_path, SOUND)] == []


def test_mistakes_are_found(tmp_path):
    text = SOUND + "\n\n" + "\n".join(MISTAKES) + "\n"
    first = text.count("\n") - len(MISTAKES)
    kinds = {"error"}
    lines = {
        found["range"]["start"]["line"]
        for found in diagnostics(tmp_path, text)
        if found["severity"] in kinds and found.get("rule") != "reportUnusedExpression"
    }
    missed = [mistake for number, mistake in enumerate(MISTAKES) if first + number not in lines]
    assert not missed
