"""Scikit-learn's inputs: where they are, what computes with them, and how they are standardized."""

# SciPy has no types of its own
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config

from .. import checks
from ..device.arrays import Array, Samples, Vector, compat
from ..device.backend import Backend
from ..device.host_data import on_host
from ..device.plain import is_masked, plain_array
from ..device.select import backend_of
from ..device.select import chosen as choose_backend
from ..objectives.risk.checked import normalized_weights

STANDARD = "2024.12"  # of the array API, that xpnet's own functions are written in
READ = 2**21  # numbers of a part of what is read in parts


def is_foreign(values: Any) -> bool:
    """Whether `values` are an array of another library than NumPy."""
    return compat.is_array_api_obj(values) and not compat.is_numpy_array(values)


def home(X: Any) -> Backend:
    """Where `X` is: scikit-learn takes what is not NumPy's as it is only if told to dispatch."""
    dispatched = get_config()["array_api_dispatch"] and is_foreign(X)
    return backend_of(X, name="X") if dispatched else choose_backend("numpy")


def at_work(asked: Backend | str | None, home: Backend) -> Backend:
    """What computes: what has been asked for, else where the data is, and for NumPy's as `xpnet.backend`.

    For a library that keeps to an older standard than xpnet does it is NumPy, with copies there and back.
    """
    if asked is not None or home.name == "numpy":
        return choose_backend(asked)
    return home if home.xp.__array_api_version__ >= STANDARD else choose_backend("numpy")


def to_host(values: Any) -> Any:
    """`values` in NumPy's or Python's terms, if they are an array of another library."""
    return backend_of(values).to_numpy(values) if is_foreign(values) else values


def moved(array: Array, source: Backend, target: Backend) -> Array:
    """`array` of `source` as one of `target`, of its dtype; the same if these are one."""
    return array if source == target else target.asarray(source.to_numpy(array))


def sent(X: Any, home: Backend, work: Backend) -> Any:
    """`X` of `home` where `work` can read it: NumPy's and sparse ones are read from everywhere."""
    return home.to_numpy(X) if is_foreign(X) and home != work else X


def rows(X: Any, numbers: Any) -> Any:
    """The samples of these numbers, an array of the host, or all of them, `slice(None)`."""
    if isinstance(numbers, slice):
        return X
    if isinstance(X, Standardized):
        return Standardized(X.X[numbers], X.mean, X.scale)
    if is_foreign(X):
        backend = backend_of(X)
        return backend.xp.take(X, backend.asarray(numbers), axis=0)
    return X[numbers]


class Standardized:
    """`(X - mean) / scale` of an `X` that is read in parts, made part by part as it is read."""

    def __init__(self, X: Any, mean: Vector, scale: Vector) -> None:
        self.X, self.mean, self.scale = X, mean, scale
        self.shape, self.dtype = X.shape, X.dtype

    def __getitem__(self, part: slice) -> Any:
        values = _dense(self.X[part]) - self.mean
        values /= self.scale
        return values


def standardized(X: Any, mean: Vector | None, scale: Vector | None) -> Any:
    """`(X - mean) / scale`, in parts of what is read in parts; `X` itself where there are none."""
    if mean is None or scale is None:
        return X
    return Standardized(X, mean, scale) if on_host(X) else (X - mean) / scale


def moments(name: str, X: Any, weights: Any, home: Backend) -> tuple[Vector, Vector]:
    """The mean and the standard deviation of each column of `X`, which lies at `home`, in its dtype.

    `weights` are `(samples,)` on the host. Where a column is constant its deviation is said to be 1.

    Raises:
        ValueError: a deviation is infinite.
    """
    xp = home.xp
    shares = weights / weights.max()
    shares = shares / shares.sum()
    with home.quiet():
        mean = _total(X, shares, home, 0.0, 1)
        variance = _total(X, shares, home, mean, 2)
        checks.finite(xp, f"the variance of {name}", variance)
        scale = xp.sqrt(variance)
        least = X.shape[0] * float(xp.finfo(home.accumulator).eps) * xp.abs(mean)  # of rounding alone
        scale = xp.where(scale > least, scale, xp.ones_like(scale))
        dtype = getattr(xp, checks.dtype_name(X.dtype))
        return xp.astype(mean, dtype), xp.astype(scale, dtype)


def _total(X: Any, shares: Any, home: Backend, center: Any, power: int) -> Vector:
    """The sum over the samples of their share times `(X - center)**power`."""
    total: Any = 0.0
    for begin, part in _parts(X):
        own = home.asarray(shares[begin : begin + part.shape[0]], home.accumulator)
        total = total + own @ (home.xp.astype(part, home.accumulator) - center) ** power
    return total


def _parts(X: Any) -> Iterator[tuple[int, Samples]]:
    step = max(1, READ // X.shape[1])
    for begin in range(0, X.shape[0], step):
        yield begin, _dense(X[begin : min(begin + step, X.shape[0]), :])


def _dense(part: Any) -> Samples:
    return part.toarray() if issparse(part) else part


def weights(values: Any, samples: int) -> Any:
    """`sample_weight` on the host, in double precision; None is 1 for all, a number is that for all.

    Raises:
        TypeError, ValueError: no numbers, another shape, NaN or infinity, negative, or all 0.
    """
    if values is None:
        return np.ones(samples)
    place = choose_backend("numpy")
    got = np.asarray(place.asarray(to_host(values), name="sample_weight"), np.float64)
    got = np.full(samples, float(got)) if got.ndim == 0 else got
    normalized_weights(place, got, samples, np.float64)
    return got


def refuse_masked(name: str, values: Any) -> None:
    """Raises ValueError, with the place, where some are masked, which scikit-learn would overlook."""
    if is_masked(values):
        plain_array(values, name)
