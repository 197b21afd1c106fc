"""Counts what one training step gives a GPU to do: xpnet's launches beside PyTorch's operations.

    python ci/benchmark/launches.py xpnet     # with CuPy, a device, and XPNET_TEST_COUNTER: see counting.py
    python ci/benchmark/launches.py PyTorch   # with PyTorch; no GPU

The step is the same: forward, loss, backward and Nesterov's update of L dense layers (tanh, the last with
softmax and cross-entropy) on 512 samples. Each command writes its side to ci/results/launches.json and then
the table of both to ci/results/launches.txt.

xpnet's step runs on CuPy, and its kernels and its calls of libraries (cuBLAS) are counted. PyTorch's runs
eagerly on the CPU under torch.profiler. Of the operations seen there, those count that launch a kernel on
CUDA: the names in `KERNELS`. Those in `FREE` make views, allocate, or only call others; an operation in
neither is an error. What a counted operation calls is not counted again, so these are the fewest launches
that PyTorch can need, with the SGD that it takes by default on CUDA (foreach) and with the fused one.
"""

import argparse
import itertools
import json
from pathlib import Path

import counting
import numpy as np

RESULTS = Path(__file__).parent.parent / "results"
LAYERS, DETAILED = (2, 3, 5), 3
UNITS, CLASSES, SAMPLES = 64, 10, 512
RATE, MOMENTUM = 0.01, 0.9

KERNELS = {
    "addmm",  # a layer's product and bias
    "tanh",
    "_log_softmax",
    "nll_loss_forward",
    "fill_",  # the derivative of the loss by itself
    "nll_loss_backward",
    "_log_softmax_backward_data",
    "mm",  # the two products of a layer's backward pass
    "sum",  # the derivative of a bias
    "tanh_backward",
    "_foreach_mul_",
    "_foreach_add_",
    "_fused_sgd_",
}
FREE = {
    *("linear", "to", "cross_entropy_loss", "log_softmax", "nll_loss_nd", "nll_loss", "ones_like"),
    *("t", "transpose", "as_strided", "expand", "view", "reshape", "detach", "empty_like", "empty"),
    *("empty_strided", "resolve_conj"),
}


HEADER = (
    "What one step launches: forward, loss, backward and Nesterov's update of dense layers (tanh, the last",
    "with softmax and cross-entropy). xpnet on CuPy: its kernels and calls of cuBLAS. PyTorch eager,",
    "with its default SGD (foreach) and the fused one: operations that launch at least one kernel on CUDA.",
)


def sizes(layers):
    return [UNITS] * layers + [CLASSES]


def data():
    random = np.random.default_rng(0)
    X = random.standard_normal((SAMPLES, UNITS), np.float32)
    return X, random.integers(0, CLASSES, SAMPLES)


def count_xpnet(layers):
    """Kernels and calls of libraries by name, in one step of xpnet on CuPy."""
    import xpnet

    module = counting.counter()
    if module is None:
        raise SystemExit("XPNET_TEST_COUNTER names no module that counts launches")
    backend = xpnet.backend("cupy")
    hidden = [xpnet.Dense(units, "tanh") for units in sizes(layers)[1:-1]]
    network = xpnet.Network(UNITS, *hidden, xpnet.Dense(CLASSES, "softmax"))
    risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), *data(), backend=backend)
    w = network.initialize(seed=0, backend=backend)
    optimizer = xpnet.Nesterov(RATE, MOMENTUM)
    state = optimizer.initialize(risk, w)
    for _ in range(3):
        optimizer.step(risk, w, state)
    with module.count() as counted:
        optimizer.step(risk, w, state)
    calls = {
        f"{library}: {name}": n for library, names in counted.calls.items() for name, n in names.items()
    }
    return {"kernels": dict(counted.kernels), "calls": calls}


def count_torch(layers, *, fused):
    """Operations by name that launch kernels, in one step of PyTorch."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    units = sizes(layers)
    modules = []
    for i, o in itertools.pairwise(units):
        modules += [torch.nn.Linear(i, o), torch.nn.Tanh()]
    model = torch.nn.Sequential(*modules[:-1])
    X, labels = map(torch.from_numpy, data())
    criterion = torch.nn.CrossEntropyLoss()
    parameters = model.parameters()
    optimizer = torch.optim.SGD(parameters, RATE, MOMENTUM, nesterov=True, fused=fused, foreach=not fused)

    def step():
        optimizer.zero_grad(set_to_none=True)
        criterion(model(X), labels).backward()
        optimizer.step()

    for _ in range(3):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    found = {}
    for event in profiled.events():
        name = short(event)
        if name is None or within_kernel(event):
            continue
        if name in KERNELS:
            found[name] = found.get(name, 0) + 1
        elif name not in FREE:
            raise SystemExit(f"{event.name} is in neither list: does it launch a kernel on CUDA?")
    return found


def short(event):
    """The operation's name; None for what is no operation, such as a node of the graph of derivatives."""
    library, _, name = event.name.partition("::")
    return name if library == "aten" else None


def within_kernel(event):
    parent = event.cpu_parent
    return parent is not None and (short(parent) in KERNELS or within_kernel(parent))


def table(report):
    """Totals side by side, then what those of one network consist of."""
    heads = ("xpnet", "its kernels", "its calls", "PyTorch", "fused SGD")
    lines = [*HEADER, "", f"{'layers':<8}" + "".join(f"{head:>13}" for head in heads)]
    for layers in map(str, LAYERS):
        ours = report.get("xpnet", {}).get(layers)
        theirs = report.get("PyTorch", {}).get(layers)
        cells = ["?"] * 5
        if ours:
            kernels, calls = sum(ours["kernels"].values()), sum(ours["calls"].values())
            cells[:3] = [kernels + calls, kernels, calls]
        if theirs:
            cells[3:] = [sum(theirs["foreach"].values()), sum(theirs["fused"].values())]
        lines.append(f"{layers:<8}" + "".join(f"{cell:>13}" for cell in cells))
    for side, counts in report.items():
        for part, names in counts[str(DETAILED)].items():
            lines += ["", f"{side}, {DETAILED} layers: {part}"]
            lines += [f"  {n:>3}  {name}" for name, n in names.items()]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(
        prog="launches.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("side", choices=("xpnet", "PyTorch"))
    parser.add_argument("--output", type=Path, default=RESULTS / "launches", help="without its ending")
    options = parser.parse_args()
    if options.side == "xpnet":
        counts = {layers: count_xpnet(layers) for layers in LAYERS}
    else:
        counts = {
            layers: {
                "foreach": count_torch(layers, fused=False),
                "fused": count_torch(layers, fused=True),
            }
            for layers in LAYERS
        }
    stored = Path(f"{options.output}.json")
    report = json.loads(stored.read_text()) if stored.exists() else {}
    report[options.side] = {str(layers): found for layers, found in counts.items()}
    report = {side: report[side] for side in ("xpnet", "PyTorch") if side in report}
    stored.write_text(json.dumps(report, indent=1) + "\n")
    Path(f"{options.output}.txt").write_text(table(report))
    print(table(report))


if __name__ == "__main__":
    main()
