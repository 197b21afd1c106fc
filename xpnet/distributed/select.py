"""Which processes: the argument, else `XPNET_DISTRIBUTED`, else this one alone."""

from __future__ import annotations

import functools
import logging
import os
from typing import Any

from .. import checks
from .base import ALONE, Communicator

logger = logging.getLogger("xpnet")

# what launchers tell the processes that they start: how many there are, and the number of each
STARTED = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),  # Open MPI
    ("PMI_SIZE", "PMI_RANK"),  # MPICH, Intel MPI, Slurm
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),  # MVAPICH
)


def communicator(name: Any = None) -> Communicator:
    """The processes that `name` says, else those that `XPNET_DISTRIBUTED` does, else this one alone.

    Args:
        name: "mpi": all that `mpiexec` has started; "self": this process; an `MPI.Intracomm` of mpi4py; or
            a `Communicator`. The environment is read at each call.

    Raises:
        TypeError, ValueError: something else.
        ImportError: mpi4py, or the MPI that it needs, is missing.

    >>> from xpnet.distributed import communicator
    >>> communicator("self").size
    1
    """
    if isinstance(name, Communicator):
        return name
    source = "communicator"
    if name is None:
        name, source = os.environ.get("XPNET_DISTRIBUTED", "").strip().lower() or None, "XPNET_DISTRIBUTED"
        if name is None:
            _say_alone()
            return ALONE
    if isinstance(name, str):
        if checks.choice(source, name, ("mpi", "self")) == "self":
            return ALONE
        from .mpi import world

        return world()
    if not type(name).__module__.startswith("mpi4py"):  # which may not be installed
        wanted = "'mpi', 'self', an MPI.Intracomm of mpi4py, or a Communicator"
        raise TypeError(f"{source} must be {wanted}, got {checks.shown(name)}")
    from .mpi import of

    return of(name)


@functools.cache
def _say_alone() -> None:
    """Once in a process, and by the first of them only."""
    for size, rank in STARTED:
        count = os.environ.get(size, "")
        if count.isdecimal() and int(count) > 1:
            if os.environ.get(rank) == "0":
                logger.warning(
                    "one of %s processes, which train each alone; with XPNET_DISTRIBUTED=mpi they train "
                    "together",
                    count,
                )
            return
