"""A group of the GPU benchmark's contestants, in one process: a line of JSON for each measurement.

    python gpu_worker.py GROUP SETTINGS

with the settings that gpu.py gives it, as JSON. Times are taken by CUDA events, JAX's by the wall clock,
around so many steps that the one wait at their end does not count. A measurement that fails says why, and
the next one goes on.
"""

import functools
import inspect
import json
import statistics
import sys
import time

import contestants
import counting
from workloads import named

GROUPS = {  # the contestants that share a process
    "xpnet": {
        "xpnet": contestants.xpnet,
        "xpnet iterate": contestants.iterate,
        "xpnet minimize": contestants.minimize,
        "xpnet graphed": contestants.graphed,
        "its products": contestants.floor,
    },
    "CuPy": {"CuPy": contestants.naive},
    "PyTorch": {"PyTorch": contestants.torch},
    "PyTorch compiled": {"PyTorch compiled": contestants.torch_compiled},
    "PyTorch graphed": {"PyTorch graphed": contestants.torch_graphed},
    "JAX": {"JAX": contestants.jax},
}
RUNS = ("xpnet minimize", "xpnet graphed")  # whose steps are those of a run of their own
LONGEST = 10_000  # steps between two events


def answer(**message):
    print(json.dumps(message), file=answers, flush=True)


class Clock:
    """Seconds that work takes, by the CUDA events of the group's library; JAX's by the wall clock."""

    def __init__(self, group):
        self.library = group.split()[0]

    def __call__(self, work):
        if self.library == "JAX":
            start = time.perf_counter()
            work()
            return time.perf_counter() - start
        if self.library == "PyTorch":
            import torch

            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        else:
            import cupy

            start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        work()
        end.record()
        end.synchronize()
        if self.library == "PyTorch":
            return start.elapsed_time(end) / 1e3
        return cupy.cuda.get_elapsed_time(start, end) / 1e3


def measure(work, clock, settings):
    """The time of one of `work`'s steps; `work(n)` takes n. It has been warmed up before."""
    start = time.perf_counter()
    clock(functools.partial(work, 2))
    one = (time.perf_counter() - start) / 2
    budget, repeats = settings["budget"], settings["repeats"]
    count = min(max(1, round(budget / repeats / one)), LONGEST)
    times, walls = [], []
    end = time.perf_counter() + 2 * budget
    while len(times) < repeats and (len(times) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        times.append(clock(functools.partial(work, count)) / count)
        walls.append((time.perf_counter() - start) / count)
    return {
        "seconds": statistics.median(times),
        "best": min(times),
        "worst": max(times),
        "wall_seconds": statistics.median(walls),
        "steps": count * len(times),
    }


def attempt(end, function, **place):
    """Answers what `function()` measures, or why it could not, with its `place` in the report."""
    try:
        if time.monotonic() > end:
            raise TimeoutError("no time was left")
        entry = {"missing": None} | function()
    except (ImportError, TimeoutError) as error:
        entry = {"missing": str(error)}
    except Exception as error:  # too little memory, say: the others go on
        entry = {"missing": f"{type(error).__name__}: {error}"[:300]}
    answer(**place, entry=entry)


def card(settings):
    """What the card can do: copy, multiply matrices, and take data from the host."""
    import cupy
    import cupyx

    clock = Clock("CuPy")
    size = min(settings["copy_bytes"], cupy.cuda.runtime.memGetInfo()[0] // 4) // 4
    a, b = cupy.ones(size, cupy.float32), cupy.empty(size, cupy.float32)
    host = cupyx.empty_pinned(min(size, 2**26), cupy.float32)
    host[:] = 1

    def repeat(function):
        def work(n):
            for _ in range(n):
                function()

        work(2)
        return measure(work, clock, settings)["seconds"]

    copy = repeat(lambda: cupy.copyto(b, a))
    transfer = repeat(lambda: b[: len(host)].set(host))
    side = settings["matrix"]
    values = cupy.sin(cupy.arange(side * side, dtype=cupy.float32))  # constants would cost less power
    A = values.reshape(side, side)
    B, C = 1 - A, cupy.empty_like(A)
    product = repeat(lambda: cupy.matmul(A, B, out=C))
    device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    return {
        "name": device["name"].decode(),
        "compute_capability": f"{device['major']}.{device['minor']}",
        "memory_gb": round(device["totalGlobalMem"] / 2**30, 1),
        "driver": cupy.cuda.runtime.driverGetVersion(),
        "runtime": cupy.cuda.runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
        "copy_bytes": 4 * size,
        "copy_rate": 8 * size / copy,  # read and written
        "transfer_rate": host.nbytes / transfer,
        "matrix_side": side,
        "matrix_rate": 2 * side**3 / product,
    }


def operations(workload):
    """Additions and multiplications in a step's products: forward, and backward to all but the data."""
    sizes = [i * o for i, o in zip(workload.units, workload.units[1:], strict=False)]
    return 2 * len(workload.X) * (3 * sum(sizes) - sizes[0])


def step(make, workload, clock, settings, kept):
    steps, details = make(workload)
    loss = steps(5)  # also the warm-up
    kept.append(steps)
    return {"loss": loss, "operations": operations(workload), "details": details} | measure(
        steps, clock, settings
    )


def xpnet_update(method, size):
    """Steps of a method with one gradient for ever; where five take it; the arrays it reads and writes."""
    import cupy

    import xpnet
    from xpnet.optimizers import rules, sign_rules

    optimizer, rule = {
        "momentum": (xpnet.Momentum(0.01, 0.9), rules.momentum),
        "Nesterov": (xpnet.Nesterov(0.01, 0.9), rules.nesterov),
        "RMSprop": (xpnet.RMSprop(0.01, 0.9), rules.rmsprop),
        "Adam": (xpnet.Adam(0.001), rules.adam),
        "Rprop": (xpnet.Rprop("iRprop-", 0.01), sign_rules.irprop_minus),
    }[method]
    gradient = cupy.asarray(pattern(size))
    value = cupy.zeros(())

    class Given(xpnet.Objective):
        def value(self, w):
            return value

        def value_and_gradient(self, w):
            return value, gradient

    w = cupy.zeros(size, cupy.float32)
    objective = Given()
    state = optimizer.initialize(objective, w)

    def work(n):
        for _ in range(n):
            optimizer.step(objective, w, state)

    def reached():
        work(5)
        return state.get("ahead", w)[:1000].get()  # Nesterov's point as PyTorch has it

    return work, reached, len(rule.arrays) + len(rule.graph.outputs)


def torch_update(method, size, kind):
    import torch

    if not torch.cuda.is_available():
        raise ImportError("PyTorch finds no GPU")
    torch.cuda.empty_cache()
    make, arrays = {  # arrays that the method must read and write
        "momentum": (functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9), 5),
        "Nesterov": (functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9, nesterov=True), 5),
        "RMSprop": (functools.partial(torch.optim.RMSprop, lr=0.01, alpha=0.9), 5),
        "Adam": (functools.partial(torch.optim.Adam, lr=0.001), 7),
        "Rprop": (functools.partial(torch.optim.Rprop, lr=0.01), 7),
    }[method]
    w = torch.zeros(size, device="cuda", requires_grad=True)
    w.grad = torch.from_numpy(pattern(size)).cuda()
    try:
        optimizer = make([w], **{kind: True})
    except TypeError:
        raise ImportError(f"has no {kind} {method}") from None

    def work(n):
        for _ in range(n):
            optimizer.step()

    def reached():
        given = w.grad[:1000].clone()
        for _ in range(5):
            w.grad[:1000] = given  # Nesterov in foreach adds the velocity to the gradient itself
            optimizer.step()
        return w.detach()[:1000].cpu().numpy()

    return work, reached, arrays


