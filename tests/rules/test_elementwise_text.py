"""The text of the CUDA kernels, compiled by the host's C++ compiler and compared with the reference."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import array_api_compat.numpy as xp
import numpy as np
import pytest
from oracles import as_tuple, everything, numbers, one_operation

from xpnet.layers import ACTIVATIONS, ElementwiseActivation
from xpnet.objectives.risk import penalties
from xpnet.optimizers import rules, sign_rules
from xpnet.rules import OPERATIONS, Elementwise, elementwise

RULES = [everything]
RULES += [
    rule
    for module in (rules, sign_rules)
    for rule in vars(module).values()
    if isinstance(rule, Elementwise)
]
RULES += [penalties._l1_gradient, penalties._l2_gradient]
RULES += [
    rule
    for activation in ACTIVATIONS.values()
    if isinstance(activation, ElementwiseActivation)
    for rule in activation.rules
]
RULES.append(elementwise(lambda xp, a: xp.where(a > 0.0, a, -1e300) + float("inf")))
RULES.append(elementwise(lambda xp, a, b, *, p: (b, a, xp.where(p > 0.5, a, b), xp.where(p < 0.5, a, p))))


RULES += [one_operation(operation) for operation in OPERATIONS]

compiler = shutil.which("g++") or shutil.which("c++")
pytestmark = pytest.mark.skipif(compiler is None, reason="there is no C++ compiler")


def loop(number: int, rule, device_scalars=frozenset()) -> str:
    """A C function that runs the kernel's text over arrays, as CuPy's `ElementwiseKernel` does."""
    source = rule.source(device_scalars)
    lines = []
    for k, name in enumerate((*source.inputs, *source.outputs)):
        constant = "const " if name in source.inputs else ""
        step = "0" if name[0] in "sh" else "i"  # parameters are one number here
        lines.append(f"{constant}T &{name} = (({constant}T*)p[{k}])[{step}];")
    body = "\n".join([*lines, source.text])
    functions = []
    for kind in ("float", "double"):
        functions.append(
            f'extern "C" void rule{number}_{kind}(void **p, long n) {{ typedef {kind} T;\n'
            f"for (long i = 0; i < n; ++i) {{\n{body}\n}} }}"
        )
    return "\n".join(functions)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    text = "#include <cmath>\nusing namespace std;\n"
    text += "\n".join(
        loop(2 * number + on_device, rule, frozenset(rule.scalars if on_device else ()))
        for number, rule in enumerate(RULES)
        for on_device in (0, 1)
    )
    (folder / "rules.cpp").write_text(text)
    command = [compiler, "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-Wno-unused-variable"]
    subprocess.run(
        [*command, "-shared", "-fPIC", "-o", folder / "rules.so", folder / "rules.cpp"], check=True
    )
    return ctypes.CDLL(str(folder / "rules.so"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("on_device", [0, 1], ids=["numbers", "device-scalars"])
@pytest.mark.parametrize("number", range(len(RULES)), ids=[r.graph.name for r in RULES])
def test_text_equals_reference(library, number, on_device, dtype):
    rule = RULES[number]
    pairs = numbers(dtype)
    arrays = [np.roll(pairs[k % 2], k // 2) for k in range(len(rule.arrays))]
    scalars = {name: 0.3 + 0.2 * k for k, name in enumerate(rule.scalars)}
    device_scalars = frozenset(rule.scalars if on_device else ())
    source = rule.source(device_scalars)

    from xpnet.rules.numpy import uniform_values

    host = uniform_values(rule.graph, source.host_values, scalars, np.dtype(dtype))
    inputs = [*arrays]
    inputs += [np.array([scalars[name]], dtype) for name in rule.scalars if on_device]
    inputs += [np.array([value], dtype) for value in host]
    with np.errstate(all="ignore"):
        want = as_tuple(rule(xp, *arrays, **scalars))
    want = [np.broadcast_to(part, pairs[0].shape).copy() for part in want]
    spare = [np.empty_like(pairs[0]) for _ in source.outputs]
    outputs = [*arrays, *spare][: len(spare)]  # they may lie on the inputs
    pointers = (ctypes.c_void_p * (len(inputs) + len(outputs)))(
        *[array.ctypes.data for array in (*inputs, *outputs)]
    )
    kind = "float" if dtype == "float32" else "double"
    getattr(library, f"rule{2 * number + on_device}_{kind}")(pointers, ctypes.c_long(pairs[0].size))

    for got, expected in zip(outputs, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=3e-6 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("number", range(len(RULES)), ids=[r.graph.name for r in RULES])
def test_cupy_understands_the_parameters(number):
    """A type is `T`, or one other letter for each parameter that is an array (CuPy's `ParameterInfo`)."""
    rule = RULES[number]
    source = rule.source(frozenset(rule.scalars))
    kinds = [parameter.split()[0] for parameter in source.input_parameters.split(", ")]
    names = [parameter.split()[1] for parameter in source.input_parameters.split(", ")]
    assert names == list(source.inputs)
    assert {kind for kind, name in zip(kinds, names, strict=True) if name[0] != "s"} == {"T"}
    free = [kind for kind, name in zip(kinds, names, strict=True) if name[0] == "s"]
    assert len({*free, "T"}) == len(free) + 1
    assert all(len(kind) == 1 for kind in free)
    assert not {"INFINITY", "NAN"} & set(source.text.replace(")", " ").split())  # unknown to NVRTC
