"""The benchmark on the host: what it reads from times, what processes are told, and a short run."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NUMPY_ALONE = {"XPNET_KERNELS": "numpy", "XPNET_BACKEND": "numpy"}


@pytest.fixture
def module(monkeypatch):
    """A function that imports a module of the benchmark, whose names are not to stay."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT / "ci" / "benchmark"))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(ROOT / "ci")):
            del sys.modules[name]


def entry(seconds, *, best=None, memory=100.0, missing=None, details=None):
    return {
        "missing": missing,
        "seconds": seconds,
        "best": best or seconds,
        "worst": seconds,
        "memory_mb": memory,
        "loss": 1.0,
        "deviation": 0.0,
        "details": details or {},
    }


TINY = {
    "xpnet numba": entry(0.03, best=0.02),
    "xpnet minimize numba": entry(0.036),
    "xpnet numpy": entry(0.15),
    "PyTorch": entry(0.5),
    "PyTorch compiled": entry(0.25, best=0.2),
    "JAX": entry(0.1),
    "its products": entry(None, missing="no such module\nand more"),
}


def test_a_share_is_of_the_fastest_of_the_others(module):
    report = module("report")
    assert report.ratio(TINY, "xpnet numba", report.PYTORCH) == pytest.approx(0.03 / 0.25)
    assert report.ratio(TINY, "xpnet numba", report.PYTORCH, "best") == pytest.approx(0.02 / 0.2)
    assert report.ratio(TINY, "xpnet numba", ["its products"]) is None
    assert report.ratio(TINY, "no such contestant", ["JAX"]) is None
    assert report.compared(TINY, "xpnet numba", ["its products"], "text", 1.0) == []


@pytest.mark.parametrize(("ratio", "verdict"), [(0.99, "met"), (1.0, "met"), (1.01, "MISSED")])
def test_a_goal_is_met_by_the_medians(module, ratio, verdict):
    comparison = module("report").Comparison("text", ratio, 0.5, 1.0)
    assert comparison.verdict == verdict
    assert module("report").sentence(comparison).endswith(f"goal 1: {verdict}")


def test_goals_depend_on_the_instructions_and_only_compiled_rules_have_them(module):
    report = module("report")
    assert report.goals("tiny", "native") == {
        "JAX jit": 0.2,
        "PyTorch's best": 0.12,
        "its products": None,
    }
    assert report.goals("tiny", "avx2")["JAX jit"] == 0.45
    assert set(report.goals("1000x2-2", "native").values()) == {None}
    found = {(name, yardstick): c for name, yardstick, c in report.shares("tiny", TINY, "native")}
    assert found["xpnet numba", "JAX jit"].verdict == "MISSED"
    assert found["xpnet numba", "PyTorch's best"].verdict == "met"
    assert found["xpnet numpy", "JAX jit"].goal is None
    assert ("xpnet numba", "its products") not in found
    held = {(name, yardstick): c for name, yardstick, c in report.shares("tiny", TINY, "avx2")}
    assert held["xpnet numba", "JAX jit"].verdict == "met"


def test_what_was_missed_is_said(module):
    report = module("report")
    assert report.missed({"tiny": TINY}, "native") == [
        "tiny: xpnet numba / JAX jit 0.30, goal 0.2",
        "tiny: xpnet minimize numba / JAX jit 0.36, goal 0.2",
        "tiny: xpnet minimize numba / PyTorch's best 0.14, goal 0.12",
        "tiny: xpnet minimize numba / its bare step 1.20, goal 1.05",
    ]
    fast = {name: entry(1e-3) if name.startswith("xpnet") else TINY[name] for name in TINY}
    assert report.missed({"tiny": fast}, "native") == []


def test_the_summary_has_a_row_for_each_contestant(module):
    lines = module("report").summary({"tiny": TINY}, "native").splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["tiny", "xpnet", "numba"],
        ["tiny", "xpnet", "minimize"],
        ["tiny", "xpnet", "numpy"],
    ]
    assert lines[1].split()[3:] == ["0.30", "goal", "0.2", "MISSED", "0.12", "goal", "0.12", "met", "-"]
    assert lines[3].split()[3:] == ["1.50", "0.60", "-"]


def test_details_say_who_took_no_part_and_how_noisy_it_was(module):
    report = module("report")
    text = report.detail("tiny", TINY, report.verdicts("tiny", TINY), 0.04)
    assert "not taking part: no such module\n" in text
    assert "and more" not in text
    assert "xpnet numba / xpnet numpy: 0.20" in text
    assert "other work" not in text
    assert "other work kept 1.5 processors busy" in report.detail("tiny", TINY, [], 1.5)
    late = report.detail("tiny", {"JAX": entry(0.1, missing="the process ended")}, [], 0.0)
    assert "100.000" in late
    assert "ended early: the process ended" in late


