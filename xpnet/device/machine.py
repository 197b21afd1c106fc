"""What this machine has: memory, processors."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

UNKNOWN = 2**62
"""The free memory where nobody says how much there is; then the allocation itself fails."""


@functools.cache
def keep_freed_memory() -> None:
    """Makes the C library keep the memory of freed arrays for the next ones.

    By default glibc gives freed memory back to the system beyond 128 kB, and every fresh array pays for
    its pages again: a third of the time of a small network's gradient. Once a block of up to 32 MB has
    been freed it keeps twice as much (see "dynamic mmap threshold" in mallopt(3)); the block itself is
    never touched, so it costs no memory. Elsewhere this does nothing.
    """
    np.empty(2**25 - 2**16, np.uint8)


def free_host_memory() -> int:
    """The bytes that this process can still take, as the system and what limits the process say."""
    if sys.platform == "win32":
        return _free_on_windows()
    if sys.platform == "darwin":
        return _free_on_macos()
    return min(_free_on_linux(), _free_in_groups(), _free_addresses())


def _free_on_windows() -> int:
    class Status(ctypes.Structure):  # MEMORYSTATUSEX
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *(
                (name, ctypes.c_uint64)
                for name in (
                    "total",
                    "free",
                    "commit",
                    "free_commit",
                    "addresses",
                    "free_addresses",
                    "more",
                )
            ),
        )

    status: Any = Status(ctypes.sizeof(Status))
    windows: Any = getattr(ctypes, "windll")  # noqa: B009 (it is there on Windows only)
    if not windows.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return UNKNOWN
    return min(status.free, status.free_commit)


def _free_on_macos() -> int:
    """What `vm_stat` calls free, read ahead, and inactive: the last is given up when asked for."""
    import subprocess  # slow to import

    try:
        said = subprocess.run(["vm_stat"], capture_output=True, text=True, check=True, timeout=10).stdout
        page = int(said.partition("page size of ")[2].split()[0])
        lines = dict(line.split(":", 1) for line in said.splitlines()[1:] if ":" in line)
        kinds = ("Pages free", "Pages speculative", "Pages inactive")
        return page * sum(int(lines[kind].strip(" .")) for kind in kinds)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, KeyError):
        return _free_pages()


def _free_on_linux() -> int:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return _free_pages()


def _free_pages() -> int:
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            pages = os.sysconf(name)
        except (AttributeError, ValueError, OSError):  # not on this system
            continue
        if pages > 0:
            return pages * os.sysconf("SC_PAGE_SIZE")
    return UNKNOWN


def _free_in_groups() -> int:
    """The least that is left to the process's control groups, which containers set limits to.

    See the kernel's "Control Group v2" and "Memory Resource Controller" (v1). The files in memory that
    nobody uses are given up for whatever asks for more, so they count as free.
    """
    free = UNKNOWN
    for line in _read("/proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            root, limit, usage, file = Path("/sys/fs/cgroup"), "max", "current", "inactive_file"
        elif "memory" in controllers.split(","):
            root, limit, usage = Path("/sys/fs/cgroup/memory"), "limit_in_bytes", "usage_in_bytes"
            file = "total_inactive_file"
        else:
            continue
        inside = path.strip("/").split("/") if path.strip("/") else []
        for depth in range(len(inside) + 1):  # a limit of a group holds for the groups in it
            group = root.joinpath(*inside[:depth])
            most, used = (_read(group / f"memory.{kind}").strip() for kind in (limit, usage))
            if most.isdecimal() and used.isdecimal():
                kinds = (line.split() for line in _read(group / "memory.stat").splitlines())
                unused = sum(int(kind[1]) for kind in kinds if kind[0] == file)
                free = min(free, max(0, int(most) - int(used) + unused))
    return free


def _free_addresses() -> int:
    """What `ulimit -v` leaves."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        used = int(_read("/proc/self/statm").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, AttributeError, OSError, ValueError, IndexError):  # not on this system
        return UNKNOWN
    return UNKNOWN if most == resource.RLIM_INFINITY else max(0, most - used)


def _read(path: str | Path) -> str:
    """What the system says there, if anything."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeError):
        return ""


@functools.cache
def processor() -> str:
    """The processor's name."""
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    import platform

    return platform.processor() or platform.machine()


def available() -> int:
    """The number of processors that this process may use; `XPNET_THREADS` may say fewer."""
    told = os.environ.get("XPNET_THREADS", "").strip()
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
