"""The simulation of many processes, and the suite that measures a few."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from launching import environment, mpiexec

HERE = Path(__file__).parents[2] / "ci" / "benchmark"
sys.path.insert(0, str(HERE))

import cluster  # noqa: E402
import scale  # noqa: E402

FAST = next(iter(cluster.CLUSTERS.values()))


def test_the_model_has_the_published_figure():
    assert cluster.anchor() == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("tree", [True, False])
def test_an_exchange_is_rounds_and_bytes(tree):
    own = replace(FAST, latency=1e-5, bandwidth=1e9, tree=tree)
    assert own.exchange(1e6, 1) == 0
    assert own.exchange(1e6, 4) == pytest.approx((4 if tree else 6) * 1e-5 + 1.5e-3)
    assert own.exchange(0, 1000) == pytest.approx((20 if tree else 1998) * 1e-5)


def test_more_processes_are_less_efficient_and_more_samples_more():
    work = cluster.Work(1e6, 3e5)
    found = [cluster.efficiency(FAST, work, count) for count in (1, 2, 8, 128, 1000)]
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert cluster.efficiency(FAST, replace(work, samples=1e9), 1000) > found[-1]
    assert cluster.weak(FAST, work, 1000) > 0.9


@pytest.mark.parametrize("network", cluster.NETWORKS)
def test_so_many_samples_are_enough_and_fewer_are_not(network):
    work = cluster.Work(1, cluster.NETWORKS[network])
    needed = cluster.samples_for(FAST, work, 1000)
    assert cluster.efficiency(FAST, replace(work, samples=1000 * needed), 1000) >= 0.9
    assert cluster.efficiency(FAST, replace(work, samples=900 * needed), 1000) < 0.9


def test_what_no_number_of_samples_makes_up_for():
    slow = replace(FAST, jitter=0.2)
    assert cluster.samples_for(slow, cluster.Work(1, 1e6), 1000) == math.inf


def test_a_fit_finds_what_it_was_made_of():
    own = replace(FAST, latency=3e-6, bandwidth=5e9)
    sizes = [2**k for k in range(12, 24)]
    latency, bandwidth = cluster.fitted(sizes, [own.exchange(size, 2) for size in sizes], 2)
    assert latency == pytest.approx(3e-6)
    assert bandwidth == pytest.approx(5e9)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_model_is_near_what_is_measured(count):
    command = [mpiexec(), "-n", str(count), sys.executable, str(HERE / "cluster.py"), "measure"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    ratio = float(done.stdout.rpartition("(")[2].split()[0])
    assert 0.7 < ratio < 1.3


def test_workloads_grow_with_the_processes(monkeypatch):
    monkeypatch.delenv("PMI_SIZE", raising=False)
    assert len(scale.named("each: 100x3-4-2").X) == 100
    monkeypatch.setenv("PMI_SIZE", "4")
    assert len(scale.named("each: 100x3-4-2").X) == 400
    assert len(scale.named("100x3-4-2").X) == 100


def test_contestants_are_launched_in_their_number(monkeypatch):
    monkeypatch.setattr(scale.shutil, "which", lambda name: "/bin/mpiexec")
    assert scale.launch("threads") == scale.launch("1 process") == []
    assert scale.launch("4 processes")[1:] == ["-n", "4"]
