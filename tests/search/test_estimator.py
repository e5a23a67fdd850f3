"""The scikit-learn classifier keeps scikit-learn's contract, and is the sweep's model."""

import pickle
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from evensweep import EvenSweepClassifier, InputError, SweepConfig, load_run
from evensweep.datasets.demo import demonstration_table
from evensweep.search.estimator import _KEYS

TINY: dict[str, Any] = {
    "views": ["natural"],
    "trials": 0,
    "max_epochs": 12,
    "scheduler": "fifo",
    "folds": 3,
    "top_k": 1,
    "ensemble_rounds": 1,
    "settings": {
        "split": {"validation": 0.25},
        "baseline": {"num_layers": 2, "hidden_layer_size": 16, "learning_rate": 0.02},
        "training": {"batch_size": 8},
        "cross_validation": {"stop_share": 0.4},
    },
    "random_state": 0,
}
"""The baseline alone, for tables of twenty rows."""


BATCHES = {**TINY["settings"], "training": {"batch_size": 64}}


def tiny(**changes: Any) -> EvenSweepClassifier:
    return EvenSweepClassifier(**{**TINY, **changes})


# scikit-learn wants predict to be predict_proba's larger one, which is at a threshold of one half.
@parametrize_with_checks([tiny(decision=0.5)])
def test_keeps_scikit_learns_contract(estimator: Any, check: Any, ray_session: None) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def customers() -> tuple[pd.DataFrame, pd.Series]:
    """Numbers with gaps, a truth value and categories; who bought again, in words."""
    table = demonstration_table(400)
    y = table.pop("purchased_again").map({0: "left", 1: "came back"}).rename("answer")
    X = table.drop(columns="customer_id")
    rng = np.random.default_rng(0)
    X["channel"] = pd.Categorical(rng.choice(["post", "phone"], len(X)))
    X["member"] = rng.random(len(X)) < 0.5
    X["answer"] = rng.normal(size=len(X))  # called as y is
    X.loc[X.index[:40], "answer"] = np.nan
    return X.set_index(rng.permutation(len(X))), y


@pytest.fixture(scope="module")
def fitted(
    ray_session: None, customers: tuple[pd.DataFrame, pd.Series], tmp_path_factory: Any
) -> EvenSweepClassifier:
    storage = tmp_path_factory.mktemp("kept")
    return tiny(pos_label="came back", storage=storage, settings=BATCHES).fit(*customers)


def test_a_fit_is_a_whole_run_that_storage_keeps(
    fitted: EvenSweepClassifier, customers: tuple[pd.DataFrame, pd.Series]
) -> None:
    X, y = customers
    run = load_run(fitted.run_.directory.root)
    assert run.directory.report.exists()
    assert run.summary == fitted.summary_
    assert run.summary["status"] == "complete"
    assert run.summary["dataset"]["rows"] == len(y)
    assert "test" not in run.summary
    assert run.config.split.test == 0
    out_of_fold = pd.read_parquet(run.directory.oof_predictions)
    assert sorted(out_of_fold["row"]) == list(range(len(y)))  # every row was learnt from
    np.testing.assert_array_equal(out_of_fold.sort_values("row")["target"], y == "came back")
    np.testing.assert_array_equal(run.model.predict_proba(X), fitted.predict_proba(X)[:, ::-1])
    assert set(run.model.predict(X)) <= {"left", "came back"}
    assert len(pickle.dumps(run)) < 5000  # where it is, and not what was read of it
    assert pickle.loads(pickle.dumps(run)).summary == run.summary
    pd.testing.assert_frame_equal(fitted.leaderboard_, run.leaderboard())
    assert set(fitted.leaderboard_["view"]) == {"natural"}


