"""A risk's data is checked before it is cast; weights; the numbers of samples."""

from __future__ import annotations

import numpy as np
import pytest

import xpnet
from xpnet import (
    L2,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    EmpiricalRisk,
    GradientDescent,
    Minibatch,
    Network,
    SquaredError,
    after,
    iterate,
    minimize,
)

NETWORK = Network(2, Dense(3, "tanh"), Dense(3, "softmax"))
RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.standard_normal((12, 2)), RANDOM.integers(0, 3, 12)


def make(targets=LABELS, network=NETWORK, divergence=None, **options):
    options = {"backend": "numpy", "dtype": "float32"} | options
    return EmpiricalRisk(network, divergence or CrossEntropy(), X, targets, **options)


def at(number, kind):
    labels = LABELS.astype(kind)
    labels[4] = number
    return labels


LABELS_BEYOND = [
    (2**32 + 1, "int64"),
    (2**32, "uint64"),
    (2**63 + 2, "uint64"),
    (2**64 - 1, "uint64"),
    (-(2**32), "int64"),
    (-1, "int8"),
    (3, "uint8"),
    (1e20, "float64"),
    (2.0**32, "float64"),
    (-1e300, "float64"),
]


@pytest.mark.parametrize(("number", "kind"), LABELS_BEYOND)
def test_labels_beyond_what_they_would_be_cast_to(number, kind):
    with pytest.raises(
        ValueError, match=r"targets must be labels from 0 to 2, .* got labels from"
    ) as raised:
        make(at(number, kind))
    assert f"{int(np.array(number, kind))}" in str(raised.value)


@pytest.mark.parametrize("shift", [2**32, 2**33, -(2**32)])
def test_labels_that_wrap_to_the_right_ones(shift):
    with pytest.raises(ValueError, match="got labels from"):
        make(LABELS + shift)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int64", "uint64", "float32", "float64"])
def test_labels_of_any_kind_that_fit(kind):
    w = NETWORK.initialize(0, "numpy")
    assert make(LABELS.astype(kind)).value(w) == make().value(w)


def test_labels_of_two_classes_may_be_booleans():
    network = Network(2, Dense(2, "softmax"))
    w = network.initialize(0, "numpy")
    own, want = (make(t, network).value(w) for t in (LABELS > 1, (LABELS > 1).astype(int)))
    assert own == want


def test_a_label_that_is_an_integer_in_the_risk_s_dtype_only():
    with pytest.raises(ValueError, match="must be integers, got fractions"):
        make(at(1 + 1e-12, "float64"))


def test_real_targets_in_one_dimension_say_what_to_do():
    network = Network(2, Dense(2))
    message = (
        r"targets of shape \(samples,\) are class labels for a network of 2 outputs and must be integers, "
        r"got fractions; pass real targets as \(12, 2\)"
    )
    with pytest.raises(ValueError, match=message):
        make(RANDOM.standard_normal(12), network, SquaredError())
    with pytest.raises(ValueError, match=r"got labels from 0 to 300; pass real targets as \(12, 2\)"):
        make(at(300.0, "float64"), network, SquaredError())


@pytest.mark.parametrize("number", [2.0**32, 1 + 1e-3, -1e-3, 2**40])
def test_targets_beyond_a_divergence(number):
    network = Network(2, Dense(1, "sigmoid"))
    targets = (LABELS > 1).astype("int64" if isinstance(number, int) else "float64")
    targets[3] = number
    with pytest.raises(ValueError, match=r"targets of BinaryCrossEntropy\(\) must lie in \[0, 1\]"):
        make(targets, network, BinaryCrossEntropy())


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e-20, 1.0, 1e30, 1e37, 1e38, 1e39, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_only_the_ratios_of_weights_count(scale, dtype, device):
    """In float32 1e37 gave a gradient off by .8 %, 1e38 one that is not finite, 1e-40 NaN."""
    weights = RANDOM.uniform(0.5, 2, 12)
    w = NETWORK.initialize(0, device, dtype)
    results = [
        make(sample_weight=scale * weights, backend=device, dtype=dtype).value_and_gradient(w)
        if scale
        else None
        for scale in (1.0, scale)
    ]
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    for want, got in zip(*results, strict=True):
        want, got = device.to_numpy(want), device.to_numpy(got)
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max())


