"""What other libraries call things: one table of their words, and errors that answer with ours.

It holds what users of PyTorch, Keras, scikit-learn and SciPy type out of habit. A word that is in no table
stays the error that Python raises by itself; and a table is looked at only where something is wrong, or
where an argument is given by its name.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def _each(rows: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    """Answers by word, of rows of words and answers."""
    return {word: tuple(row.split(" | ")) for words, row in rows.items() for word in words.split()}


# Of the answers for an argument that one counts which begins with a parameter of what was called; or else
# one that is "of" something, and so not of what was called.
ARGUMENTS = _each(
    {
        # rates
        "lr learning_rate learning_rate_init eta eta0": (
            "rate | initial | optimizer=Adam(rate=...) | search=Fixed(rate=...)"
        ),
        "initial_lr initial_learning_rate init_value": "initial",
        "eta_min min_lr base_lr end_lr end_value": "minimum",
        "max_lr peak_value": "maximum",
        "T_max total_steps total_iters decay_steps transition_steps warmup_steps": "steps",
        "step_size": "every | rate",
        "gamma decay_rate": "factor | decay, as in exp(-decay k)",
        "lr_lambda": "function",
        "T_0": "period",
        "T_mult": "growth",
        "pct_start": "rise",
        "div_factor": "start",
        "final_div_factor": "end",
        "anneal_strategy": "shape",
        "step_size_up": "up",
        "step_size_down": "down",
        # optimizers
        "betas": "beta1=..., beta2=...",
        "beta_1 b1": "beta1",
        "beta_2 b2": "beta2",
        "eps": "epsilon",
        "centered": "centred",
        "alpha": "rho | slope | strength | penalty=L2(...)",
        "etas": "up=..., down=...",
        "step_sizes": "smallest=..., largest=...",
        "rate": "optimizer=Adam(rate=...)",
        "momentum": "optimizer=Momentum(momentum=...)",
        "nesterov nesterovs_momentum": "optimizer=Nesterov(...) | the class Nesterov, instead of this one",
        "maximize": "the minus in -objective, an argument of minimize",
        "initial_accumulator_value": "accumulator",
        "history_size maxcor memory_size": "pairs",
        "line_search_fn line_search linesearch": "search",
        "initial_trust_radius": "radius",
        "max_trust_radius": "largest",
        "c1": "decrease",
        "c2": "curvature",
        # runs
        "x0 w0 params parameters": "w | w of minimize",
        "fun func f closure": "function | objective",
        "jac grad hess hessp": "objective, an Objective with its derivatives",
        "method solver optim optimiser": "optimizer",
        "max_iter maxiter max_steps num_steps n_steps steps iterations epochs n_epochs num_epochs": (
            "max_iter | steps | stop=after(...) | stop=after(...) of minimize"
        ),
        "maxfun maxfev max_nfev": "limit | stop=evaluations(...)",
        "tol gtol pgtol tolerance_grad": (
            "limit | stop=gradient_below(...) | stop=gradient_below(...) of minimize"
        ),
        "ftol xtol tolerance_change": (
            "tol | limit | stop=change_below(...) | stop=change_below(...) of minimize"
        ),
        "early_stopping patience n_iter_no_change": "stop=patience(...)",
        "min_delta": "threshold",
        "verbose disp": "progress",
        "callbacks": "callback",
        "validation_data eval_set": "held_out=(X, targets)",
        "validation_split": "validation_fraction | held_out=(X, targets)",
        "batch_size": "size | optimizer=Minibatch(..., size=...) | size of Minibatch",
        "options": "stop, or a setting of the optimizer",
        "inplace": "in_place",
        # risks
        "model net": "network",
        "loss criterion loss_fn loss_function": "divergence | objective",
        "y Y labels target": "targets",
        "x data": "X",
        "sample_weights class_weight weights weight": "sample_weight | strength",
        "weight_decay": "penalty=L2(c, biases=True) | penalty=L2(c, biases=True) of EmpiricalRisk",
        "l2 regularizer": "strength | penalty=L2(...)",
        "n_jobs num_threads n_threads": "threads",
        "device": "backend",
        # networks
        "layers": "*layers, one after the other",
        "in_features input_dim input_size input_shape": "inputs | inputs of Network",
        "out_features neurons n_units output_dim": "units",
        "use_bias fit_intercept": "bias",
        "kernel_initializer init initialiser": "initializer",
        "nonlinearity act": "activation",
        "p dropout drop_prob": "rate",
        "negative_slope": "slope",
        "random_state rng key generator": "seed",
        "n_replicas ensemble": "replicas",
        "hidden_layer_sizes hidden_layers": "hidden",
        # callbacks
        "filepath filename": "path",
        "save_freq update_freq": "every",
        "log_dir logdir": "directory",
    }
)

# Words for values: optimizers, activations, initializers, divergences, backends.
WORDS = _each(
    {
        "sgd gd": "gradient descent",
        "nag": "nesterov",
        "l-bfgs l-bfgs-b lbfgsb l_bfgs": "lbfgs",
        "ncg": "newton-cg",
        "trust-exact": "trust-region",
        "trust-ncg trust-krylov steihaug": "trust-region-cg",
        "lm": "levenberg-marquardt",
        "gn": "gauss-newton",
        "linear none": "identity",
        "logistic expit": "sigmoid",
        "leakyrelu": "leaky_relu",
        "xavier xavier_uniform glorot_uniform glorot_normal": "glorot",
        "kaiming kaiming_uniform kaiming_normal he_uniform he_normal": "he",
        "lecun_uniform lecun_normal": "lecun",
        "mse mean_squared_error squared_loss l2": "squared_error",
        "ce nll crossentropy categorical_crossentropy sparse_categorical_crossentropy": "cross_entropy",
        "log_loss": "cross_entropy | binary_cross_entropy",
        "bce binary_crossentropy": "binary_cross_entropy",
        "kl kld kl_div kl_divergence": "kullback_leibler",
        "cpu": "numpy",
        "cuda gpu": "cupy",
        "float double": "float32 | float64",
    }
)

# Names that are looked for in `xpnet` itself, and in what it makes.
ATTRIBUTES = {
    "module 'xpnet'": _each(
        {
            "SGD": "GradientDescent, Momentum or Nesterov",
            "AdamW": "Adam(weight_decay=...)",
            "AMSGrad": "Adam(amsgrad=True)",
            "RMSProp": "RMSprop",
            "AdaGrad": "Adagrad",
            "AdaDelta": "Adadelta",
            "Linear": "Dense(units)",
            "Sequential MLP Model Module": "Network(inputs, *layers)",
            "ReLU Tanh Sigmoid Softmax LeakyReLU Softplus": "Dense(units, 'relu') and so on",
            "MSELoss MeanSquaredError": "SquaredError, with 1/2 of the squares' sum",
            "CrossEntropyLoss NLLLoss CategoricalCrossentropy": "CrossEntropy(from_logits=True)",
            "BCELoss BCEWithLogitsLoss BinaryCrossentropy": "BinaryCrossEntropy(from_logits=True)",
            "KLDivLoss KLDivergence": "KullbackLeibler",
            "StepLR MultiStepLR LambdaLR PolynomialLR": "schedules.Step, MultiStep, Lambda or Polynomial",
            "CosineAnnealingLR OneCycleLR CyclicLR": "schedules.Cosine, OneCycle or Cyclic",
            "CosineAnnealingWarmRestarts": "schedules.Restarts",
            "ExponentialLR ExponentialDecay": "schedules.ExponentialDecay",
            "ReduceLROnPlateau": "schedules.Plateau",
            "EarlyStopping": "patience",
            "ModelCheckpoint": "Checkpoint",
            "CSVLogger": "CSVLog",
            "DataLoader": "Minibatch",
            "fit train optimize minimise": "minimize",
            "least_squares leastsq curve_fit": "LeastSquares, for minimize",
            "optim": "optimizers",
            "nn losses": "xpnet itself",
            "initialise initialize": "initialize, of a Network or of an EmpiricalRisk",
            "MLPClassifier NetworkClassifier": "NetworkClassifier, in the module xpnet.sklearn",
            "MLPRegressor NetworkRegressor": "NetworkRegressor, in the module xpnet.sklearn",
            "set_backend": "backend",
        }
    ),
    "Network": _each(
        {
            "initialise init init_params reset_parameters": "initialize",
            "fit train compile": "minimize(risk, optimizer, w)",
            "predict_proba": "predict",
            "state_dict get_weights trainable_variables coefs_": "parameters(w), views into w",
            "summary": "describe",
            "count_params num_parameters": "size",
            "save": "xpnet.save(path, network, w)",
            "eval": "training=False, an argument of EmpiricalRisk",
            "to cuda cpu": "backend, an argument of initialize",
        }
    ),
    "EmpiricalRisk": _each(
        {
            "initialise": "initialize",
            "fit minimize": "minimize(risk, optimizer, w)",
            "predict": "network.predict(w, X)",
            "loss": "value",
            "gradient grad backward": "value_and_gradient",
            "hvp": "hessian_product",
            "y": "data, with the targets",
        }
    ),
    "Run": _each(
        {
            "x params": "w",
            "fun loss": "value",
            "success": "converged",
            "message": "reason",
            "status": "outcome",
            "nit n_iter_": "steps",
            "nfev njev nhev": "evaluations",
            "best_loss_": "best_value",
            "loss_curve_": "history.value",
        }
    ),
    "History": _each(
        {
            "loss losses": "value",
            "val_loss": "held_out",
            "lr learning_rate": "rate",
            "grad_norm": "gradient_norm",
            "epoch": "step",
            "time": "seconds",
            "history": "value, and the other attributes",
        }
    ),
}


def word(value: str, options: Iterable[str]) -> str | None:
    """The one of `options` that another library calls `value`."""
    return next((ours for ours in WORDS.get(value.lower(), ()) if ours in options), None)


def refuse(called: Callable[..., Any], named: Iterable[str]) -> None:
    """Raises TypeError if one of the arguments `named` is another library's name for one of `called`'s."""
    theirs = [name for name in named if name in ARGUMENTS]
    if not theirs:
        return
    parameters = inspect.signature(called).parameters
    kinds = {name: own.kind for name, own in parameters.items()}
    if inspect.Parameter.VAR_KEYWORD in kinds.values():
        return
    for name in theirs:
        if kinds.get(name, inspect.Parameter.VAR_POSITIONAL) is not inspect.Parameter.VAR_POSITIONAL:
            continue
        own = [ours for ours in ARGUMENTS[name] if first(ours) in kinds and " of " not in ours]
        for ours in [*own, *(ours for ours in ARGUMENTS[name] if " of " in ours)][:1]:
            raise TypeError(f"{called.__name__} has no argument {name!r}; its name here is {ours}")


def missing(owner: str, name: str) -> AttributeError:
    """The error for a name that `owner` has not, with ours if it is another library's name for it."""
    ours = ATTRIBUTES[owner].get(name)
    text = f"{owner if ' ' in owner else repr(owner) + ' object'} has no attribute {name!r}"
    return AttributeError(f"{text}; its name here is {ours[0]}" if ours else text)


def hinted(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, which answers other libraries' names of its arguments with ours."""

    @functools.wraps(function)
    def asked(*values: P.args, **named: P.kwargs) -> R:
        if named:
            refuse(function, named)
        return function(*values, **named)

    return asked


class Hinted:
    """What is made of arguments, and answers other libraries' names of them with ours."""

    if not TYPE_CHECKING:  # who checks types finds the mistake itself

        def __new__(cls, *values, **named):
            if named:
                refuse(cls, named)
            if (values or named) and cls.__init__ is object.__init__:
                raise TypeError(f"{cls.__name__}() takes no arguments")  # as Python says it, without this
            return super().__new__(cls)

        # what has no `__init__` takes nothing
        __new__.__signature__ = inspect.Signature(list(inspect.signature(__new__).parameters.values())[:1])


class HintedAttributes:
    """What answers other libraries' names of its attributes with ours."""

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            for owner in (kind.__name__ for kind in type(self).__mro__):
                if name in ATTRIBUTES.get(owner, ()):
                    raise missing(owner, name)
            return object.__getattribute__(self, name)  # which raises what it has raised before


def first(answer: str) -> str:
    """The name that an answer begins with."""
    found = re.match(r"\*?(\w*)", answer)
    return found[1] if found else ""
