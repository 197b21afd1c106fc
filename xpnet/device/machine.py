"""What this machine has: memory, processors."""

from __future__ import annotations

import functools
import os

import numpy as np


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
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system: leave it to the allocation
        return 2**62


@functools.cache
def processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    import platform

    return platform.processor() or platform.machine()


def available() -> int:
    """The number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
