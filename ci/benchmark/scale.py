"""The suite of many processes: a step by N processes of MPI, with a thread each, beside one process with as
many threads; with the same samples (strong scaling), and with as many samples for each process (weak)."""

import importlib.util
import itertools
import os
import shutil
import sys
import time
from pathlib import Path

import contestants
import workloads
from race import KERNELS
from report import compared

__all__ = ["CONTESTANTS", "NAMES", "WORKLOADS", "comparisons", "launch", "lines", "named"]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
COUNTS = [count for count in (1, 2, 4, 8, 16) if count <= CORES]
EACH = "each: "  # so many samples for each process
WORKLOADS = ["fashion", "wide", f"{EACH}8000x784-256-256-10", f"{EACH}1000x256-2048-2048-10"]
GOAL = 1 / 0.9  # the time of processes, beside that of as many threads
SAME_LOSS = False  # of other samples
NAP = 0.002  # seconds between looks for a message, which MPI would wait for without rest


def processes(name):
    """How many a contestant has; 1 with threads."""
    word = name.split()[0]
    return int(word) if word.isdigit() else 1


def launch(name):
    """What a contestant's command begins with."""
    count = processes(name)
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    return [found, "-n", str(count)] if count > 1 and found else []


def lines(given):
    """Each line that the first process reads, in all of them."""
    if os.environ.get("XPNET_DISTRIBUTED") != "mpi":
        yield from given
        return
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    if world.Get_rank() == 0:
        for line in itertools.chain(given, [""]):
            for rank in range(1, world.Get_size()):
                world.send(line, rank)
            world.Barrier()
            yield line
        return
    while True:
        while not world.Iprobe(source=0):
            time.sleep(NAP)
        line = world.recv(source=0)
        world.Barrier()
        yield line


def named(name):
    """A workload; with samples for each process that there is."""
    if not name.startswith(EACH):
        return workloads.named(name)
    samples, _, units = name.removeprefix(EACH).partition("x")
    count = int(os.environ.get("PMI_SIZE", os.environ.get("OMPI_COMM_WORLD_SIZE", "1")))
    return workloads.named(f"{int(samples) * count}x{units}")


def contestant(count):
    def make(workload):
        if count is not None and count > 1:
            if importlib.util.find_spec("mpi4py") is None:
                raise ImportError("mpi4py is not installed")
            os.environ["XPNET_DISTRIBUTED"] = "mpi"
        steps, details = contestants.xpnet(workload, **({} if count is None else {"threads": 1}))
        return steps, details | {"processes": count or 1}

    return make


def label(count):
    return f"{count} process" + "es" * (count > 1)


CONTESTANTS = {"threads": contestant(None)} | {label(count): contestant(count) for count in COUNTS}
NAMES = [f"{name} {kernels}" for kernels in KERNELS for name in CONTESTANTS]


def comparisons(workload, entries):
    """What is to be read from the times."""
    weak = workload.startswith(EACH)
    for kernels in KERNELS:
        for count in COUNTS[1:]:
            own = f"{label(count)} {kernels}"
            if count == CORES and not weak:
                goal = GOAL if workload in ("fashion", "wide") else None
                yield from compared(entries, own, [f"threads {kernels}"], f"{own} / threads", goal)
            base = f"{label(1)} {kernels}"
            yield from compared(
                entries, own, [base], f"{own} / {label(1)}, ideal {1 if weak else 1 / count:.3g}"
            )
