"""Every activation in a layer, on every array library, and in every shape it may meet."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, read_only, to_numpy

import xpnet
from xpnet import Dense, ElementwiseActivation
from xpnet.layers import ACTIVATIONS
from xpnet.objectives.risk.accumulate import Accumulator

OWN = ElementwiseActivation("cube", lambda xp, z: z**3 + z, lambda xp, z: 3.0 * z * z + 1.0)
ALL = [*ACTIVATIONS.values(), OWN, xpnet.leaky_relu(0.3)]


def run(layer, backend, dtype, parameters, x, gradient):
    """Outputs, gradients of parameters and of inputs, as NumPy arrays."""
    own = {name: backend.asarray(value, dtype) for name, value in parameters.items()}
    shape = parameters["weights"].shape[:-2]
    found = {name: backend.xp.zeros_like(value) for name, value in own.items()}
    ones = backend.xp.ones(x.shape[-1], dtype=backend.dtype(dtype), device=backend.device)
    outputs, cache = layer.forward(backend.xp, own, backend.asarray(x, dtype))
    back = layer.backward(
        backend.xp, own, cache, backend.asarray(gradient, dtype), Accumulator(backend, found, ones)
    )
    assert outputs.dtype == back.dtype == backend.dtype(dtype)
    assert tuple(outputs.shape[:-2]) == shape
    return [backend.to_numpy(part) for part in (outputs, *found.values(), back)]


@pytest.mark.parametrize("activation", ALL, ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("replicas", [(), (2,)], ids=["one", "replicas"])
def test_every_backend(activation, bias, replicas, backend, dtype, tolerance):
    random = np.random.default_rng(0)
    layer = Dense(3, activation, bias=bias)
    parameters = {name: random.standard_normal(replicas + shape) for name, shape in layer.shapes(4).items()}
    x, gradient = random.standard_normal((4, 6)), random.standard_normal((*replicas, 3, 6))
    got = run(layer, backend, dtype, parameters, x, gradient)
    want = run(layer, xpnet.backend("numpy"), dtype, parameters, x, gradient)
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("activation", ALL, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_given_is_written_to_and_the_dtype_stays(activation, dtype, numpy_backend):
    random = np.random.default_rng(0)
    layer = Dense(3, activation)
    weights, bias, x, gradient = read_only(
        *(random.standard_normal(s).astype(dtype) for s in ((3, 4), (3,), (4, 6), (3, 6)))
    )
    outputs, cache = layer.forward(numpy_backend.xp, {"weights": weights, "bias": bias}, x)
    for part in cache[1] if isinstance(cache[1], tuple) else [cache[1]]:
        if part is not None:
            part.flags.writeable = False
    found = {"weights": np.empty((3, 4), dtype), "bias": np.empty(3, dtype)}
    accumulate = Accumulator(numpy_backend, found, np.ones(6, dtype))
    for _ in range(2):  # the second time adds
        back = layer.backward(
            numpy_backend.xp, {"weights": weights, "bias": bias}, cache, gradient, accumulate
        )
    assert outputs.dtype == back.dtype == dtype
    once = {"weights": np.empty((3, 4), dtype), "bias": np.empty(3, dtype)}
    layer.backward(
        numpy_backend.xp,
        {"weights": weights, "bias": bias},
        cache,
        gradient,
        Accumulator(numpy_backend, once, np.ones(6, dtype)),
    )
    for name in once:
        np.testing.assert_allclose(found[name], 2 * once[name], rtol=1e-6)


@pytest.mark.parametrize("activation", ALL, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays_and_gradients_add_up(activation, dtype, device):
    random = np.random.default_rng(0)
    layer = Dense(3, activation)
    weights, bias, x, gradient = (
        device.asarray(random.standard_normal(s), dtype) for s in ((3, 4), (3,), (4, 6), (3, 6))
    )
    before = [to_numpy(array).copy() for array in (weights, bias, x, gradient)]
    parameters = {"weights": weights, "bias": bias}
    outputs, cache = layer.forward(device.xp, parameters, x)
    found = [{name: device.xp.zeros_like(value) for name, value in parameters.items()} for _ in range(2)]
    for times, own in enumerate(found, 1):
        accumulate = Accumulator(device, own, device.xp.ones(6, dtype=device.dtype(dtype)))
        for _ in range(times):
            back = layer.backward(device.xp, parameters, cache, gradient, accumulate)
    assert outputs.dtype == back.dtype == dtype
    for name in parameters:
        assert_allclose(found[1][name], 2 * found[0][name], rtol=1e-6)
    for array, values in zip((weights, bias, x, gradient), before, strict=True):
        assert to_numpy(array).tobytes() == values.tobytes()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_inputs_stay_finite(name, size, device):
    z = device.asarray([[size, -size, 0.0], [-size, size, 1.0]], "float64")
    with device.quiet():
        y, cache = ACTIVATIONS[name].forward(device.xp, z.copy(), None)
        slope = ACTIVATIONS[name].backward(device.xp, cache, device.xp.ones_like(z))
    assert np.isfinite(to_numpy(y)).all()
    assert np.isfinite(to_numpy(slope)).all()


def test_nan_goes_through(device):
    for activation in ALL:
        y, _ = activation.forward(device.xp, device.asarray(np.full((2, 3), np.nan)), None)
        assert np.isnan(to_numpy(y)).all()
