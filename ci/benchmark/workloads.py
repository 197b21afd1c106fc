"""The training problems of the benchmark: data, layers, and the weights that everyone starts from."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE, MOMENTUM = 0.01, 0.9
FASHION = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist


@dataclass
class Workload:
    units: list[int]  # inputs, hidden layers, classes
    activation: str
    X: np.ndarray  # (samples, inputs), float32
    labels: np.ndarray
    source: str = "random numbers"

    def weights(self) -> list[np.ndarray]:
        """Glorot-uniform weights (outputs, inputs) of each layer; biases start at zero."""
        random = np.random.default_rng(0)
        return [
            random.uniform(-1, 1, (o, i)).astype(np.float32) * np.float32((6 / (i + o)) ** 0.5)
            for i, o in zip(self.units, self.units[1:], strict=False)
        ]


def random_data(samples, units, activation="tanh"):
    random = np.random.default_rng(1)
    X = random.standard_normal((samples, units[0]), np.float32)
    return Workload(units, activation, X, random.integers(0, units[-1], samples))


def digits():
    from sklearn.datasets import load_digits

    X, labels = load_digits(return_X_y=True)
    return Workload([64, 64, 64, 10], "tanh", (X / 16).astype(np.float32), labels, "scikit-learn's digits")


def fashion(activation):
    units = [784, 256, 256, 10]
    if not FASHION.exists():
        return random_data(60_000, units, activation)
    images, labels = (
        np.frombuffer(
            gzip.decompress((FASHION / f"train-{name}-ubyte.gz").read_bytes()), np.uint8, offset=offset
        )
        for name, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    X = images.reshape(-1, 784).astype(np.float32)
    X /= 255
    return Workload(units, activation, X, labels.astype(np.int64), "Fashion-MNIST")


WORKLOADS = {
    "tiny": lambda: random_data(1_000, [2, 20, 20, 2]),
    "digits": digits,
    "fashion": lambda: fashion("tanh"),
    "fashion-relu": lambda: fashion("relu"),
    "deep": lambda: random_data(4_096, [32, *[64] * 10, 10]),
    "wide": lambda: random_data(4_096, [256, 2048, 2048, 10]),
}


def named(name: str) -> Workload:
    """A workload by name, or "SAMPLESxUNITS-UNITS-..." with random data, such as 1000x20-32-2."""
    if name in WORKLOADS:
        return WORKLOADS[name]()
    samples, _, units = name.partition("x")
    return random_data(int(samples), [int(part) for part in units.split("-")])