def test_memory_is_compared_on_fashion(module):
    entries = {"xpnet numba": entry(1.0, memory=300.0), "PyTorch": entry(2.0, memory=400.0)}
    (found,) = module("report").verdicts("fashion", entries)
    assert (found.ratio, found.verdict) == (0.75, "MISSED")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("xpnet", (False, "xpnet", "auto")),
        ("xpnet iterate numba", (False, "xpnet iterate", "numba")),
        ("before: xpnet numpy", (True, "xpnet", "numpy")),
        ("PyTorch compiled", (False, "PyTorch compiled", "auto")),
        ("NumPy", (False, "NumPy", "auto")),
    ],
)
def test_names_of_contestants(module, name, parts):
    assert module("race").parsed(name) == parts


def test_processes_are_held_to_the_same_instructions(module):
    race = module("race")
    given = {
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_L2_SIZE": "512",
        "HOME": "/home",
        "XPNET_CACHE": "/c",
    }
    native = race.environment("native", given)
    assert native == {"HOME": "/home", "XPNET_CACHE": "/c", "PYTHONPATH": str(ROOT)}
    held = race.environment("avx2", given, Path("/elsewhere"))
    assert held["OPENBLAS_CORETYPE"] == "Haswell"
    assert held["NPY_DISABLE_CPU_FEATURES"] == "X86_V4"
    assert held["NUMBA_CPU_NAME"] == "haswell"
    assert held["PYTHONPATH"] == "/elsewhere"
    assert "OPENBLAS_L2_SIZE" not in held
    assert Path(race.environment("native", {})["XPNET_CACHE"]).parent == Path(sys.prefix)


def test_starts_are_compared(module):
    table = module("start").table(
        {
            "import numpy": [0.1],
            "import xpnet": [0.12],
            "one step, numpy": [1.0, 1.1, 1.2],
            "one step, numba warm": [1.3, 1.4, 1.5],
            "one step, numba cold": [],
        },
        {"one step, numba cold": "no Numba"},
    )
    assert "import xpnet, beyond NumPy: +0.020 s" in table
    assert "a second process, beyond NumPy's rules: +0.300 s  goal 0.25: MISSED" in table
    assert "not measured: no Numba" in table
    assert "the first process" not in table


def test_iterations_are_compared(module):
    pytest.importorskip("scipy", reason="SciPy is not installed")
    entries = {
        "xpnet L-BFGS numba": entry(2.0, details={"iterations": 40}),
        "scikit-learn": entry(1.0, details={"iterations": 10}),
        "PyTorch LBFGS": entry(8.0),
    }
    texts = {c.text: (c.ratio, c.verdict) for c in module("fits").comparisons("1-10-1 float32", entries)}
    assert texts == {
        "xpnet L-BFGS numba / the best of the others": (2.0, ""),
        "xpnet L-BFGS numba / scikit-learn": (2.0, "MISSED"),
        "xpnet L-BFGS numba / scikit-learn, an iteration (40 and 10 of them)": (0.5, ""),
    }


def test_updates_are_compared_with_pytorch_and_a_copy(module):
    entries = {
        "xpnet numba": entry(1.1),
        "xpnet numpy": entry(3.0),
        "PyTorch fused": entry(1.0),
        "PyTorch default": entry(2.0),
        "a copy": entry(1.0),
    }
    found = [(round(c.ratio, 2), c.verdict) for c in module("kernels").comparisons("adam 1e5", entries)]
    assert found == [(1.1, "MISSED"), (1.1, "met"), (3.0, ""), (3.0, "")]


def test_exponentials_of_matrices(module):
    linalg = pytest.importorskip("scipy.linalg", reason="SciPy, the oracle, is not installed")
    workload = module("workloads").named("simplechains")
    want = linalg.expm(workload.X[:50].reshape(-1, 2, 2).astype(float)).reshape(-1, 4)
    np.testing.assert_allclose(workload.targets[:50], want, rtol=2e-6, atol=1e-6)
    assert workload.X.shape == workload.targets.shape == (10_000, 4)
    assert workload.regression


def run(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "ci" / "benchmark", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | NUMPY_ALONE,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("isa", ["native", pytest.param("avx2", marks=pytest.mark.slow)])
def test_a_run(tmp_path, isa):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    output = tmp_path / "results" / "host.v1"
    names = ("xpnet numpy", "xpnet iterate numpy", "xpnet minimize numpy", "its products", "NumPy")
    done = run(
        *("--quick", "--suite", "steps", "--isa", isa, "--output", output),
        *("--workloads", "tiny", "simplechains", "--contestants", *names),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(Path(f"{output}.json").read_text())
    assert report["isa"] == isa
    results = report["results"]
    assert results["simplechains"]["NumPy"]["missing"]
    for workload in results.values():
        for name in names[:4]:
            assert workload[name]["seconds"] > 0
        for name in names[:3]:
            assert workload[name]["deviation"] < 1e-5
            assert workload[name]["details"]["kernels"] == "numpy"
    text = Path(f"{output}.txt").read_text()
    assert "BLAS kernel: " in text
    assert "xpnet minimize numpy" in text
    if "openblas" in report["machine"]["blas"]:
        assert isa == "native" or "Haswell" in report["machine"]["blas"]
    assert Path(f"{output}.png").exists() == (isa == "native")


def test_unknown_kernels_of_the_tests_are_refused():
    done = subprocess.run(
        [ROOT / "ci" / "test", "--kernels", "fast"], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 1
    assert "--kernels must be numpy or numba, got 'fast'" in done.stderr
