"""What a classifier and a regressor have in common: a fit is a network, a risk, and a run of `minimize`."""

# scikit-learn has no types of its own, and those found in its source are partly unknown
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import checks
from ..device.backend import Backend
from ..device.select import backend_of
from ..divergences import Divergence
from ..glossary import Hinted
from ..layers import Activation, Dense
from ..network import Network
from ..objectives import EmpiricalRisk
from ..optimizers import Optimizer, Outcome
from ..training import minimize
from . import inputs
from .settings import (
    Best,
    columns,
    hidden_layers,
    numbers,
    optimizer_for,
    penalty_for,
    steps_in_pass,
    stop_for,
)

SOUND = (Outcome.CONVERGED, Outcome.HELD_OUT_WORSE, Outcome.STALLED)  # ends that need no warning


class Task(NamedTuple):
    """What is to be learned.

    Attributes:
        targets: as a risk takes them, on the host.
        weights: of the samples, those of their classes included.
        divergence: the one that suits them.
        ending: the activation of the network's last layer.
        strata: labels of which a part held out has its share, or None.
    """

    targets: Any
    outputs: int
    weights: Any
    divergence: Divergence
    ending: Activation
    strata: Any = None


class Memory(NamedTuple):
    """What a warm start goes on from."""

    seed: int
    optimizer: Optimizer
    w: Any
    state: Any
    losses: Any  # of all looks and replicas, as `columns`
    held: Any


