"""Begins work again in smaller pieces where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from .backend import Backend

Result = TypeVar("Result")

logger = logging.getLogger("xpnet")


def halving(backend: Backend, samples: int, work: Callable[[int], Result]) -> Result:
    """`work(samples)`; where memory runs out, begun again with half as many samples in a chunk.

    `work` must be such that it can be begun again: it keeps nothing of an attempt that failed. The log
    says when it is.

    Raises:
        MemoryError: even one sample in a chunk is too much.
    """
    while True:
        try:
            return work(samples)
        except MemoryError as error:
            if samples <= 1:
                raise MemoryError(
                    f"out of memory on {backend.describe()} even with one sample in a chunk; "
                    "fewer replicas or directions, or dtype='float32', take less"
                ) from error
        # out here nothing holds the arrays of what failed
        before, samples = samples, samples // 2
        logger.warning(
            "out of memory on %s with chunks of %d samples; beginning again with %d",
            backend.describe(),
            before,
            samples,
        )
