"""The regressor: numbers, one or several for a sample, in units of their own."""

# scikit-learn has no types of its own, and those found in its source are partly unknown
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import column_or_1d

from ..device.backend import Backend
from ..device.select import backend_of
from ..device.select import chosen as choose_backend
from ..divergences import SquaredError
from ..layers.activations import IDENTITY
from . import inputs
from .base import BaseNetwork, Task, outputs_of
from .settings import divergence_for, ending_for


@dataclass(eq=False, repr=False)
class NetworkRegressor(RegressorMixin, MultiOutputMixin, BaseNetwork):
    """A network that predicts numbers, one or several for a sample; settings as in `NetworkClassifier`.

    Targets are standardized too, so that the penalty and the tolerance mean the same whatever their units.

    Attributes:
        y_mean_, y_scale_: what standardizes the targets, `(outputs,)`; None if nothing does. The network's
            outputs are `(y - y_mean_) / y_scale_`, and the objective is the divergence of these.

    >>> from sklearn.datasets import load_diabetes
    >>> from xpnet.sklearn import NetworkRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = NetworkRegressor(restarts=3, random_state=0).fit(X, y)
    >>> regressor.predict(X[:2]).shape
    (2,)
    """

    penalty: Any = 3.0

    def predict(self, X: Any) -> Any:
        """The outputs, `(samples,)`, or `(samples, outputs)` where there are several."""
        outputs = outputs_of(self, X, "predict")
        if self.y_mean_ is not None and self.y_scale_ is not None:
            astype = backend_of(outputs).xp.astype
            scale, mean = (astype(number, outputs.dtype) for number in (self.y_scale_, self.y_mean_))
            outputs = outputs * scale + mean
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def _task(self, y: Any, weights: Any, home: Backend, *, fresh: bool) -> Task:
        y = y.toarray() if issparse(y) else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        targets = np.asarray(y, np.float64).reshape(len(y), -1)
        divergence = divergence_for(self, SquaredError())
        ending = ending_for(divergence, self.output, ("identity", "sigmoid", "softmax"))
        if fresh:
            self.y_mean_ = self.y_scale_ = None
            if self.standardize and ending == IDENTITY:
                mean, scale = inputs.moments("y", targets, weights, choose_backend("numpy"))
                self.y_mean_, self.y_scale_ = home.asarray(mean), home.asarray(scale)
        elif targets.shape[1] != self.n_outputs_:
            raise ValueError(f"warm_start needs y of {self.n_outputs_} outputs, as the first fit had")
        if self.y_mean_ is not None:
            targets = (targets - inputs.to_host(self.y_mean_)) / inputs.to_host(self.y_scale_)
        return Task(targets, targets.shape[1], weights, divergence, ending)
