"""What both estimators promise: it is `minimize` that trains, and scikit-learn's tools work with them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import xpnet
from xpnet import L2, CrossEntropy, Dense, EmpiricalRisk, Network, SquaredError
from xpnet.sklearn import NetworkClassifier, NetworkRegressor

X, Y = load_iris(return_X_y=True)
XR, YR = load_diabetes(return_X_y=True)


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("XPNET_BACKEND", "numpy")


def test_a_fit_is_minimize_on_a_risk():
    """The same by hand: standardize, a network, a risk, a run."""
    got = NetworkClassifier((7,), penalty=2.0, max_iter=30, tol=0.0, random_state=3)
    with pytest.warns(ConvergenceWarning, match="has not converged: 30 steps taken; raise max_iter"):
        got.fit(X, Y)
    network = Network(4, Dense(7, "tanh"), Dense(3, "softmax"))
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    risk = EmpiricalRisk(network, CrossEntropy(), Z, Y, dtype="float64", penalty=L2(2.0 / len(X)))
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    run = xpnet.minimize(risk, "lbfgs", network.initialize(seed, dtype="float64"), stop=xpnet.after(30))
    assert got.network_ == network
    np.testing.assert_allclose(got.w_, run.best_w, rtol=1e-6)
    np.testing.assert_allclose(got.loss_curve_, run.history.value, rtol=1e-6)
    assert got.loss_ == pytest.approx(run.value, rel=1e-6)
    assert got.n_iter_ == 30
    np.testing.assert_allclose(got.predict_proba(X), network.predict(run.w, Z), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "rprop"},
        {"optimizer": "levenberg-marquardt"},
        {"optimizer": xpnet.Nesterov(), "rate": xpnet.schedules.Cosine(0.2, 50)},
        {"optimizer": "adam", "rate": 0.01, "batch_size": 16},
        {"optimizer": "cg", "restarts": 3},
        {"hidden": (8, xpnet.Dropout(0.2), 8), "optimizer": "adam", "batch_size": 50},
        {"early_stopping": True, "optimizer": xpnet.Rprop()},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*has not converged")
def test_a_warm_start_goes_on_bit_for_bit(options):
    options = {"hidden": (6,), "tol": 0.0, "random_state": 0, "n_iter_no_change": 99} | options
    whole = NetworkRegressor(max_iter=10, **options).fit(XR, YR)
    parts = NetworkRegressor(max_iter=4, warm_start=True, **options).fit(XR, YR)
    parts = pickle.loads(pickle.dumps(parts)).set_params(max_iter=6).fit(XR, YR)
    np.testing.assert_array_equal(parts.w_, whole.w_)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.validation_curve_ == whole.validation_curve_
    assert parts.n_iter_ == whole.n_iter_ == 10


def test_a_warm_start_fits_what_it_goes_on_from():
    first = NetworkClassifier((4,), warm_start=True, random_state=0).fit(X, Y)
    steps = first.n_iter_
    assert first.fit(X, Y).n_iter_ - steps <= 2  # it had converged
    loss = first.loss_
    first.set_params(optimizer="rprop", max_iter=3, tol=0.0)
    with pytest.warns(ConvergenceWarning):
        first.fit(X, Y)  # from the same point, with a state of its own
    assert loss - 0.01 < first.loss_ <= loss + 1e-6
    assert first.loss_curve_[-3] < loss + 1e-3
    with pytest.raises(ValueError, match="warm_start goes on with the first fit's Network"):
        first.set_params(hidden=(5,)).fit(X, Y)
    with pytest.raises(ValueError, match="warm_start goes on with the classes of the first fit"):
        first.set_params(hidden=(4,)).fit(X, Y + 1)
    with pytest.raises(ValueError, match="features"):
        first.fit(X[:, :3], Y)
    first.set_params(warm_start=False, optimizer="lbfgs", max_iter=500, tol=1e-5)
    assert first.fit(X[:, :3], Y).n_features_in_ == 3


def test_the_best_of_several_starts_is_kept():
    one = NetworkRegressor((5,), penalty=0.1, random_state=0).fit(XR, YR)
    best = NetworkRegressor((5,), penalty=0.1, random_state=0, restarts=6).fit(XR, YR)
    assert best.loss_ < one.loss_
    assert best.w_.shape == one.w_.shape
    held = NetworkRegressor((5,), restarts=4, early_stopping=True, random_state=0).fit(XR, YR)
    assert len(held.validation_curve_) == len(held.loss_curve_) > 1


def test_early_stopping_keeps_the_point_of_the_least_held_out_risk():
    got = NetworkRegressor(penalty=0, early_stopping=True, random_state=1).fit(XR, YR)
    best = int(np.argmin(got.validation_curve_))
    assert best + got.n_iter_no_change >= len(got.validation_curve_) - 1
    assert got.loss_ == pytest.approx(got.loss_curve_[best], rel=1e-9)
    full = NetworkRegressor(penalty=0, random_state=1, max_iter=100)
    with pytest.warns(ConvergenceWarning):
        full.fit(XR, YR)
    assert got.n_iter_ < 50
    assert full.validation_curve_ == []


def test_a_run_that_diverges_warns():
    with pytest.warns(ConvergenceWarning, match="has not converged: (value grown|non-finite)"):
        NetworkRegressor(optimizer="gradient descent", rate=1e6, random_state=0).fit(XR, YR)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": "lbfsg"}, ValueError, "unknown optimizer 'lbfsg'; did you mean 'lbfgs'"),
        ({"optimizer": 3}, TypeError, "optimizer must be a name or an Optimizer, got 3"),
        ({"rate": 0.1}, ValueError, "rate must be None for LBFGS.*no method of first order"),
        ({"batch_size": 9}, ValueError, "batch_size must be None for LBFGS"),
        ({"optimizer": "adam", "batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"hidden": (0,)}, ValueError, "hidden must be at least 1, got 0"),
        ({"hidden": "wide"}, TypeError, "hidden must be an integer, got 'wide'"),
        ({"activation": "thanh"}, ValueError, "unknown activation 'thanh'; did you mean 'tanh'"),
        ({"divergence": "hinge"}, ValueError, "unknown divergence 'hinge'; use one of"),
        ({"penalty": -1.0}, ValueError, "penalty must be in"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
        ({"tol": -1}, ValueError, "tol must be in"),
        ({"stop": 3}, TypeError, "stop must be a stopping rule"),
        ({"restarts": 0}, ValueError, "restarts must be at least 1"),
        ({"standardize": "yes"}, TypeError, "standardize must be True or False"),
        ({"warm_start": 1}, TypeError, "warm_start must be True or False"),
        ({"backend": "tpu"}, xpnet.BackendError, "is no backend"),
    ],
    ids=str,
)
def test_settings_are_checked(options, error, message):
    for kind in (NetworkClassifier, NetworkRegressor):
        with pytest.raises(error, match=message):
            kind(**options).fit(X, Y)


def test_a_rule_in_the_place_of_the_tolerance():
    got = NetworkClassifier(stop=xpnet.value_below(0.5), random_state=0).fit(X, Y)
    assert got.loss_ <= 0.5
    assert got.n_iter_ < 20


@pytest.mark.parametrize("estimator", [NetworkClassifier(random_state=0), NetworkRegressor(random_state=0)])
def test_it_survives_pickle_and_copies(estimator):
    fitted = clone(estimator).fit(X, Y)
    want = fitted.predict(X)
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), copy.copy(fitted)):
        np.testing.assert_array_equal(other.predict(X), want)
    assert repr(estimator) == f"{type(estimator).__name__}(random_state=0)"


def test_joblib(tmp_path):
    joblib = pytest.importorskip("joblib")
    fitted = NetworkClassifier(optimizer=xpnet.Rprop(), random_state=0, max_iter=100, tol=1e-3).fit(X, Y)
    joblib.dump(fitted, tmp_path / "model")
    np.testing.assert_array_equal(joblib.load(tmp_path / "model").predict(X), fitted.predict(X))


def test_cross_validation_pipelines_and_grids():
    pipeline = make_pipeline(StandardScaler(), NetworkClassifier(standardize=False, random_state=0))
    assert cross_val_score(pipeline, X, Y).mean() > 0.93
    grid = GridSearchCV(
        NetworkClassifier(random_state=0),
        {"hidden": [(4,), (8, 4)], "penalty": [0.3, L2(0.01)], "optimizer": ["lbfgs", xpnet.LBFGS(5)]},
        cv=2,
        n_jobs=2,
    ).fit(X, Y)
    assert grid.best_score_ > 0.93
    wine = cross_val_score(NetworkClassifier(random_state=0), *load_wine(return_X_y=True))
    assert wine.mean() > 0.95
    assert cross_val_score(NetworkRegressor(random_state=0), XR, YR).mean() > 0.4


def test_calibration_and_other_wrappers():
    cancer = load_breast_cancer(return_X_y=True)
    calibrated = CalibratedClassifierCV(NetworkClassifier((8,), random_state=0), cv=2).fit(*cancer)
    assert calibrated.score(*cancer) > 0.95
    rows = TransformedTargetRegressor(
        NetworkRegressor((4,), random_state=0), func=np.log, inverse_func=np.exp
    )
    assert rows.fit(XR, YR).score(XR, YR) > 0.4


def test_metadata_is_routed():
    weights = np.where(Y == 0, 1.0, 2.0)
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = NetworkClassifier((4,), random_state=0)
        classifier.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        result = cross_validate(classifier, X, Y, params={"sample_weight": weights}, cv=3)
    assert result["test_score"].mean() > 0.9


def test_frames_give_names_and_transforms_their_output():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame, target = load_iris(return_X_y=True, as_frame=True)
    frame = frame.assign(kind=np.where(frame.iloc[:, 0] > 6, "long", "short"))
    columns = ColumnTransformer(
        [("words", OneHotEncoder(sparse_output=False), ["kind"])], remainder="passthrough"
    ).set_output(transform="pandas")
    names = pandas.Categorical.from_codes(target, ["a", "b", "c"])
    pipeline = make_pipeline(columns, NetworkClassifier((4,), random_state=0)).fit(frame, names)
    assert pipeline.score(frame, names) > 0.95
    assert list(pipeline[-1].feature_names_in_[:2]) == ["words__kind_long", "words__kind_short"]
    assert list(pipeline[-1].classes_) == ["a", "b", "c"]


def test_polars():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = polars.DataFrame(dict(zip("abcd", X.T, strict=True)))
    names = polars.Series(["one", "two", "three"]).gather(Y).cast(polars.Categorical)
    classifier = NetworkClassifier((4,), random_state=0).fit(frame, names)
    oracle = StandardScaler().fit(frame)  # 1.6 does not see the names of the newest polars
    for name, value in vars(oracle).items():
        if name == "feature_names_in_":
            np.testing.assert_array_equal(classifier.feature_names_in_, value)
    assert classifier.score(frame, names) > 0.95


def test_single_precision_stays_single():
    single = X.astype(np.float32)
    classifier = NetworkClassifier((4,), random_state=0).fit(single, Y)
    assert classifier.w_.dtype == classifier.predict_proba(single).dtype == np.float32
    np.testing.assert_allclose(classifier.predict_proba(single).sum(axis=1), 1, atol=1e-6)
    assert NetworkRegressor((4,), random_state=0).fit(single, Y).predict(single).dtype == np.float32


def test_it_computes_where_it_is_told(device):
    """The data and the results stay NumPy's."""
    options = {"hidden": (4,), "max_iter": 8, "tol": 0.0, "random_state": 0}
    want = NetworkRegressor(backend="numpy", **options)
    got = NetworkRegressor(backend=device, **options)
    with pytest.warns(ConvergenceWarning):
        want.fit(XR, YR)
    with pytest.warns(ConvergenceWarning):
        got.fit(XR, YR)
    assert type(got.w_) is type(got.predict(XR)) is np.ndarray
    np.testing.assert_allclose(got.predict(XR), want.predict(XR), rtol=1e-6)


def test_without_scikit_learn_the_extra_is_named():
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "try:\n    import xpnet.sklearn\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "needs scikit-learn, at least 1.6: install it with the extra" in done.stdout


def test_all_of_a_network_s_own_can_be_had():
    """What is trained is a network and a vector, for all else that the library offers."""
    got = NetworkRegressor((4,), divergence=SquaredError(), random_state=0).fit(XR, YR)
    Z = (XR - got.X_mean_) / got.X_scale_
    outputs = got.network_.predict(got.w_, Z) * got.y_scale_ + got.y_mean_
    np.testing.assert_allclose(outputs[:, 0], got.predict(XR))