UPDATES = {
    "xpnet": {"xpnet": xpnet_update},
    "PyTorch": {
        "PyTorch fused": functools.partial(torch_update, kind="fused"),
        "PyTorch foreach": functools.partial(torch_update, kind="foreach"),
    },
}


def pattern(size):
    """A gradient: a thousand random numbers again and again."""
    import numpy as np

    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    return np.resize(values, size)


def update(make, clock, settings):
    work, reached, arrays = make()
    distance = float(abs(reached()).astype("float64").sum())  # also the warm-up
    return {"distance": distance, "bytes": 4 * arrays} | measure(work, clock, settings)


def can_stream():
    import xpnet

    return "resident" in inspect.signature(xpnet.EmpiricalRisk).parameters


def streaming(workload, clock, settings):
    """A step on data that stays on the device, and on the same data that comes from the host."""
    entry = {"data_bytes": workload.X.nbytes}
    for name, resident in (("resident", True), ("streamed", False)):
        steps, details = contestants.xpnet(workload, resident=resident)
        loss = steps(5)
        entry[name] = {"loss": loss, "details": details} | measure(steps, clock, settings)
    return entry


def main(group, settings):
    clock = Clock(group)
    end = time.monotonic() + 0.8 * settings["seconds"]  # the rest is for counting launches
    if clock.library == "PyTorch":
        try:
            import torch
        except ImportError:
            pass  # each measurement says so
        else:
            torch.set_float32_matmul_precision("high" if settings["tf32"] else "highest")
    if group not in GROUPS:  # the card's turns
        return attempt(end, functools.partial(card, settings), part=group)
    for method in settings["methods"]:
        for size in settings["sizes"]:
            for name, make in UPDATES.get(group, {}).items():
                made = functools.partial(make, method, size)
                attempt(
                    end,
                    functools.partial(update, made, clock, settings),
                    part="updates",
                    place=[method, str(size), name],
                )
    kept = {}
    for name in settings["workloads"]:
        workload = named(name)
        for contestant, make in GROUPS[group].items():
            own = kept[name, contestant] = []
            attempt(
                end,
                functools.partial(step, make, workload, clock, settings, own),
                part="steps",
                place=[name, contestant],
            )
    if group == "xpnet" and can_stream():
        workload = named(settings["streamed"])
        attempt(end, functools.partial(streaming, workload, clock, settings), part="streaming")
    for place, own in kept.items():  # at the end, as it may bring in another library
        for steps in own:  # what a whole run launches says nothing of a step
            found = {"launches": None, "kernels": None} if place[1] in RUNS else counting.count(steps)
            answer(part="steps", place=place, entry=found)


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not get between
    main(sys.argv[1], json.loads(sys.argv[2]))