@dataclass(eq=False, repr=False)
class BaseNetwork(Hinted, BaseEstimator):
    """What both estimators have in common; `NetworkClassifier` says what the settings are."""

    hidden: Any = (32,)
    activation: Any = "tanh"
    output: Any = None
    optimizer: Any = "lbfgs"
    rate: Any = None
    batch_size: Any = None
    divergence: Any = None
    penalty: Any = 1.0
    max_iter: Any = 500
    tol: Any = 1e-5
    stop: Any = None
    early_stopping: Any = False
    validation_fraction: Any = 0.1
    n_iter_no_change: Any = 10
    standardize: Any = True
    restarts: Any = 1
    warm_start: Any = False
    backend: Any = None
    random_state: Any = None
    verbose: Any = False

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Trains a network on `X` `(samples, features)` and `y`, and returns the estimator.

        Args:
            X: an array, a data frame, or a sparse matrix, which is made dense part by part as it is read.
            y: `(samples,)`, or several columns.
            sample_weight: `(samples,)`, not negative; all 1 if not given.
        """
        for name, values in (("X", X), ("y", y), ("sample_weight", sample_weight)):
            inputs.refuse_masked(name, values)
        memory = vars(self).get("_memory") if checks.flag("warm_start", self.warm_start) else None
        home = inputs.home(X)
        samples, y = cast(Any, validate_data)(
            self,
            X,
            inputs.to_host(y),
            accept_sparse="csr",
            dtype=[home.xp.float64, home.xp.float32],
            multi_output=True,
            y_numeric=is_regressor(self),
            reset=memory is None,
        )
        weights = inputs.weights(sample_weight, samples.shape[0])
        seed = memory.seed if memory else int(check_random_state(self.random_state).randint(2**31 - 1))
        optimizer = optimizer_for(self, seed)
        task = self._task(y, weights, home, fresh=memory is None)
        last = Dense(task.outputs, task.ending)
        network = Network(samples.shape[1], *hidden_layers(self), last)
        if memory is None:
            self._begin(network, samples, weights, home)
        elif network != self.network_:
            raise ValueError(f"warm_start goes on with the first fit's {self.network_!r}, got {network!r}")
        kept, held = slice(None), None
        if checks.flag("early_stopping", self.early_stopping):
            kept, held = train_test_split(
                np.arange(samples.shape[0]),
                test_size=self.validation_fraction,
                random_state=seed,
                stratify=task.strata,
            )
        work = inputs.at_work(self.backend, home)
        samples = inputs.sent(inputs.standardized(samples, self.X_mean_, self.X_scale_), home, work)
        risk = self._risk(samples, task, kept, work, training=True)
        held_out = None if held is None else self._risk(samples, task, held, work, training=False)
        self._train(risk, held_out, optimizer, seed, memory)
        self.w_ = inputs.moved(self.w_, work, home)
        return self

    @abstractmethod
    def _task(self, y: Any, weights: Any, home: Backend, *, fresh: bool) -> Task:
        """What `y`, on the host, asks for; a fresh fit keeps what is to be known of it later."""

    def _begin(self, network: Network, X: Any, weights: Any, home: Backend) -> None:
        """What a fresh fit begins with, and a warm start keeps."""
        self.network_, self.n_outputs_, self.n_iter_ = network, network.outputs, 0
        self.X_mean_ = self.X_scale_ = None
        if checks.flag("standardize", self.standardize):
            self.X_mean_, self.X_scale_ = inputs.moments("X", X, weights, home)

    def _risk(self, X: Any, task: Task, numbers: Any, work: Backend, *, training: bool) -> EmpiricalRisk:
        """The risk of the samples of these numbers; with the penalty where it is for training."""
        weights = task.weights[numbers]
        return EmpiricalRisk(
            self.network_,
            task.divergence,
            inputs.rows(X, numbers),
            task.targets[numbers],
            backend=work,
            dtype=work.dtype(X.dtype),
            sample_weight=None if (weights == 1.0).all() else weights,
            penalty=penalty_for(self.penalty, float(weights.sum())) if training else None,
            training=training,
        )

    def _train(
        self,
        risk: EmpiricalRisk,
        held_out: EmpiricalRisk | None,
        optimizer: Optimizer,
        seed: int,
        memory: Memory | None,
    ) -> None:
        """Takes steps from where the memory ends, if there is one, and keeps what came out."""
        restarts = checks.count("restarts", self.restarts)
        replicas = restarts if restarts > 1 else None
        w, state = self.network_.initialize(seed, risk.backend, risk.dtype, replicas), None
        if memory is not None:
            w, state = memory.w, memory.state if memory.optimizer == optimizer else None
        steps = steps_in_pass(risk.samples, optimizer)
        run = minimize(
            risk,
            optimizer,
            w,
            state=state,
            stop=stop_for(self, steps, held_out=held_out is not None),
            held_out=held_out,
            held_out_every=steps,
            progress=checks.flag("verbose", self.verbose),
        )
        best = Best.of(run)
        self.w_, self.loss_ = best.w, float(risk.value(best.w))
        self.n_iter_ += math.ceil(run.steps / steps)
        losses, held = columns(run.history.value), columns(run.history.held_out)
        if memory is not None:
            losses, held = np.vstack((memory.losses, losses)), np.vstack((memory.held, held))
        self.loss_curve_ = numbers(losses[:, best.number])
        self.validation_curve_ = numbers(held[:, best.number])
        keep = Memory(seed, optimizer, run.w, run.state, losses, held)
        self._memory = keep if self.warm_start else None
        if best.outcome not in SOUND:
            warnings.warn(
                f"{type(self).__name__} has not converged: {best.reason}; "
                "raise max_iter or tol, or try another optimizer or rate",
                ConvergenceWarning,
                stacklevel=3,  # who has called fit
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags


def outputs_of(estimator: BaseNetwork, X: Any, method: str) -> Any:
    """What the network of `estimator` makes of `X` for a `method`: `(samples, outputs)`, where `X` is."""
    check_is_fitted(estimator, "w_")
    inputs.refuse_masked("X", X)
    home = inputs.home(X)
    if home != backend_of(estimator.w_):
        places = f"{home.describe()} and {backend_of(estimator.w_).describe()}"
        raise ValueError(
            f"Inputs passed to {type(estimator).__name__}.{method}() must use the same namespace and the "
            f"same device as those passed to fit(), got {places}"
        )
    kinds = [home.xp.float64, home.xp.float32]
    samples = validate_data(estimator, X, accept_sparse="csr", dtype=kinds, reset=False)
    samples = inputs.standardized(samples, estimator.X_mean_, estimator.X_scale_)
    work = inputs.at_work(estimator.backend, home)
    w = inputs.moved(estimator.w_, home, work)
    outputs = estimator.network_.predict(w, inputs.sent(samples, home, work))
    return inputs.moved(outputs, work, home)