def test_classes_and_probabilities_are_in_scikit_learns_order(
    fitted: EvenSweepClassifier, customers: tuple[pd.DataFrame, pd.Series]
) -> None:
    X, y = customers
    assert fitted.classes_.tolist() == ["came back", "left"]
    assert fitted.n_features_in_ == X.shape[1]
    assert fitted.feature_names_in_.tolist() == list(X.columns)
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    came_back = probabilities[:, 0]
    assert came_back[y == "came back"].mean() > came_back[y == "left"].mean() + 0.1
    called = fitted.predict(X) == "came back"
    np.testing.assert_array_equal(called, came_back >= fitted.threshold_)
    assert 0 < called.sum() < len(y)
    assert fitted.score(X, y) == pytest.approx(((y == "came back") == called).mean())


def test_columns_are_taken_by_name_and_checked(
    fitted: EvenSweepClassifier, customers: tuple[pd.DataFrame, pd.Series]
) -> None:
    X, _ = customers
    with pytest.raises(ValueError, match="must be in the same order"):
        fitted.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="is expecting"):
        fitted.predict(X.drop(columns="channel").to_numpy(object))
    X = X.head(3).assign(answer="many")
    with pytest.raises(InputError, match="column 'answer' holds the text 'many'"):
        fitted.predict(X)


