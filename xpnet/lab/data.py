"""Data for the experiments, in an order that depends on the seed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import checks
from .bench import Lab


def digits(lab: Lab, classes: Sequence[int] = range(10)) -> tuple[Any, Any]:
    """The handwritten digits that come with scikit-learn, those of these classes.

    Returns:
        Pixels from 0 to 1, `(samples, 64)`, and labels `(samples,)`, the places in `classes`.

    Raises:
        ImportError: scikit-learn is not installed (extra `lab`).
    """
    try:
        datasets: Any = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise ImportError(f"the digits need scikit-learn: {checks.installing('lab')}") from error
    every: Any = datasets.load_digits()
    some = lab.random(len(every.target)).permutation(np.flatnonzero(np.isin(every.target, classes)))
    return every.data[some] / 16.0, np.array([[*classes].index(label) for label in every.target[some]])


def components(X: Any, count: int) -> Any:
    """The first principal components of samples, each of mean 0 and variance 1, `(samples, count)`."""
    return np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[0][:, :count] * len(X) ** 0.5


def circle(lab: Lab, key: int = 0) -> tuple[Any, Any]:
    """200 normal points in the plane, `(200, 2)`, and whether each is within a circle, 1 or 0."""
    X = lab.random(key).standard_normal((200, 2))
    return X, (np.hypot(X[:, 0], X[:, 1]) < 1.1).astype(float)