@pytest.mark.parametrize("kind", ["uint8", "uint64", "int64", "float32", "bool"])
def test_weights_of_any_kind(kind):
    weights = np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1], kind)
    if kind == "uint64":
        weights *= 2**63
    w = NETWORK.initialize(0, "numpy", "float64")
    kept = weights > 0
    want = EmpiricalRisk(
        NETWORK, CrossEntropy(), X[kept], LABELS[kept], backend="numpy", dtype="float64"
    ).value_and_gradient(w)
    got = make(sample_weight=weights, dtype="float64").value_and_gradient(w)
    for own, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weight", [-1e-60, -1e-320, -1.0])
def test_a_negative_weight_is_seen_before_it_is_cast(weight):
    weights = np.ones(12)
    weights[5] = weight
    with pytest.raises(ValueError, match="sample_weight must not be negative, and not all zero"):
        make(sample_weight=weights)


@pytest.mark.parametrize("kind", ["X", "targets", "sample_weight"])
def test_masked_arrays_are_refused(kind):
    values = {"X": X, "targets": np.eye(3)[LABELS], "sample_weight": np.ones(12)}
    values[kind] = np.ma.masked_array(values[kind], mask=np.zeros(values[kind].shape))
    values[kind].mask[2] = True
    with pytest.raises((TypeError, ValueError), match=f"{kind}.*mask"):
        EmpiricalRisk(
            NETWORK, CrossEntropy(), values["X"], values["targets"], backend="numpy",
            sample_weight=values["sample_weight"],
        )  # fmt: skip


@pytest.mark.parametrize("flag", ["False", "", 1, 0, [], np.array([True]), 1.0])
def test_flags_are_true_or_false(flag):
    network = Network(2, Dense(3, "tanh"), Dropout(0.5), Dense(3, "softmax"))
    with pytest.raises(TypeError, match="training must be True or False, got"):
        make(network=network, training=flag)
    with pytest.raises((TypeError, ValueError), match="resident must be True"):
        make(resident=flag)
    with pytest.raises(TypeError, match="biases must be True or False, got"):
        L2(0.1, biases=flag)


def test_flags_of_numpy_and_what_checks_give_back():
    network = Network(2, Dense(3, "tanh"), Dropout(0.5), Dense(3, "softmax"))
    risk = make(
        network=network, training=np.False_, chunk=np.int64(5), threads=np.int8(1), resident=np.True_
    )
    assert xpnet.Offers.REDRAW not in risk.offers
    assert risk.chunk == 5
    assert type(risk.chunk) is int
    assert L2(np.float32(0.5), np.True_) == L2(0.5, True)
    assert type(L2(np.float64(1)).strength) is float


@pytest.mark.parametrize("penalty", [0, 0.0, False, "", {}], ids=repr)
def test_what_is_no_penalty(penalty):
    with pytest.raises(TypeError, match="penalty must be L2, L1, or a sequence of them, got"):
        make(penalty=penalty)


def test_a_subset_by_numbers_or_by_a_mask(device):
    risk, w = make(backend=device, dtype="float64"), NETWORK.initialize(0, device, "float64")
    mask = LABELS == 1
    numbers = np.flatnonzero(mask)
    want = float(risk.subset(device.asarray(numbers)).value(w))
    for chosen in (
        mask, numbers, mask.tolist(), numbers.tolist(), tuple(numbers.tolist()),
        numbers.astype("uint8"), numbers.astype("uint64"), device.asarray(mask),
        device.asarray(numbers.astype("int32")),
    ):  # fmt: skip
        assert float(risk.subset(chosen).value(w)) == want
    assert risk.subset([3, 3, 3]).samples == 3
    assert float(risk.subset(np.ones(12, bool)).value(w)) == pytest.approx(float(risk.value(w)), rel=1e-14)


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ([-1], ValueError, "samples must be numbers from 0 to 11, got -1 to -1"),
        ([0, 12], ValueError, "samples must be numbers from 0 to 11, got 0 to 12"),
        ([2**32], ValueError, "samples must be numbers from 0 to 11, got 4294967296"),
        (np.array([2**64 - 1], "uint64"), ValueError, "samples must be numbers from 0 to 11, got 184467"),
        ([], ValueError, r"samples must be \(n,\) with at least one, got shape \(0,\)"),
        (3, ValueError, r"samples must be \(n,\) with at least one, got shape \(\)"),
        ([[1, 2]], ValueError, r"samples must be \(n,\) with at least one, got shape \(1, 2\)"),
        ([1.0, 2.0], TypeError, "samples must be integers, or a mask of booleans, got numbers of float64"),
        (["a"], TypeError, "samples must hold real numbers, got an array of strings"),
        (None, TypeError, "samples must hold real numbers, got an array of objects"),
        ([True, False], ValueError, r"or a mask of shape .12,., got one of shape .2,."),
        ([False] * 12, ValueError, "samples must be at least one, got a mask that is False everywhere"),
    ],
    ids=str,
)
def test_what_chooses_no_samples(chosen, error, message, device):
    risk = make(backend=device)
    with pytest.raises(error, match=message):
        risk.subset(chosen)
    if isinstance(chosen, list | np.ndarray) and np.asarray(chosen).dtype.kind in "iufb":
        with pytest.raises(error, match=message):
            risk.subset(device.asarray(chosen))


