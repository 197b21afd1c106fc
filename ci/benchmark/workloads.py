"""The training problems of the benchmark: data, layers, and the weights that everyone starts from."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE, MOMENTUM = 0.01, 0.9  # of Nesterov
ADAM_RATE = 0.001
FASHION = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist


@dataclass
class Workload:
    units: list[int]  # inputs, hidden layers, outputs
    activation: str
    X: np.ndarray  # (samples, inputs), float32
    targets: np.ndarray  # labels, or (samples, outputs) to be met in half the mean square
    source: str = "random numbers"
    optimizer: str = "nesterov"  # or "adam"

    @property
    def regression(self) -> bool:
        return self.targets.ndim == 2

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


def simplechains():
    """What the authors of SimpleChains.jl measured it by: exponentials of 2 x 2 matrices.

    "Doing small network scientific machine learning in Julia 5x faster than PyTorch", julialang.org, 2022:
    10,000 random normal matrices, 4-32-16-4, tanh, squared error, Adam with rate .001, the full gradient.
    """
    X = np.random.default_rng(1).standard_normal((10_000, 4), np.float32)
    return Workload([4, 32, 16, 4], "tanh", X, exponential(X), "matrices and their exponentials", "adam")


def exponential(X):
    """`exp` of each row, read as a 2 x 2 matrix: Taylor's series of `A / 64`, squared six times."""
    A = X.reshape(-1, 2, 2).astype(np.float64) / 64
    term = total = np.broadcast_to(np.eye(2), A.shape)
    for k in range(1, 12):
        term = term @ A / k
        total = total + term
    for _ in range(6):
        total = total @ total
    return total.reshape(-1, 4).astype(np.float32)


WORKLOADS = {
    "tiny": lambda: random_data(1_000, [2, 20, 20, 2]),
    "digits": digits,
    "fashion": lambda: fashion("tanh"),
    "fashion-relu": lambda: fashion("relu"),
    "deep": lambda: random_data(4_096, [32, *[64] * 10, 10]),
    "wide": lambda: random_data(4_096, [256, 2048, 2048, 10]),
}

ON_HOST = WORKLOADS | {"simplechains": simplechains}


def named(name: str) -> Workload:
    """A workload by name, or "SAMPLESxUNITS-UNITS-..." with random data, such as 1000x20-32-2."""
    if name in ON_HOST:
        return ON_HOST[name]()
    samples, _, units = name.partition("x")
    return random_data(int(samples), [int(part) for part in units.split("-")])
