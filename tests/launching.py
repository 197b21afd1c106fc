"""Starts programs as several processes of MPI, where that is installed."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 30  # seconds: nothing may hang

PREAMBLE = """
import os, sys, time
import numpy as np
import xpnet
from xpnet import *
rank = int(os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK", "0")))
random = np.random.default_rng(0)
X = random.standard_normal((6000, 5))
labels = random.integers(0, 3, 6000)
network = Network(5, Dense(8, "tanh"), Dense(3, "softmax"))

def risk(**options):
    given = {"chunk": 250, "dtype": "float64", "penalty": L2(1e-3)} | options
    return EmpiricalRisk(network, CrossEntropy(), X, labels, **given)

w = network.initialize(seed=0, dtype="float64")
"""


def mpiexec():
    """The launcher beside this Python, or on the path."""
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed")
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    return found or pytest.skip("there is no mpiexec")


def environment(**more):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    kept = {name: value for name, value in os.environ.items() if name != "XPNET_THREADS"}
    return kept | {"PYTHONPATH": path, "XPNET_BACKEND": "numpy", "XPNET_DISTRIBUTED": "mpi"} | more


def start(program, processes, **more):
    """A run of `program`, which may use what the preamble has, in so many processes."""
    command = [mpiexec(), "-n", str(processes), sys.executable, "-c", PREAMBLE + program]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**more)
    )


def finish(process):
    """Its status, and what it has written; at once, or the test fails."""
    try:
        out, error = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, error


def launch(program, processes, **more):
    return finish(start(program, processes, **more))


def alone(program):
    """What `program` writes as one process without MPI."""
    command = [sys.executable, "-c", PREAMBLE + program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(XPNET_DISTRIBUTED=""))
    assert not done.returncode, done.stderr
    return done.stdout
