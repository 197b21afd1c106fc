"""Fashion-MNIST from its files to 85 % by the full gradient of 60,000 images."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from xpnet import CrossEntropy, Dense, EmpiricalRisk, Momentum, Network, after, minimize

FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist


def read(name):
    """An IDX file: a header with the number of axes in byte 3, their lengths, then the bytes."""
    data = gzip.decompress((FOLDER / f"{name}-ubyte.gz").read_bytes())
    axes = data[3]
    shape = np.frombuffer(data, ">i4", axes, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


@pytest.mark.slow
@pytest.mark.skipif(
    not FOLDER.exists(), reason="Fashion-MNIST (Debian: dataset-fashion-mnist) is not installed"
)
def test_85_percent_within_200_steps():
    X, X_test = (
        read(f"{part}-images-idx3").reshape(-1, 784).astype(np.float32) / 255 for part in ("train", "t10k")
    )
    labels, labels_test = (read(f"{part}-labels-idx1") for part in ("train", "t10k"))
    assert X.shape == (60_000, 784)
    network = Network(784, Dense(64, "tanh"), Dense(10, "softmax"))
    risk = EmpiricalRisk(network, CrossEntropy(), X, labels, backend="numpy")
    w = network.initialize(0, "numpy")
    run = minimize(risk, Momentum(0.1, 0.9), w, stop=after(200))
    accuracy = np.mean(network.predict(run.w, X_test).argmax(axis=1) == labels_test)
    assert run.steps <= 200
    assert accuracy >= 0.85
