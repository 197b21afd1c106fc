"""Samples taken part by part, wherever they are: what is used once and needs no place of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import checks
from .arrays import Array
from .backend import Backend
from .host_data import on_host


def finite_parts(backend: Backend, X: Any, step: int, dtype: Any) -> Iterator[tuple[slice, Array]]:
    """Each `step` samples of `X`, on the device and of `dtype`, with the slice of their numbers.

    `X` is `(samples, features)`, on the device or on the host; or `(R, samples, features)` on the device.

    Raises:
        ValueError: NaN or infinity, as soon as they are met.
    """
    samples, shared = int(X.shape[-2]), len(X.shape) == 2
    parts = [slice(start, min(start + step, samples)) for start in range(0, samples, step)]
    here = backend.owns(X) and not (shared and on_host(X))
    checked = here and X.dtype == dtype
    if checked:
        checks.finite(backend.xp, "X", X)
    came = ([X[..., part, :]] for part in parts) if here else backend.stream({"X": X}, parts, dtype)
    for part, (rows,) in zip(parts, came, strict=True):
        own = backend.xp.astype(rows, dtype, copy=False)
        if not checked:
            checks.finite(backend.xp, "X", own)
        yield part, own
