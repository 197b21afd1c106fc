"""Points as dual numbers that move along each of their parameters: what derivatives are read off."""

from __future__ import annotations

from typing import Any

from ..device.backend import Backend
from ..dual import Dual


def along_axes(backend: Backend, w: Any, dtype: Any) -> Dual:
    """`w`, `(..., P)`, an array or dual numbers, with P tangents in front, one along each parameter."""
    size, xp = w.shape[-1], backend.xp
    eye = xp.reshape(xp.eye(size, dtype=dtype, device=backend.device), (size, *[1] * (w.ndim - 1), size))
    ones: Any = eye + xp.zeros((size, *w.shape), dtype=dtype, device=backend.device)
    if isinstance(w, Dual):  # some arrays refuse a dual number on their right, so these are duals too
        lead = tuple(w.tangent.shape[: w.lead])
        ones = Dual(ones, xp.zeros((*lead, *ones.shape), dtype=dtype, device=backend.device))
    return Dual(w, ones)
