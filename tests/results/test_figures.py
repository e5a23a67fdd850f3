import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from evensweep.results.calibration import compute_calibration
from evensweep.results.curves import (
    compute_precision_recall,
    compute_roc,
    plot_calibration,
    plot_gains,
    plot_lift,
    plot_precision_recall,
    plot_roc,
    plot_thresholds,
)
from evensweep.results.decisions import compute_gains, compute_thresholds
from evensweep.results.drawing import figure_of, new_figure, png_bytes
from evensweep.results.records import TrialRecord
from evensweep.results.search_figures import (
    BestSoFar,
    compute_best_so_far,
    compute_search,
    compute_stages,
    plot_best_so_far,
    plot_search,
    plot_stages,
    stage_limits,
)
from evensweep.results.selection_figures import (
    compute_folds,
    compute_selection,
    plot_folds,
    plot_selection,
)

Y = np.array([0, 0, 1, 1])
P = np.array([0.1, 0.4, 0.35, 0.8])

CONFIG = {"num_layers": 2, "hidden_layer_size": 16, "activation": "relu", "learning_rate": 0.001}


def trial(name, *, stage="search", status="stopped", loss=0.3):
    return TrialRecord(name, "smote", stage, 0, CONFIG, status, best_val_loss=loss)


def history(**losses):
    rows = [
        (name.replace("_", "-"), "smote", epoch, 0.5, 0.5, loss, 0.5)
        for name, values in losses.items()
        for epoch, loss in enumerate(values, start=1)
    ]
    columns = ["trial", "view", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    return pd.DataFrame(rows, columns=columns)


def test_roc_counts_right_and_wrong_order():
    curve = compute_roc(Y, P)
    assert curve.area == 0.75  # 3 of the 4 pairs stand in the right order
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    assert (0.0, 0.5) in zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)


def test_precision_recall_of_a_known_order():
    curve = compute_precision_recall(Y, P)
    # Calls in order: right (1/1), wrong (1/2), right (2/3), wrong (2/4).
    assert curve.area == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert curve.precision[curve.recall == 1].max() == pytest.approx(2 / 3)


def test_gains_follow_the_ranked_list():
    curve = compute_gains(Y, P)
    np.testing.assert_allclose(curve.rows, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.found, [0, 0.5, 0.5, 1, 1])
    assert curve.found_within(0.75) == 1
    assert curve.found_within(0.125) == 0.25


def test_gains_take_equal_probabilities_as_one_step():
    curve = compute_gains(np.array([1, 0, 0, 1]), np.full(4, 0.3))
    np.testing.assert_allclose(curve.rows, [0, 1])
    np.testing.assert_allclose(curve.found, [0, 1])


def test_stages_keep_their_order_and_leave_out_other_views():
    rows = [
        {"view": "smote", "stage": "search", "val_loss": 0.2, "val_accuracy": 0.9},
        {"view": "smote", "stage": "baseline", "val_loss": None, "val_accuracy": None},
        {"view": "undersampled", "stage": "baseline", "val_loss": 0.4, "val_accuracy": 0.7},
    ]
    data = compute_stages(rows, "smote")
    assert data.stages == ("baseline", "search")
    np.testing.assert_array_equal(data.val_loss, [np.nan, 0.2])
    low, high = stage_limits([data, compute_stages(rows, "undersampled")], "val_loss")
    assert low < 0.2 < 0.4 < high


def test_stage_limits_without_any_figure():
    rows = [{"view": "smote", "stage": "baseline", "val_loss": None, "val_accuracy": None}]
    assert stage_limits([compute_stages(rows, "smote")], "val_loss") is None


def test_search_curves_leave_out_epochs_that_are_not_finite():
    trials = [
        trial("smote-000", loss=0.25),
        trial("smote-001", status="diverged", loss=0.6),
        trial("smote-002", status="diverged", loss=None),
        trial("smote-baseline", stage="baseline", loss=0.1),
    ]
    losses = history(
        smote_000=[0.3, 0.25], smote_001=[0.6, None], smote_002=[None], smote_baseline=[0.1]
    )
    data = compute_search(trials, losses, "smote")
    assert data.best == "smote-000"
    assert [curve.trial for curve in data.trials] == ["smote-000", "smote-001", "smote-baseline"]
    assert data.trials[1].epochs.tolist() == [1]
    assert data.trials[0].val_loss.tolist() == [0.3, 0.25]


def test_fold_losses_are_ordered_by_their_weighted_mean():
    frame = pd.DataFrame(
        {
            "trial": ["smote-001", "smote-001", "smote-000", "smote-000"],
            "view": "smote",
            "fold": [0, 1, 0, 1],
            "rows": [3, 1, 3, 1],
            "val_loss": [0.2, 0.6, 0.3, 0.3],
            "val_accuracy": [1.0, 0.0, 0.5, 0.5],
        }
    )
    first, second = compute_folds(frame)
    assert (first.trial, second.trial) == ("smote-000", "smote-001")  # both 0.3: by id
    assert second.mean == pytest.approx(0.3)
    assert second.accuracy == pytest.approx(0.75)
    assert second.losses.tolist() == [0.2, 0.6]


