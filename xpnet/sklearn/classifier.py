"""The classifier: labels of any kind, one or several for a sample, and their probabilities."""

# scikit-learn has no types of its own, and those found in its source are partly unknown
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from ..device.backend import Backend
from ..device.select import backend_of
from ..divergences import BinaryCrossEntropy, CrossEntropy
from . import inputs
from .base import BaseNetwork, Task, outputs_of
from .settings import divergence_for, ending_for


@dataclass(eq=False, repr=False)
class NetworkClassifier(ClassifierMixin, BaseNetwork):
    """A network that tells classes, trained by the full gradient, for all of scikit-learn.

    With the defaults it minimizes `sum_t c_t Div(Y_t, d_t) + penalty / 2 * |weights|^2` over the samples t,
    of weight `c_t`, on standardized inputs, by L-BFGS: no rate to choose, and one result for a seed.

    Args:
        hidden: the hidden layers: units such as `(64, 32)`, layers such as `Dropout(0.2)`, or both.
        activation: of the hidden units, by name or an `Activation`.
        output: the last layer's activation; None for the one that suits the divergence.
        optimizer: a name that `minimize` takes, such as "rprop", or an `Optimizer`.
        rate: a number or a schedule instead of the optimizer's own rate; for methods of first order.
        batch_size: samples in a step of a method of first order; None for all of them.
        divergence: None is cross-entropy; for several labels at once binary cross-entropy; in a
            `NetworkRegressor` the squared error.
        penalty: a number as `alpha` of `MLPClassifier`, that is `L2(penalty / total weight)`; or an `L2`,
            an `L1`, a sequence of them, on the mean divergence as in `EmpiricalRisk`; None for none.
        max_iter: the most passes through the data; with the full gradient these are steps.
        tol: the run ends where the gradient's norm is at most this, or two steps in a row have changed the
            objective by less. With batches it is not looked at.
        stop: a rule such as `time_limit(60)`, in the place of `tol`.
        early_stopping: whether to hold out a part of the data, stop when its risk has not improved for
            `n_iter_no_change` passes, and keep the point where it was least.
        validation_fraction: that part; it has its share of each class.
        n_iter_no_change: see `early_stopping`.
        standardize: whether inputs are given mean 0 and deviation 1, and the targets of a regressor too, if
            its last activation is "identity".
        restarts: how many networks are trained at once from starts of their own; the best is kept, by the
            held-out risk with `early_stopping`, else by the objective.
        warm_start: whether `fit` goes on where the last one ended, with the optimizer's state, the random
            numbers and the scale of the first fit: two fits of 20 steps are one of 40. What is kept is
            the best point of the last fit.
        backend: as `xpnet.backend` takes it; None for where the data is, if scikit-learn's
            `array_api_dispatch` is on and it is not NumPy's.
        random_state: of the starts, the batches, and the part held out.
        verbose: whether to show a progress bar (needs tqdm).
        class_weight: None, a mapping of classes to weights, or "balanced"; times `sample_weight`.

    All computing is in the dtype of `X`, float32 or float64, else in float64.

    Attributes:
        network_, w_: what was trained, `network_.predict(w_, X)`, on standardized `X`.
        X_mean_, X_scale_: what standardizes them, `(features,)`; None if nothing does.
        classes_: `(classes,)`; of several labels their numbers.
        loss_, loss_curve_: the objective at `w_`; and where each step began (with batches: of the batch).
        validation_curve_: the mean divergence of the part held out after each pass; empty if there is none.
        n_iter_: the passes made.
        n_outputs_, n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Raises (in `fit`):
        TypeError, ValueError: as scikit-learn for data, as xpnet for settings; masked data, with the place.

    Warns:
        ConvergenceWarning: the passes were spent, or the run diverged.

    >>> from sklearn.datasets import load_iris
    >>> from xpnet.sklearn import NetworkClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = NetworkClassifier(hidden=(10,), random_state=0).fit(X, y)
    >>> bool(classifier.score(X, y) > 0.95)
    True
    """

    class_weight: Any = None

    def predict(self, X: Any) -> Any:
        """The likeliest class of each sample, `(samples,)`; of labels, 1 for each that it has."""
        outputs = outputs_of(self, X, "predict")
        home = backend_of(outputs)
        if self._multilabel:
            return home.xp.astype(outputs > 0.5, home.xp.int64)
        likeliest = home.xp.argmax(outputs, axis=1)
        if backend_of(self.classes_) == home:
            return home.xp.take(self.classes_, likeliest, axis=0)
        return self.classes_[home.to_numpy(likeliest)]  # words

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, or of each label, `(samples, classes)`."""
        return self._probabilities(X, "predict_proba")

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`."""
        probabilities = self._probabilities(X, "predict_log_proba")
        home = backend_of(probabilities)
        with home.quiet():
            return home.xp.log(probabilities)

    def _probabilities(self, X: Any, method: str) -> Any:
        outputs = outputs_of(self, X, method)
        if self._multilabel:
            return outputs
        home = backend_of(outputs)
        with home.quiet():
            total = home.xp.sum(outputs, axis=1, keepdims=True)
            even = home.xp.full_like(outputs, 1.0 / self.n_outputs_)
            return home.xp.where(total > 0.0, outputs / total, even)

    def _task(self, y: Any, weights: Any, home: Backend, *, fresh: bool) -> Task:
        check_classification_targets(y)
        y = y.toarray() if issparse(y) else y
        multilabel = type_of_target(y) == "multilabel-indicator"
        if multilabel:
            classes, targets = np.arange(y.shape[1]), y
        else:
            y = column_or_1d(y, warn=True)
            classes, targets = np.unique(y, return_inverse=True)
        if fresh:
            self._multilabel = multilabel
            stays = home.name == "numpy" or classes.dtype.kind not in "biuf"
            self.classes_ = classes if stays else home.asarray(classes)
        known = inputs.to_host(self.classes_)
        if len(classes) < 2 and fresh and not multilabel:
            raise ValueError(f"y must hold at least 2 classes, got 1 class: {classes[0]!r}")
        if not fresh and (multilabel != self._multilabel or not np.isin(classes, known).all()):
            raise ValueError("warm_start goes on with the classes of the first fit, and y has others")
        if not multilabel:
            targets = np.searchsorted(known, y)
        if self.class_weight is not None:
            own = compute_sample_weight(self.class_weight, y)
            weights = inputs.weights(weights * own, len(weights))
        divergence = divergence_for(self, BinaryCrossEntropy() if multilabel else CrossEntropy())
        ending = ending_for(divergence, self.output, ("sigmoid",) if multilabel else ("softmax", "sigmoid"))
        if ending.range is None or not (ending.range[0] >= 0.0 and ending.range[1] <= 1.0):
            raise ValueError(f"output must be an activation in [0, 1] in a classifier, got {ending.name!r}")
        return Task(targets, len(known), weights, divergence, ending, None if multilabel else targets)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
