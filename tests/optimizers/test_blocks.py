"""Block-diagonal Newton: the blocks themselves, steps where blocks are coupled or not, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, assert_resumes, to_numpy
from oracles import NETWORK, quadratic, risk

import xpnet
from xpnet import Fixed, Newton, Quadratic, after, gradient_below, iterate, minimize
from xpnet.objectives import matrices
from xpnet.optimizers import blocks as module
from xpnet.optimizers.blocks import diagonal_blocks, grouped, numbered

UNCOUPLED = [range(2), [2, 5], slice(3, 5), (6, 7)]


def uncoupled(backend="numpy", signs=False):
    """A quadratic whose blocks are `UNCOUPLED`, and a start."""
    random = np.random.default_rng(0)
    A = np.zeros((8, 8))
    for block in ([0, 1], [2, 5], [3, 4], [6, 7]):
        own = random.standard_normal((2, 2))
        A[np.ix_(block, block)] = own + own.T if signs else own @ own.T + np.eye(2)
    return Quadratic(A, random.standard_normal(8), backend=backend), random.standard_normal(8)


@pytest.mark.parametrize("indefinite", ["absolute", "damp", "ignore"])
@pytest.mark.parametrize("replicas", [(), (3,)], ids=["one", "replicas"])
def test_where_blocks_are_uncoupled_it_is_newton_s_step(indefinite, replicas, device):
    """Row 46; the damping alone is of each block by itself, where the Hessian is indefinite."""
    objective, w = uncoupled(device, signs=indefinite != "damp")
    w = device.asarray(w * np.linspace(1, 2, 3)[:, None] if replicas else w)
    whole, parts = device.xp.asarray(w, copy=True), device.xp.asarray(w, copy=True)
    next(iterate(objective, Newton(indefinite, Fixed(1.0)), whole))
    next(iterate(objective, Newton(indefinite, Fixed(1.0), blocks=UNCOUPLED), parts))
    assert_allclose(parts, whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("kind", ["layer", "unit"])
def test_the_blocks_are_those_of_the_hessian(kind, replicas, device, monkeypatch):
    objective = risk(device)
    w = NETWORK.initialize(0, device, "float64", replicas=replicas)
    numbers = numbered(device, kind, objective.layout, w.shape[-1])
    hessian = to_numpy(objective.hessian(w))
    for block in (2**22, 150):
        monkeypatch.setattr(module, "BLOCK", block)
        for members in grouped(numbers):
            found = to_numpy(diagonal_blocks(device, objective, w, members))
            for k, own in enumerate(members):
                want = hessian[..., own, :][..., own]
                np.testing.assert_allclose(found[..., k, :, :], want, rtol=1e-11, atol=1e-13)


def test_layers_and_units_of_a_network(numpy_backend):
    network = xpnet.Network(2, xpnet.Dense(3, "tanh"), xpnet.LayerNorm(), xpnet.Dense(2))
    assert list(network.layout.shapes.values()) == [(3, 2), (3,), (3,), (3,), (2, 3), (2,)]
    layers = numbered(numpy_backend, "layer", network.layout, 23)
    assert layers.tolist() == [0] * 9 + [1] * 6 + [2] * 8
    units = numbered(numpy_backend, "unit", network.layout, 23)
    assert units.tolist() == [
        *(0, 0, 1, 1, 2, 2, 0, 1, 2),
        *(3, 4, 5, 3, 4, 5),
        *(6, 6, 6, 7, 7, 7, 6, 7),
    ]
    odd = xpnet.Layout({"0.a": (2, 2), "0.b": (3,), "c": (2,)})
    assert numbered(numpy_backend, "unit", odd, 9).tolist() == [0, 0, 1, 1, 2, 3, 4, 5, 6]
    assert numbered(numpy_backend, "layer", odd, 9).tolist() == [0] * 7 + [1] * 2


@pytest.mark.parametrize("blocks", ["layer", "unit", [range(10), range(10, 51)]], ids=str)
def test_it_trains_a_network(blocks):
    objective, w = risk(), NETWORK.initialize(0, "numpy", "float64")
    run = minimize(objective, Newton(blocks=blocks), w, stop=after(200) | gradient_below(1e-5))
    first = objective.value(w)
    assert run.value < 0.25 * first
    assert run.evaluations["product"] >= w.size  # as many as there are parameters, a step


def test_it_converges_where_blocks_are_coupled_and_goes_on_bit_for_bit():
    objective, w = quadratic(10)
    method = Newton(blocks=[range(4), range(4, 8)])
    run = minimize(objective, method, w, stop=after(300) | gradient_below(1e-9))
    assert run.converged
    assert run.steps > 1
    assert_resumes(objective, method, w.copy())


def test_no_whole_matrix_is_made(monkeypatch):
    objective, w = uncoupled()
    monkeypatch.setattr(Quadratic, "hessian", lambda *arguments: pytest.fail("a Hessian was made"))
    monkeypatch.setattr(matrices, "SMALL", 0)
    minimize(objective, Newton(blocks=UNCOUPLED), w, stop=after(2))
    monkeypatch.setattr(xpnet.Backend, "free_memory", lambda self: 100)
    with pytest.raises(MemoryError, match="blocks of the Hessian, 4 x 2 x 2, needs"):
        minimize(objective, Newton(blocks=UNCOUPLED), w, stop=after(2))


def test_a_block_that_is_not_definite_ends_its_replica(device):
    A = np.stack([np.eye(4), np.diag([1.0, 1.0, 1.0, -1.0])])
    objective = Quadratic(A, backend=device)
    method = Newton("error", Fixed(1.0), blocks=[range(2), range(2, 4)])
    run = minimize(objective, method, device.xp.ones((2, 4)), stop=after(3) | gradient_below(1e-9))
    assert run.converged.tolist() == [True, False]
    assert "Hessian is not positive definite: its least eigenvalue is -1" in run.reason[1]


@pytest.mark.parametrize(
    ("blocks", "error", "message"),
    [
        ("layers", ValueError, "unknown blocks 'layers'; did you mean 'layer'"),
        (3, TypeError, "blocks must be 'layer', 'unit' or ranges, got 3"),
        (np.zeros(3), TypeError, "blocks must be 'layer', 'unit' or ranges, got a numpy.ndarray"),
        ([], ValueError, "blocks must be one or more, got none"),
        ([0, 1], TypeError, "blocks must be ranges, slices with an end, or lists of .* got 0"),
        ([slice(2, None)], TypeError, "blocks must be ranges, slices with an end"),
        ([[]], ValueError, r"each of blocks must hold a parameter, got \[\]"),
        ([[0.5]], TypeError, "each number in blocks must be an integer, got 0.5"),
        ([[-1]], ValueError, "each number in blocks must be at least 0, got -1"),
    ],
)
def test_what_are_no_blocks(blocks, error, message):
    with pytest.raises(error, match=message):
        Newton(blocks=blocks)


@pytest.mark.parametrize(
    ("blocks", "error", "message"),
    [
        (
            [range(7)],
            ValueError,
            "blocks must hold each of the 8 .* got parameter 7 in none",
        ),
        ([range(9)], ValueError, "got parameter 8 of 8"),
        ([range(8), [3]], ValueError, "got parameter 3 twice"),
        ("unit", TypeError, "objective must have a layout, as an EmpiricalRisk has, for blocks='unit'"),
    ],
)
def test_blocks_that_do_not_fit(blocks, error, message):
    objective, w = quadratic(10)
    with pytest.raises(error, match=message):
        minimize(objective, Newton(blocks=blocks), w)


def test_settings_are_values():
    method = Newton(blocks=[slice(0, 3), [np.int64(3), 4]])
    assert method.blocks == (range(3), (3, 4))
    assert eval(repr(method), vars(xpnet)) == method
    assert hash(method) == hash(Newton(blocks=(range(3), (3, 4))))
