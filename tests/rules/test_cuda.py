"""Every elementwise rule of the library, launched on CuPy, in both dtypes and with scalars of every kind.

It is also what collects the kernels' sources for `ci/nvrtc`.
"""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest
from oracles import SPECIAL, as_tuple

from xpnet.__main__ import rules
from xpnet.layers.activations import sigmoid_with_offset

OFFSET = sigmoid_with_offset(0.1).rules._asdict()
RULES = rules() | {f"offset_{key}": rule for key, rule in OFFSET.items()}


def test_the_rules_are_found():
    assert len(RULES) > 30
    assert {"momentum", "irprop_plus", "plateau", "_l1_gradient", "tanh_biased_forward"} <= RULES.keys()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "scalars"),
    [
        (name, scalars)
        for name, rule in RULES.items()
        for scalars in (["numbers", "0-d", "column"] if rule.scalars else ["none"])
    ],
)
def test_every_rule_equals_its_reference(name, scalars, dtype, cupy_backend):
    rule, backend = RULES[name], cupy_backend
    some = np.array([*SPECIAL, *np.random.default_rng(0).standard_normal(9)], dtype)
    pairs = np.meshgrid(some, some)
    arrays = [np.roll(pairs[k % 2], k // 2) for k in range(len(rule.arrays))]
    if "biased" in name:
        arrays[1] = arrays[1][:, :1]
    values = {scalar: 0.3 + 0.2 * k for k, scalar in enumerate(rule.scalars)}
    if scalars in ("none", "numbers"):
        host, device = values, values
    else:
        shape = {"0-d": (), "column": (len(some), 1)}[scalars]
        host = {scalar: np.full(shape, value, dtype) for scalar, value in values.items()}
        # one on the device may be in float64 whatever the arrays are in, as rates are
        device = {scalar: backend.asarray(np.full(shape, value)) for scalar, value in values.items()}
    with np.errstate(all="ignore"):
        want = as_tuple(rule(xp, *arrays, **host))
    own = [backend.asarray(array, dtype) for array in arrays]
    got = as_tuple(rule.compute(backend.xp, *own, **device))
    spare = [backend.xp.empty_like(part) for part in got]
    into = tuple([*own[:1], *spare][: len(got)])
    rule.write(backend.xp, into, *own, **device)
    for computed, written, expected in zip(got, into, want, strict=True):
        assert computed.dtype == written.dtype == dtype
        expected = np.broadcast_to(expected, computed.shape)
        for part in (computed, written):
            np.testing.assert_allclose(
                backend.to_numpy(part), expected, rtol=1e-5 if dtype == "float32" else 1e-12
            )