def test_a_run_that_is_not_kept_leaves_the_model_alone_which_goes_to_other_processes(
    ray_session: None,
    customers: tuple[pd.DataFrame, pd.Series],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = customers
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = tiny(settings=BATCHES).fit(X, y)
    assert model.run_ is None
    probabilities = model.predict_proba(X)
    assert list(tmp_path.iterdir()) == []
    assert "test" not in model.summary_
    joblib.dump(model, tmp_path / "model.joblib")
    X.to_pickle(tmp_path / "rows.pkl")
    code = """
import sys, joblib, numpy as np, pandas as pd
model, X = joblib.load("model.joblib"), pd.read_pickle("rows.pkl")
assert not {"tensorflow", "keras", "ray"} & set(sys.modules)
np.save("probabilities.npy", model.predict_proba(X))
assert "ray" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), probabilities, atol=1e-7)


@pytest.mark.parametrize(
    ("labels", "pos_label", "found", "decision", "threshold"),
    [
        ([False, True], None, True, 0.25, 0.25),
        ([-1, 1], None, 1, "f1", None),
        ([1, 2], 2, 2, {"by": "contacts", "contacts": 40}, None),
        (["rare", "common"], None, "rare", 1, 1.0),
    ],
)
def test_any_two_labels_and_decisions(
    ray_session: None, labels: list[Any], pos_label: Any, found: Any, decision: Any, threshold: Any
) -> None:
    rng = np.random.default_rng(1)
    positive = np.arange(120) % 4 == 0
    X = rng.normal(size=(120, 2)) + 4 * positive[:, None]
    negative_label, positive_label = sorted(labels, key=lambda label: label == found)
    y = np.where(positive, positive_label, negative_label)
    model = tiny(pos_label=pos_label, decision=decision).fit(X.tolist(), y.tolist())
    assert model.classes_.tolist() == sorted(labels)
    column = model.classes_.tolist().index(found)
    probability = model.predict_proba(X)[:, column]
    assert probability[positive].min() > probability[~positive].mean() + 0.2
    assert threshold is None or model.threshold_ == threshold
    predicted = model.predict(X)
    assert predicted.dtype == model.classes_.dtype
    np.testing.assert_array_equal(predicted == found, probability >= model.threshold_)
    if isinstance(decision, dict):
        assert abs(int((predicted == found).sum()) - 40) <= 10


def test_it_is_a_step_of_a_pipeline_that_is_cross_validated(
    ray_session: None, customers: tuple[pd.DataFrame, pd.Series]
) -> None:
    X, y = customers
    numbers = X.select_dtypes("number").columns
    scaled = make_column_transformer((StandardScaler(), numbers), remainder="passthrough")
    pipeline = make_pipeline(
        scaled.set_output(transform="pandas"), tiny(settings=BATCHES, pos_label="came back")
    )
    scores = cross_val_score(pipeline, X, y, cv=2, scoring="roc_auc", error_score="raise")
    assert (scores > 0.6).all()


def test_the_same_random_state_gives_the_same_predictions(ray_session: None) -> None:
    rng = np.random.default_rng(2)
    y = np.arange(80) % 3 == 0
    X = rng.normal(size=(80, 3)) + y[:, None]
    first, again, other = (
        tiny(random_state=state).fit(X, y).predict_proba(X)
        for state in (5, np.int64(5), np.random.RandomState(6))
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


ROWS = np.random.default_rng(3).normal(size=(60, 2))
LABELS = np.arange(60) % 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scheduler": "ashe"}, "EvenSweepClassifier: search.scheduler"),
        ({"settings": {"trainning": {}}}, "did you mean 'training'"),
        ({"settings": {"search": {"max_epochs": 5}}}, "search.max_epochs comes from the parameter"),
        ({"settings": {"seed": 1}}, "seed comes from the parameter random_state; leave it out"),
        ({"settings": {"data": {"target": "y"}}}, "data.target comes from X and y"),
        ({"settings": {"data": {"arrays": {"a": "a.npz"}}}}, "data.arrays comes from X and y"),
        ({"settings": {"search": 3}}, "'search' must hold keys, got 3"),
        ({"settings": "search"}, "settings must be a mapping"),
        ({"random_state": -1}, "seed"),
        ({"pos_label": 7}, "no label '7'"),
        ({"decision": "cost"}, "by: cost needs"),
        ({"folds": 40}, "X of n_samples=60, n_features=2: only 30 of 60 rows belong to the rarer"),
    ],
)
def test_wrong_parameters_are_told_in_a_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        tiny(**changes).fit(ROWS, LABELS)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (pd.DataFrame(ROWS), np.ones(60), "y holds 1 class, and a classifier needs two"),
        (pd.DataFrame(ROWS), np.arange(60) % 3, "Only binary classification is supported."),
        (pd.DataFrame(ROWS), LABELS[:-1], "inconsistent numbers of samples"),
        (pd.DataFrame(ROWS), np.where(LABELS, np.nan, 1.0), "contains NaN"),
        (pd.DataFrame(ROWS, columns=["a", "a"]), LABELS, "unique column names"),
        (pd.DataFrame(ROWS * np.inf), LABELS, "is infinite"),
        (pd.DataFrame(ROWS).iloc[:0], LABELS[:0], "y holds 0 classes"),
        (pd.DataFrame(index=range(60)), LABELS, "no feature column"),
    ],
)
def test_unfit_rows_are_told_in_a_sentence(X: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().fit(X, y)


def test_sample_weights_are_refused_and_not_ignored() -> None:
    with pytest.raises(TypeError, match="sample_weight"):
        tiny().fit(ROWS, LABELS, sample_weight=np.ones(60))  # type: ignore[call-arg]


def test_the_defaults_are_the_sweep_files() -> None:
    defaults = SweepConfig().to_mapping()
    for name, parameter in signature(EvenSweepClassifier).parameters.items():
        if name not in _KEYS or name in {"space", "name", "storage", "random_state"}:
            continue
        value: Any = defaults
        for key in _KEYS[name].split("."):
            value = value[key]
        if name == "decision":
            value = value["by"]
        given = parameter.default
        assert (list(given) if isinstance(given, tuple) else given) == value, name


def test_parameters_are_stored_untouched_and_cloned() -> None:
    settings = {"split": {"validation": 0.2}}
    model = tiny(settings=settings, space={"num_layers": 2})
    assert model.settings is settings
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    with pytest.raises(InputError):
        twin.set_params(folds=50).fit(ROWS, LABELS)
    assert settings == {"split": {"validation": 0.2}}
    assert twin.settings == settings


def test_twelve_rows_of_the_rarer_class_are_enough_for_the_defaults() -> None:
    model = EvenSweepClassifier(storage="runs")
    X = np.random.default_rng(4).normal(size=(60, 2))
    with pytest.raises(InputError, match="need at least 12;"):
        model.fit(X, np.arange(60) < 11)
