"""A simulation of full-gradient steps on many processes, and the measurements that it is checked by.

    python ci/benchmark/cluster.py                        # 1 to 4,096 devices: when is 90 % possible?
    mpiexec -n 2 python ci/benchmark/cluster.py measure   # predicted beside measured, on this machine

Every process computes on its samples; the slowest ends that. Then one buffer of value and gradient is added
up, in `rounds` of messages, and each process updates all parameters. Nothing overlaps, as the gradient of
chunks is complete only when the last one is. So the time of a step is

    T = max_p compute_p + rounds * latency + 2 (N - 1) / N * bytes / bandwidth + update.
"""

import argparse
import math
import os
import time
from dataclasses import dataclass, replace

import numpy as np

OPERATIONS = 6  # of a sample and a parameter: two products of matrices backward and one forward


@dataclass(frozen=True)
class Cluster:
    """What a step's time depends on.

    Attributes:
        flops: that a process reaches, a second.
        latency: of a round of messages, seconds.
        bandwidth: of a process, bytes a second each way, while all send.
        memory: bytes a second that the update of the parameters reaches.
        launch: seconds of an evaluation that no sample adds to.
        jitter: the standard deviation of a process's time, as a share of it.
        tree: whether rounds grow as the logarithm of the number of processes, as NCCL has it for large
            numbers; else as the number.
    """

    flops: float
    latency: float
    bandwidth: float
    memory: float
    launch: float = 0.0
    jitter: float = 0.0
    tree: bool = True

    def rounds(self, processes: int) -> float:
        if processes == 1:
            return 0
        return 2 * math.ceil(math.log2(processes)) if self.tree else 2 * (processes - 1)

    def exchange(self, size: float, processes: int) -> float:
        """Seconds until a buffer of so many bytes has been added up."""
        moved = 2 * (processes - 1) / processes * size
        return self.rounds(processes) * self.latency + moved / self.bandwidth


@dataclass(frozen=True)
class Work:
    """A full gradient: samples of all processes together, and parameters of `item` bytes."""

    samples: float
    parameters: float
    item: int = 4

    @property
    def bytes(self) -> float:
        """Of the buffer: gradient, value and header."""
        return self.item * self.parameters + 32


def simulate(cluster: Cluster, work: Work, processes: int, steps: int = 200, seed: int = 0) -> float:
    """Seconds of a step, on average."""
    own = OPERATIONS * work.parameters * work.samples / processes / cluster.flops
    random = np.random.default_rng(seed).standard_normal((steps, processes))
    slowest = own * (1 + cluster.jitter * random.max(axis=1)) if cluster.jitter else np.full(steps, own)
    update = 5 * work.item * work.parameters / cluster.memory  # momentum reads three arrays, writes two
    return float(slowest.mean()) + cluster.launch + cluster.exchange(work.bytes, processes) + update


def efficiency(cluster: Cluster, work: Work, processes: int) -> float:
    """The speed of so many, as a share of that of one with the same samples, times their number."""
    return simulate(cluster, work, 1) / (processes * simulate(cluster, work, processes))


def weak(cluster: Cluster, work: Work, processes: int) -> float:
    """The time of one with these samples, as a share of that of so many with as many samples each."""
    many = replace(work, samples=work.samples * processes)
    return simulate(cluster, work, 1) / simulate(cluster, many, processes)


def samples_for(cluster: Cluster, work: Work, processes: int, wanted: float = 0.9) -> float:
    """How many samples each must have for this efficiency, to two digits; infinity if none is enough."""
    low, high = 1.0, 1e12
    if efficiency(cluster, replace(work, samples=high), processes) < wanted:
        return math.inf
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        enough = efficiency(cluster, replace(work, samples=middle), processes) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    digits = 10 ** (math.floor(math.log10(high / processes)) - 1)
    return math.ceil(high / processes / digits) * digits


# What may be had, as its makers and others tell it: assumptions, not measurements of ours.
CLUSTERS = {
    "NVLink in a machine, 400 Gb/s a GPU": Cluster(20e12, 8e-6, 40e9, 2e12, launch=150e-6, jitter=0.01),
    "100 Gb/s a GPU": Cluster(20e12, 10e-6, 10e9, 2e12, launch=150e-6, jitter=0.01),
    "25 Gb/s Ethernet a GPU": Cluster(20e12, 40e-6, 2.5e9, 2e12, launch=150e-6, jitter=0.02),
}
NETWORKS = {"fashion": 269_322, "wide": 4_743_178, "100 million": 1e8}

# ChainerMN: ResNet-50, 25.6 million parameters, batches of 32 for each of 128 GPUs, 90 % of 128 times the
# speed of one (Akiba, Fukuda, Suzuki 2017, arXiv:1710.11351). Its links are FDR InfiniBand, 56 Gb/s; that
# a GPU of that time took about 0.27 s for 32 images is an assumption.
CHAINERMN = Cluster(1.0, 10e-6, 6.8e9, 2e11, tree=False)
CHAINERMN_GRADIENT, CHAINERMN_SECONDS, CHAINERMN_GPUS = 4 * 25.6e6, 0.27, 128