def test_the_gradients_of_batches_average_to_the_whole(device):
    weights = RANDOM.uniform(0, 5, 12)
    weights[:4] = 0.0
    penalty = L2(0.3)
    risk = make(sample_weight=weights, penalty=penalty, backend=device, dtype="float64")
    w = NETWORK.initialize(0, device, "float64")
    whole = [device.to_numpy(part) for part in risk.value_and_gradient(w)]
    order = RANDOM.permutation(12)
    for size in (1, 2, 3, 4, 6, 12):
        batches = [risk.subset(order[k : k + size]).value_and_gradient(w) for k in range(0, 12, size)]
        for part in (0, 1):
            mean = np.mean([device.to_numpy(batch[part]) for batch in batches], axis=0)
            np.testing.assert_allclose(mean, whole[part], rtol=1e-12, atol=1e-15)
    products = [
        device.to_numpy(risk.subset(order[k : k + 3]).hessian_product(w, w)) for k in range(0, 12, 3)
    ]
    np.testing.assert_allclose(
        np.mean(products, axis=0), device.to_numpy(risk.hessian_product(w, w)), rtol=1e-11, atol=1e-14
    )


def test_a_batch_of_weight_0_has_the_penalty_alone(device):
    weights = np.ones(12)
    weights[:4] = 0.0
    w = NETWORK.initialize(0, device, "float64")
    options = {"sample_weight": weights, "backend": device, "dtype": "float64"}
    value, gradient = make(**options).subset([0, 1, 2]).value_and_gradient(w)
    assert float(value) == 0.0
    assert not device.to_numpy(gradient).any()
    value, gradient = make(penalty=L2(0.5, biases=True), **options).subset([1, 2]).value_and_gradient(w)
    assert float(value) == pytest.approx(0.25 * float((w * w).sum()), rel=1e-14)
    np.testing.assert_allclose(device.to_numpy(gradient), 0.5 * device.to_numpy(w), rtol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_minibatches_find_the_weighted_mean(size):
    """500 targets 0 of weight 1, 500 targets 1 of weight 9: .9, whatever the size of a batch."""
    risk = EmpiricalRisk(
        Network(1, Dense(1)), SquaredError(), np.zeros((1000, 1)), np.repeat([0.0, 1.0], 500),
        sample_weight=np.repeat([1.0, 9.0], 500), backend="numpy", dtype="float64",
    )  # fmt: skip
    method = Minibatch(GradientDescent(0.02), size, seed=1)
    w, biases = np.zeros(2), []
    for _, _ in zip(range(1500), iterate(risk, method, w), strict=False):
        biases.append(w[1])
    assert np.mean(biases[500:]) == pytest.approx(0.9, abs=0.03)


def test_minibatches_with_weights_of_0_go_on():
    weights = np.zeros(12)
    weights[:3] = 1.0
    risk, start = make(sample_weight=weights, dtype="float64"), NETWORK.initialize(0, "numpy", "float64")
    before = risk.value(start)
    run = minimize(risk, Minibatch(GradientDescent(0.05), 1), start, stop=after(120))
    assert risk.value(run.w) < before