PATH = {"path_losses": [0.4, 0.3, 0.35, 0.3], "path": ["a", "b"]}
BY_METRIC = PATH | {"metric": "m:profit", "path_metric": [1.0, 2.0, 1.5, 1.0]}


def test_selection_keeps_the_rounds_of_the_path():
    data = compute_selection(PATH)
    assert data.kept == 2
    assert data.losses.tolist() == data.selected_by.tolist() == [0.4, 0.3, 0.35, 0.3]


def test_selection_by_a_metric_has_both_figures():
    data = compute_selection(BY_METRIC)
    assert data.losses.tolist() == [0.4, 0.3, 0.35, 0.3]
    assert data.metric.tolist() == data.selected_by.tolist() == [1.0, 2.0, 1.5, 1.0]
    assert plot_selection(data).get_ylabel() == "out-of-fold profit"


STAGES = compute_stages(
    [{"view": "smote", "stage": "search", "val_loss": 0.2, "val_accuracy": 0.9}], "smote"
)
SEARCH = compute_search(
    [trial("smote-000"), trial("smote-001", status="diverged")],
    history(smote_000=[0.3, 0.25], smote_001=[0.6]),
    "smote",
)
FOLDS = compute_folds(
    pd.DataFrame(
        {"trial": "a", "view": "smote", "rows": 5, "val_loss": [0.1, 0.2], "val_accuracy": 0.5}
    )
)


@pytest.mark.parametrize(
    "plot",
    [
        lambda ax: plot_roc({"ensemble": compute_roc(Y, P)}, ax),
        lambda ax: plot_precision_recall({"ensemble": compute_precision_recall(Y, P)}, 0.5, ax),
        lambda ax: plot_calibration({"ensemble": compute_calibration(Y, P)}, ax),
        lambda ax: plot_gains({"ensemble": compute_gains(Y, P)}, 0.5, ax),
        lambda ax: plot_lift({"ensemble": compute_gains(Y, P)}, ax),
        lambda ax: plot_stages(STAGES, "val_loss", ax=ax),
        lambda ax: plot_search(SEARCH, ax),
        lambda ax: plot_folds(FOLDS, ax),
        lambda ax: plot_selection(compute_selection(PATH), ax),
        lambda ax: plot_thresholds(compute_thresholds(Y, P), 0.5, "with the best F1", ax),
        lambda ax: plot_best_so_far([BestSoFar("v", np.array([1.0]), np.array([0.3]), 9.0)], ax),
    ],
    ids=[
        "roc",
        "pr",
        "calibration",
        "gains",
        "lift",
        "stages",
        "search",
        "folds",
        "selection",
        "thresholds",
        "time",
    ],
)
def test_plots_draw_on_given_axes_or_new_ones_and_label_them(plot):
    given = new_figure().subplots()
    assert plot(given) is given
    drawn = plot(None)
    assert isinstance(drawn.get_figure(root=True), Figure)
    assert drawn.get_xlabel()
    assert png_bytes(figure_of(drawn)).startswith(b"\x89PNG\r\n")


def test_the_best_trial_is_named_in_the_legend():
    labels = [text.get_text() for text in plot_search(SEARCH).get_legend().get_texts()]
    assert labels == ["best: smote-000", "diverged or failed"]


def test_search_without_a_finite_epoch_still_draws():
    data = compute_search([trial("smote-000", loss=None)], history(smote_000=[None]), "smote")
    assert data.best is None
    assert png_bytes(figure_of(plot_search(data)))


def test_thresholds_call_the_rows_at_or_above_them():
    data = compute_thresholds(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.9]))
    assert data.threshold.tolist() == [0.1, 0.4, 0.6, 0.9]
    assert data.precision == pytest.approx([1 / 2, 2 / 3, 1 / 2, 1])
    assert data.recall == pytest.approx([1, 1, 1 / 2, 1 / 2])
    assert data.f1 == pytest.approx([2 / 3, 4 / 5, 1 / 2, 2 / 3])


def test_the_best_so_far_goes_down_as_results_arrive():
    trials = [trial("smote-000"), trial("smote-001"), trial("smote-002", status="failed")]
    frame = history(smote_000=[0.5, 0.4], smote_001=[0.45], smote_002=[0.1])
    frame["search_seconds"] = [7.0, 7.0, 3.0, 1.0]
    [data] = compute_best_so_far(trials, frame, ["smote", "undersampled"])
    assert data.view == "smote"
    assert data.search_seconds.tolist() == [3.0, 7.0]
    assert data.val_loss.tolist() == [0.45, 0.4]
    assert data.last == 7.0
    without = frame.assign(search_seconds=np.nan)
    assert compute_best_so_far(trials, without, ["smote"]) == []
    assert compute_best_so_far(trials, frame.drop(columns="search_seconds"), ["smote"]) == []


@pytest.mark.parametrize(("last", "unit"), [(50, "seconds"), (500, "minutes"), (50_000, "hours")])
def test_wall_time_has_a_fitting_unit(last, unit):
    data = BestSoFar("v", np.array([1.0]), np.array([0.3]), float(last))
    assert plot_best_so_far([data]).get_xlabel().startswith(unit)