def anchor() -> float:
    """What the model says of ChainerMN's 90 %."""
    spent = CHAINERMN.exchange(CHAINERMN_GRADIENT, CHAINERMN_GPUS)
    return CHAINERMN_SECONDS / (CHAINERMN_SECONDS + spent)


def tell() -> None:
    counts = 8, 128, 1000
    print(f"ChainerMN, 128 GPUs: published 90 %, by the model {100 * anchor():.0f} %\n")
    for name, cluster in CLUSTERS.items():
        print(name)
        print(f"  {'samples for each GPU, for 90 % with':<36}" + "".join(f"{n:>10}" for n in counts))
        for network, parameters in NETWORKS.items():
            needed = [samples_for(cluster, Work(1, parameters), n) for n in counts]
            print(f"  {network:<36}" + "".join(f"{number:>10,.0f}" for number in needed))
        work = Work(60_000, NETWORKS["fashion"])
        shares = [efficiency(cluster, work, n) for n in counts]
        print(f"  {'fashion as it is, 60,000 samples':<36}" + "".join(f"{100 * s:>9.0f}%" for s in shares))
        print()


def fitted(sizes, seconds, processes: int) -> tuple[float, float]:
    """Latency of a round and bandwidth, by least squares of relative errors."""
    sizes, seconds = np.asarray(sizes, float), np.asarray(seconds)
    columns = np.stack([np.full_like(sizes, 2.0), 2 * (processes - 1) / processes * sizes], axis=1)
    latency, inverse = np.linalg.lstsq(columns / seconds[:, None], np.ones_like(seconds), rcond=None)[0]
    return max(float(latency), 1e-7), 1 / max(float(inverse), 1e-13)


def measure(samples: int, units: list[int], repeats: int) -> None:
    """Under mpiexec: exchanges alone, computation alone, and steps; beside what the model makes of them."""
    os.environ["XPNET_DISTRIBUTED"] = "mpi"
    import xpnet
    from xpnet.distributed import communicator

    shared, backend = communicator("mpi"), xpnet.backend("numpy")

    def least(*works) -> list[float]:
        """Of many turns of each, the least of the slowest process's."""
        times = [[] for _ in works]
        for _ in range(repeats):
            for work, own in zip(works, times, strict=True):
                shared.each(lambda: None)
                start = time.perf_counter()
                work()
                own.append(max(shared.each(lambda start=start: time.perf_counter() - start)))
        return list(map(min, times))

    sizes, seconds = [2**k for k in range(15, 24)], []
    for size in sizes if shared.size > 1 else ():
        array = np.ones(size // 4, np.float32)
        places = ((array.shape, array.dtype),)
        seconds += least(lambda a=array, p=places: shared.sum(backend, lambda: [a], p))

    network = xpnet.Network(
        units[0], *[xpnet.Dense(u, "tanh") for u in units[1:-1]], xpnet.Dense(units[-1], "softmax")
    )
    random = np.random.default_rng(0)
    X = random.standard_normal((samples, units[0]), np.float32)
    labels = random.integers(0, units[-1], samples)
    options, divergence = {"backend": backend, "threads": 1}, xpnet.CrossEntropy()
    risk = xpnet.EmpiricalRisk(network, divergence, X, labels, **options)
    share, options["chunk"] = risk.data.share, risk.chunk
    part = slice(share.first, share.first + share.samples)
    own = xpnet.EmpiricalRisk(network, divergence, X[part], labels[part], communicator="self", **options)
    w = network.initialize(seed=0, backend=backend)
    for each in (risk, own):
        for _ in range(3):
            each.value_and_gradient(w)
    together, alone = least(*(lambda each=each: each.value_and_gradient(w) for each in (risk, own)))
    if shared.rank:
        return
    predicted = alone
    if shared.size > 1:
        latency, bandwidth = fitted(sizes, seconds, shared.size)
        model = Cluster(1.0, latency, bandwidth, 1.0, tree=shared.size == 2)
        print(f"{shared.size} processes: {1e6 * latency:.1f} us a round, {bandwidth / 1e9:.2f} GB/s")
        predicted += model.exchange(4 * network.size + 32, shared.size)
    print(
        f"{samples}x{'-'.join(map(str, units))}: computation alone {1e3 * alone:.2f} ms, an evaluation "
        f"{1e3 * together:.2f} ms, by the model {1e3 * predicted:.2f} ms ({predicted / together:.2f} of it)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["measure"], help="under mpiexec: measure")
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--units", type=int, nargs="+", default=[64, 256, 256, 10])
    parser.add_argument("--repeats", type=int, default=15)
    chosen = parser.parse_args()
    if chosen.what:
        measure(chosen.samples, chosen.units, chosen.repeats)
    else:
        tell()
