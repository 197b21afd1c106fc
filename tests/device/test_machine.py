"""Free memory, as each system says it: through stand-ins for what it is asked."""

from __future__ import annotations

import ctypes
import subprocess
import types

import pytest

from xpnet.device import machine

GB = 2**30


@pytest.fixture
def linux(monkeypatch):
    """A Linux whose files are those of the dictionary; `ulimit -v` is not set."""
    files = {"/proc/meminfo": f"MemTotal: {16 * 2**20} kB\nMemAvailable: {8 * 2**20} kB\n"}
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.setattr(machine, "_read", lambda path: files.get(str(path), ""))
    return files


def test_what_linux_has_available(linux):
    assert machine.free_host_memory() == 8 * GB


@pytest.mark.parametrize("path", ["/", "/jobs/7"])
def test_the_limit_of_a_control_group_is_seen(linux, path):
    linux["/proc/self/cgroup"] = f"0::{path}\n"
    group = "/sys/fs/cgroup" + path.rstrip("/")
    linux[f"{group}/memory.max"] = f"{4 * GB}\n"
    linux[f"{group}/memory.current"] = f"{3 * GB}\n"
    assert machine.free_host_memory() == GB
    linux[f"{group}/memory.stat"] = f"anon 5\ninactive_file {GB}\nactive_file 7\n"
    assert machine.free_host_memory() == 2 * GB  # the files that nobody uses are given up
    linux[f"{group}/memory.max"] = "max\n"
    assert machine.free_host_memory() == 8 * GB


def test_the_limit_of_a_group_holds_for_those_in_it(linux):
    linux["/proc/self/cgroup"] = "0::/outer/inner\n"
    for group, most in (("/outer", 2 * GB), ("/outer/inner", 6 * GB)):
        linux[f"/sys/fs/cgroup{group}/memory.max"] = str(most)
        linux[f"/sys/fs/cgroup{group}/memory.current"] = str(GB)
    assert machine.free_host_memory() == GB


@pytest.mark.parametrize("seen", ["/docker/abc", ""])
def test_the_limit_of_a_group_of_the_first_version(linux, seen):
    """In a container the group is seen at the root, under the path that it has outside."""
    linux["/proc/self/cgroup"] = "5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n"
    group = f"/sys/fs/cgroup/memory{seen}"
    linux[f"{group}/memory.limit_in_bytes"] = str(2 * GB)
    linux[f"{group}/memory.usage_in_bytes"] = str(2 * GB)
    assert machine.free_host_memory() == 0
    linux[f"{group}/memory.stat"] = f"inactive_file 3\ntotal_inactive_file {GB}\n"
    assert machine.free_host_memory() == GB
    linux[f"{group}/memory.limit_in_bytes"] = str(2**63 - 4096)  # none
    assert machine.free_host_memory() == 8 * GB


def test_a_limit_of_addresses_is_seen(linux, monkeypatch):
    resource = pytest.importorskip("resource", reason="this system has no such limits")
    linux["/proc/self/statm"] = "1000 10 10 10 0 10 0\n"
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (GB, GB))
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 4096)
    assert machine.free_host_memory() == GB - 4096 * 1000


def test_what_windows_says(monkeypatch):
    def status(reference):
        filled = reference._obj
        assert filled.length == ctypes.sizeof(filled) == 64  # of MEMORYSTATUSEX
        filled.total, filled.free, filled.free_commit = 16 * GB, 5 * GB, 9 * GB
        return 1

    kernel = types.SimpleNamespace(GlobalMemoryStatusEx=status)
    monkeypatch.setattr(ctypes, "windll", types.SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(machine.sys, "platform", "win32")
    assert machine.free_host_memory() == 5 * GB
    kernel.GlobalMemoryStatusEx = lambda reference: 0
    assert machine.free_host_memory() == machine.UNKNOWN


VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                     100.
Pages active:                                   900.
Pages inactive:                                 800.
Pages speculative:                               24.
Pages wired down:                               500.
"Translation faults":                        123456.
"""


def test_what_macos_says(monkeypatch):
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    done = types.SimpleNamespace(stdout=VM_STAT)
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: done)
    assert machine.free_host_memory() == 16384 * (100 + 800 + 24)
    done.stdout = "something else"
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 50)
    assert machine.free_host_memory() == 50 * 50


def test_elsewhere_the_pages_are_counted(linux, monkeypatch):
    linux.clear()

    def sysconf(name):
        if name == "SC_AVPHYS_PAGES":
            raise ValueError("unrecognized configuration name")
        return {"SC_PHYS_PAGES": 50, "SC_PAGE_SIZE": 4096}[name]

    monkeypatch.setattr(machine.os, "sysconf", sysconf)
    assert machine.free_host_memory() == 50 * 4096
    monkeypatch.delattr(machine.os, "sysconf")
    assert machine.free_host_memory() == machine.UNKNOWN


def test_processors_are_counted_where_nobody_says_which_are_ours(monkeypatch):
    """On macOS and Windows."""
    monkeypatch.delattr(machine.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 3)
    assert machine.available() == 3
    monkeypatch.setattr(machine.os, "cpu_count", lambda: None)
    assert machine.available() == 1


def test_this_machine_has_memory():
    assert 0 < machine.free_host_memory() < 2**50
    assert machine.processor()
    assert machine.available() >= 1
