"""The report on compiled kernels, `ci/nvrtc`: what can be checked without the compiler."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("compile_kernels", ROOT / "ci/compile_kernels.py")
tool = importlib.util.module_from_spec(spec)
sys.modules["compile_kernels"] = tool  # its dataclasses look for it there
spec.loader.exec_module(tool)

SOURCE = """typedef {kind} T;
extern "C" __global__ void {name}(const CArray<{kind}, 1, 1, 1> a, CIndexer<1, 1> _ind) {{ }}
"""
LOG = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'xpnet_adam' for 'sm_80'
ptxas info    : Function properties for xpnet_adam
    8 bytes stack frame, {stores} bytes spill stores, {loads} bytes spill loads
ptxas info    : Used {registers} registers, used 0 barriers, 472 bytes cmem[0]
"""


def sources(folder, *kernels):
    for number, (name, kind) in enumerate(kernels):
        (folder / f"{number}.cubin.cu").write_text(SOURCE.format(name=name, kind=kind))


def test_the_library_s_kernels_are_found_each_text_once(tmp_path):
    sources(
        tmp_path,
        ("xpnet_adam", "float"),
        ("xpnet_adam", "double"),
        ("xpnet_adam", "double"),
        ("cupy_fill", "float"),
    )
    found = tool.kernels_in(tmp_path)
    assert [(kernel.name, kernel.dtype) for kernel in found] == [
        ("xpnet_adam", "float32"),
        ("xpnet_adam", "float64"),
    ]


@pytest.mark.parametrize(
    ("supported", "chosen"),
    [
        ([50, 60, 70, 75, 80, 90, 100, 121], [70, 80, 90, 121]),
        ([75, 80, 86, 90], [75, 80, 90]),
    ],
)
def test_capabilities(supported, chosen):
    assert tool.capabilities(supported) == chosen


def test_the_assembler_s_report_is_read():
    assert tool.cost(LOG.format(registers=28, stores=0, loads=0), "") == tool.Cost(28, 0, 0)
    assert tool.cost(LOG.format(registers=255, stores=16, loads=4), "") == tool.Cost(255, 20, 0)
    with pytest.raises(ValueError, match="not as expected"):
        tool.cost("nothing", "")


@pytest.mark.parametrize(
    ("instruction", "computes"),
    [
        ("ld.param.f64 \t%fd1, [xpnet_adam_param_4];", 0),
        ("cvt.rn.f32.f64 \t%f2, %fd1;", 0),
        ("@%p2 mov.f64 \t%fd3, 0d3FF0000000000000;", 0),
        ("add.rn.f32 \t%f4, %f2, %f3;", 0),
        ("fma.rn.f64 \t%fd5, %fd1, %fd1, %fd3;", 1),
        ("@%p1 mul.f64 \t%fd5, %fd1, %fd1;", 1),
        ("setp.gt.f64 \t%p1, %fd1, %fd3;", 1),
    ],
)
def test_float64_in_the_assembly(instruction, computes):
    log = LOG.format(registers=9, stores=0, loads=0)
    assert tool.cost(log, f"\t.reg .f64 \t%fd<6>;\n\t{instruction}\n").doubles == computes


class Compiler:
    """Stands in for NVRTC; Adam in double precision spills on sm_90, the hyperbolic tangent computes so."""

    def version(self):
        return "0.0"

    def supported(self):
        return [70, 80, 90]

    def compile(self, source, capability):
        spilled = 8 * ("double" in source and "xpnet_adam" in source and capability == 90)
        return tool.Cost(capability // 2, spilled, int("xpnet_tanh" in source))


def test_kernels_that_spill_or_compute_in_float64_are_named_and_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "Compiler", Compiler)
    report = tmp_path / "kernels.txt"
    sources(tmp_path, ("xpnet_adam", "float"), ("xpnet_tanh", "double"))
    assert tool.main([str(tmp_path), "--output", str(report)]) == 0
    assert "spilling: none" in report.read_text()
    sources(tmp_path, ("xpnet_adam", "float"), ("xpnet_tanh", "double"), ("xpnet_adam", "double"))
    assert tool.main([str(tmp_path), "--output", str(report)]) == 1
    lines = report.read_text().splitlines()
    assert lines[3].split() == ["kernel", "dtype", "forms", "sm_70", "sm_80", "sm_90", "spills"]
    assert lines[5].split() == ["xpnet_adam", "float64", "1", "35", "40", "45", "8"]
    assert lines[-2] == "spilling: xpnet_adam float64"
    assert lines[-1] == "computing in float64 on float32, but for sums: none"
    assert capsys.readouterr().out.endswith(report.read_text())
    (other := tmp_path / "other").mkdir()
    sources(other, ("xpnet_tanh", "float"))
    assert tool.main([str(other)]) == 1
    assert capsys.readouterr().out.endswith("on float32, but for sums: xpnet_tanh float32\n")
    (sums := tmp_path / "sums").mkdir()
    sources(sums, ("xpnet_tanh_sum", "float"))
    assert tool.main([str(sums)]) == 0


def test_what_is_missing_is_named(tmp_path):
    command = [sys.executable, ROOT / "ci/compile_kernels.py", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is no kernel called xpnet_... in any *.cu" in done.stderr
    if importlib.util.find_spec("cupy") is None:
        sources(tmp_path, ("xpnet_adam", "float"))
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1
        assert "is not installed; run ci/nvrtc" in done.stderr
