"""The benchmark on CuPy, as small as it gets: that it measures everything and that its results agree.

And the count of launches beside PyTorch's operations, and ci/gpu as far as it gets without a GPU.
"""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import xpnet

ROOT = Path(__file__).parents[2]
METHODS = ("momentum", "Nesterov", "RMSprop", "Adam", "Rprop")


def bench(*arguments, program="", **environment):
    return subprocess.run(
        [sys.executable, ROOT / "ci" / "benchmark" / program, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """Its report, and where it lies."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    try:
        xpnet.backend("cupy")
    except xpnet.BackendError as error:
        pytest.skip(str(error))
    output = tmp_path_factory.mktemp("results") / "card.v1"
    done = bench(
        *("--backend", "cupy", "--quick", "--output", output, "--repeats", "3"),
        *("--workloads", "tiny", "--sizes", "1000", "5000"),
        *("--contestants", "xpnet", "CuPy", "PyTorch", "JAX"),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(Path(f"{output}.json").read_text()), output


def test_cupy_benchmark_measures_the_card(benchmark):
    report, _ = benchmark
    assert report["machine"]["device"].startswith("cupy")
    assert report["problems"] == {}
    assert report["minutes"] < 10
    for card in (report["card"], report["card_afterwards"]):
        assert card["missing"] is None
        assert min(card["copy_rate"], card["transfer_rate"], card["matrix_rate"]) > 0


def test_cupy_benchmark_measures_steps(benchmark):
    report, _ = benchmark
    entries = report["steps"]["tiny"]
    ours = ["xpnet", "xpnet iterate", "xpnet minimize", "xpnet graphed", "its products"]
    assert list(entries) == [*ours, "CuPy", "PyTorch", "JAX"]
    present = {name: entry for name, entry in entries.items() if not entry["missing"]}
    assert {*ours, "CuPy"} <= set(present)
    for name, entry in present.items():
        assert 0 < entry["best"] <= entry["seconds"] <= entry["worst"]
        assert entry["wall_seconds"] > 0
        assert entry["matrix_share"] > 0
        # 1000 samples through 2-20-20-2: forward, weights, and back through all but the first layer
        assert entry["operations"] == 2 * 1000 * (2 * (40 + 400 + 40) + 400 + 40)
        if name != "its products":
            assert entry["deviation"] < 1e-5
    if os.environ.get("XPNET_TEST_COUNTER"):
        launches = {name: entry["launches"] for name, entry in present.items()}
        assert launches["its products"] == 8
        assert 8 < launches["xpnet"] <= launches["xpnet iterate"] < launches["CuPy"]


def test_cupy_benchmark_measures_updates(benchmark):
    report, _ = benchmark
    assert tuple(report["updates"]) == METHODS
    arrays = {}
    for method, sizes in report["updates"].items():
        assert list(sizes) == ["1000", "5000"]
        for entries in sizes.values():
            assert list(entries) == ["xpnet", "PyTorch fused", "PyTorch foreach"]
            assert entries["xpnet"]["copy_share"] > 0
            arrays[method] = entries["xpnet"]["bytes"] // 4
            assert all(entry["missing"] or entry["deviation"] < 1e-5 for entry in entries.values())
    assert arrays == {"momentum": 5, "Nesterov": 6, "RMSprop": 5, "Adam": 7, "Rprop": 7}


def test_cupy_benchmark_measures_streamed_data(benchmark):
    report, _ = benchmark
    streaming = report["streaming"]
    if not streaming:
        pytest.skip("this xpnet has no EmpiricalRisk(resident=...)")
    assert streaming["streamed"]["deviation"] < 1e-5
    assert streaming["streamed"]["transfer_share"] > 0
    assert streaming["resident"]["seconds"] > 0


def test_cupy_benchmark_writes_a_table_and_a_chart(benchmark):
    report, output = benchmark
    text = Path(f"{output}.txt").read_text()
    assert report["machine"]["device"] in text
    assert "TF32 off for all" in text
    for name, entry in report["steps"]["tiny"].items():
        assert (f"{name} does not take part: {entry['missing']}" in text) == bool(entry["missing"])
    assert Path(f"{output}.png").read_bytes().startswith(b"\x89PNG")


def test_cupy_benchmark_fails_where_results_differ(benchmark, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "ci" / "benchmark")
    import gpu

    report = copy.deepcopy(benchmark[0])
    assert gpu.wrong(report) == []
    report["steps"]["tiny"]["CuPy"]["deviation"] = 0.01
    report["steps"]["tiny"]["xpnet iterate"]["deviation"] = math.nan
    report["updates"]["Adam"]["1000"]["xpnet"]["missing"] = "OutOfMemoryError"
    report["problems"] = {"xpnet": "out of time", "JAX": "out of time"}
    assert gpu.wrong(report) == [
        "xpnet: out of time",
        "xpnet iterate on tiny",
        "CuPy on tiny",
        "xpnet in Adam, 1000",
    ]


def test_benchmark_refuses_unknown_backends():
    for arguments, environment in ((["--backend", "cupi"], {}), ([], {"XPNET_BACKEND": "cupi"})):
        done = bench(*arguments, **environment)
        assert done.returncode == 2
        assert "'cupi' is no backend" in done.stderr
        assert "did you mean 'cupy'" in done.stderr


def counted(side, output):
    done = bench(side, "--output", output, program="launches.py")
    assert done.returncode == 0, done.stderr
    assert Path(f"{output}.txt").read_text() in done.stdout
    return json.loads(Path(f"{output}.json").read_text())[side]


def test_operations_of_pytorch_are_counted(torch, tmp_path):
    """Forward: a product and an activation each, two for the loss; backward: the derivative of the loss by
    itself, two for the loss, two products (but one in the first layer), a bias and an activation each."""
    for layers, counts in counted("PyTorch", tmp_path / "launches").items():
        L = int(layers)
        step = (2 * L - 1) + 2 + 1 + 2 + (2 * L - 1) + L + (L - 1)
        assert sum(counts["foreach"].values()) == step + 4
        assert sum(counts["fused"].values()) == step + 1


def test_launches_on_cupy_are_counted(counter, tmp_path):
    stored = tmp_path / "launches.json"
    stored.write_text(json.dumps({"PyTorch": {"3": {"foreach": {"mm": 5}, "fused": {"mm": 4}}}}))
    for layers, counts in counted("xpnet", tmp_path / "launches").items():
        assert counts["kernels"]["xpnet_nesterov"] == 1
        assert sum(counts["calls"].values()) >= 3 * int(layers) - 1
    assert "PyTorch" in json.loads(stored.read_text())  # the other side stays


@pytest.mark.parametrize(
    ("driver", "arguments", "status", "message"),
    [
        ("echo 'NVIDIA-SMI has failed'; exit 9", [], 2, "no NVIDIA GPU that works here"),
        ("echo 'No devices were found'", [], 2, "no NVIDIA GPU that works here"),
        ("echo 'A Card'", [], 1, "names no CUDA version"),
        ("echo 'A Card'; echo '| CUDA Version: 11.8 |'", [], 1, "knows CUDA 11"),
        ("echo 'A Card'; echo '| CUDA Version: 12.4 |'", [], 1, "A Card, cuda12"),
        ("echo 'A Card'; echo '| CUDA Version: 13.0 |'", [], 1, "A Card, cuda13"),
        ("echo 'A Card'", ["cuda13"], 1, "A Card, cuda13"),
    ],
)
def test_ci_gpu_finds_the_device(driver, arguments, status, message, tmp_path):
    """With a program in place of the driver's, in a copy that can get no environment."""
    shutil.copytree(ROOT / "ci", tmp_path / "ci")
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\n{driver}\n")
    smi.chmod(0o755)
    done = subprocess.run(
        [tmp_path / "ci" / "gpu", *arguments],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": "no-such-python"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status
    assert message in done.stdout + done.stderr
    if "A Card, " in message:
        assert "there is no 'no-such-python'" in done.stderr
