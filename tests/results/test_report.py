import base64
import re
import struct
import subprocess
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest
import yaml
from example_run import (
    HOSTILE,
    TRIALS,
    VIEWS,
    trial,
    write_prepared,
    write_searched,
    write_tested,
)
from report_numbers import unexplained_numbers

from evensweep.results.files import read_json, read_parquet, write_json, write_parquet
from evensweep.results.records import history_frame, trials_frame
from evensweep.results.references import REFERENCES
from evensweep.results.report import write_report
from evensweep.results.report_tables import (
    MODELS,
    TEST_METRICS,
    error_counts,
    leaderboard,
    rung_rows,
    status_counts,
)
from evensweep.results.run_directory import RunDirectory
from evensweep.results.selection_figures import compute_folds
from evensweep.results.summary import compute_summary, write_summary
from evensweep.results.tables import verdicts


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A run whose every stage is complete, with its summary and report."""
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "a run & more")
    for write in (write_prepared, write_searched, write_tested):
        write(run)
    summary = write_summary(run, "running")
    write_report(run, summary, TRIALS)
    return run, summary, run.report.read_text(encoding="utf-8")


HISTORY = history_frame(TRIALS)


class Page(HTMLParser):
    """Collects what the tests look at."""

    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.sections, self.tags, self.scores = [], [], [], [], {}
        self.cell = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [given[name] for name in ("src", "href", "action", "srcset") if name in given]
        if tag == "img":
            self.images.append(given)
        if tag == "section":
            self.sections.append(given["id"])
        if "data-metric" in given:
            self.cell = (given["data-model"], given["data-metric"])

    def handle_data(self, data):
        if self.cell is not None:
            self.scores[self.cell] = data.strip()
            self.cell = None


def test_shows_every_section_answer_first(complete):
    page = Page(complete[2])
    assert page.sections == [
        "answer", "test", "views", "trials", "search", "hyperparameters", "folds", "ensemble",
        "data", "cost", "reproduce",
    ]  # fmt: skip


def test_every_test_figure_is_the_summarys(complete):
    _, summary, text = complete
    figures = {"ensemble": summary["test"], **summary["references"]}
    assert Page(text).scores == {
        (model, metric): f"{figures[model][metric]:.4f}"
        for model in MODELS
        for metric in TEST_METRICS
    }
    for low, high in summary["test"]["ci95"].values():
        assert f"{low:.3f}–{high:.3f}" in text
    for row in summary["test"]["confusion_matrix"]:
        for count in row:
            assert f"<b>{count}</b>" in text


def test_every_number_of_the_page_is_one_of_the_runs_files(complete):
    run, _, text = complete
    assert unexplained_numbers(run) == set()
    # The check itself must be able to fail.
    wrong = text.replace(">0.3050<", ">0.3057<")
    assert wrong != text
    try:
        run.report.write_text(wrong, encoding="utf-8")
        assert unexplained_numbers(run) == {"0.3057"}
    finally:
        run.report.write_text(text, encoding="utf-8")


def test_the_classification_report_is_of_the_confusion_matrix(complete):
    _, summary, text = complete
    (tn, fp), (fn, tp) = summary["test"]["confusion_matrix"]
    cells = f"<td>{tp / (tp + fp):.4f}</td><td>{tp / (tp + fn):.4f}</td>"
    f1 = f"<td>{summary['test']['f1']:.4f}</td><td>{tp + fn}</td>"
    assert f'<th scope="row">positive</th>{cells}{f1}' in text
    assert f'<th scope="row">negative</th><td>{tn / (tn + fn):.4f}</td>' in text


def test_the_cost_adds_up_the_workers_training_time(complete):
    _, summary, text = complete
    spent = sum(t.seconds for t in TRIALS if t.view == "smote")
    assert summary["cost"]["search"]["smote"] == {"trainings": 5, "epochs": 9, "seconds": spent}
    assert summary["cost"]["cross_validation"]["smote"]["seconds"] == 3.0
    assert f"<td>5</td><td>9</td><td>{spent:.1f} s</td>" in text[text.index('id="trainings"') :]


def test_rungs_count_who_reached_them_and_the_best_by_then(complete):
    assert [(row.epochs, row.views["smote"]) for row in rung_rows(TRIALS, HISTORY, VIEWS)] == [
        (2, (3, 0.3)),
        (3, (1, 0.3)),
    ]
    assert '<th scope="row">0</th><td>2</td><td>3<small>0.3000</small></td>' in complete[2]


def test_the_gaps_of_the_best_trials_are_validation_less_training_loss(complete):
    assert "<td>0.5800</td><td>0.3000</td><td>-0.2800</td>" in complete[2]


def test_the_gains_and_the_cost_are_told(complete):
    _, summary, text = complete
    gains = text[text.index('id="gains"') :]
    rows = re.findall(r'<th scope="row">(\d+)</th><td>(\d+)</td><td>(\d+)</td>', gains)
    assert [tuple(map(int, row)) for row in rows] == [
        (part["part"], part["rows"], part["positives"]) for part in summary["gains"]
    ]
    (_, alarms), (missed, _) = summary["test"]["confusion_matrix"]
    assert summary["decision"]["cost"] == alarms + 8 * missed
    assert f"cost {summary['decision']['cost']:,.10g}." in text
    assert "with the least cost at 1 a false alarm and 8 a missed positive on rows" in text


def test_the_ensemble_stands_beside_simpler_choices(complete):
    text = complete[2]
    row = '<th scope="row">best trial</th><td>0.3111</td><td>0.8612</td><td>0.5900</td>'
    assert row in text[text.index('id="comparison"') :]
    assert "the mean of 20 selections" in text


def test_references_have_intervals_that_hold_their_figures(complete):
    shown = re.findall(r'data-metric="roc_auc">([\d.]+)\s*<small>([\d.]+)–([\d.]+)', complete[2])
    assert len(shown) == len(MODELS)
    for figure, low, high in shown:
        assert float(low) <= float(figure) <= float(high)


def test_page_needs_nothing_beside_itself(complete):
    page = Page(complete[2])
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import|https?://", complete[2])


def test_images_are_the_plots_as_png(complete):
    run, _, text = complete
    embedded = []
    for image in Page(text).images:
        kind, content = image["src"].split(",", 1)
        assert kind == "data:image/png;base64"
        assert image["alt"]
        embedded.append(base64.b64decode(content, validate=True))
    for png in embedded:
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert png.endswith(b"IEND\xaeB`\x82")
        assert min(struct.unpack(">II", png[16:24])) > 100
    assert sorted(embedded) == sorted(path.read_bytes() for path in run.plots.glob("*.png"))
    assert {path.stem for path in run.plots.iterdir()} == {
        "test-roc", "test-precision-recall", "test-gains", "test-lift", "test-calibration",
        "test-thresholds",
        "stages-undersampled", "stages-smote", "search-undersampled", "search-smote", "search-time",
        "parallel-undersampled", "parallel-smote", "slices-undersampled", "slices-smote",
        "cross-validation", "ensemble-selection", "ensemble-diversity",
    }  # fmt: skip


def test_text_from_the_table_is_escaped(complete):
    assert HOSTILE not in complete[2]
    escaped = "&lt;b&gt;x&lt;/b&gt;"
    for text in (f"that {escaped} is numeric", f"no {escaped} column", f"{escaped}</code>"):
        assert text in complete[2]


def test_says_how_to_use_the_model_and_how_far_to_trust_it(complete):
    run, _, text = complete
    assert f"evensweep predict '{run.root}' TABLE -o scores.csv" in unescape(text)
    assert "10% of the rows repeat the features of another" in text
    assert "60 rows (10.0%) repeat" in text
    assert "1 h 02 min" in text


def test_report_is_written_last_and_stale_plots_go(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path / "run")
    write_prepared(run)
    run.plots.mkdir()
    (run.plots / "stale.png").write_bytes(b"")

    def no_report(path, text):
        assert path == run.report
        assert not list(run.plots.iterdir())
        raise OSError("disk full")

    monkeypatch.setattr("evensweep.results.report.write_text", no_report)
    with pytest.raises(OSError, match="disk full"):
        write_report(run, compute_summary(run, "running"), [])
    assert not run.report.exists()


def test_a_run_that_only_searched_has_a_report(tmp_path):
    run = RunDirectory(tmp_path / "run")
    write_prepared(run)
    write_searched(run)
    write_report(run, write_summary(run, "running"), TRIALS)
    text = run.report.read_text(encoding="utf-8")
    page = Page(text)
    assert page.sections == [
        "answer", "views", "trials", "search", "hyperparameters", "data", "cost", "reproduce",
    ]  # fmt: skip
    assert len(page.images) == 9
    assert unexplained_numbers(run) == set()
    assert "No answer yet" in text
    assert f"evensweep resume {run.root}" in text


def test_a_run_without_test_rows_gives_what_it_has(tmp_path):
    run = RunDirectory(tmp_path / "run")
    for write in (write_prepared, write_searched, write_tested):
        write(run)
    run.test_predictions.unlink()
    sweep = run.sweep.read_text(encoding="utf-8")
    run.sweep.write_text(f"{sweep}split: {{validation: 0.1, test: 0}}\n", encoding="utf-8")
    dataset = read_json(run.dataset)
    dataset["class_counts"]["splits"]["test"] = {"rows": 0, "positive": 0, "negative": 0}
    write_json(run.dataset, dataset)

    write_report(run, write_summary(run, "running"), TRIALS)

    text = run.report.read_text(encoding="utf-8")
    assert "test" not in Page(text).sections
    assert {"ensemble", "data"} <= set(Page(text).sections)
    assert "Not tested: no rows were kept for it" in text
    assert "<b>0.3050</b> and its ROC-AUC <b>0.8700</b>" in text
    assert f"evensweep predict {run.root} TABLE" in text
    assert "evensweep resume" not in text
    assert unexplained_numbers(run) == set()


def test_a_run_that_failed_at_once_says_why(tmp_path):
    run = RunDirectory(tmp_path / "run")
    write_prepared(run)
    summary = compute_summary(run, "failed") | {"error": f"no trial of {HOSTILE} gave a loss"}
    write_report(run, summary, [])
    text = run.report.read_text(encoding="utf-8")
    assert Page(text).sections == ["answer", "data", "reproduce"]
    assert "no trial of &lt;b&gt;x&lt;/b&gt; gave a loss" in text


def test_a_baseline_that_diverged_leaves_dashes(tmp_path):
    run = RunDirectory(tmp_path / "run")
    write_prepared(run)
    write_searched(run)
    diverged = trial("smote", "baseline", [None], status="diverged", stage="baseline")
    trials = [diverged if t.id == diverged.id else t for t in TRIALS]
    write_parquet(run.history, history_frame(trials))
    write_parquet(run.trials, trials_frame(trials))
    write_report(run, compute_summary(run, "running"), trials)
    assert "<td>–<small>–</small></td>" in run.report.read_text(encoding="utf-8")


def test_a_search_that_goes_on_shows_what_it_has(tmp_path):
    run = RunDirectory(tmp_path / "run")
    write_prepared(run)
    waiting = trial("smote", "004", [], status="waiting")
    write_report(run, write_summary(run, "running"), [*TRIALS, waiting])
    text = run.report.read_text(encoding="utf-8")
    page = Page(text)
    assert page.sections == ["answer", "trials", "search", "hyperparameters", "data", "reproduce"]
    assert "8 of 9 trials are done" in text
    assert "<b>smote</b>: best smote-000, log loss 0.3000, accuracy 90.0%" in text
    assert f"evensweep report {run.root}" in text
    assert f"evensweep resume {run.root}" in text


def test_a_run_of_one_view_two_members_and_no_hyperparameter_to_choose(tmp_path):
    run = RunDirectory(tmp_path / "run")
    trials = [trial("smote", f"{n:03d}", [0.5, 0.4 - n / 100]) for n in range(2)]
    trials.append(trial("smote", "baseline", [0.5], status="converged", stage="baseline"))
    write_prepared(run, ["smote"])
    write_searched(run, trials)
    write_tested(run, members=("smote-000", "smote-001"))
    write_report(run, write_summary(run, "complete"), trials)
    page = Page(run.report.read_text(encoding="utf-8"))
    assert "hyperparameters" not in page.sections
    assert "importance" not in {path.stem for path in run.plots.iterdir()}
    assert (run.plots / "ensemble-diversity.csv").exists()
    assert unexplained_numbers(run) == set()


def test_an_ensemble_of_one_has_no_diversity(tmp_path):
    run = RunDirectory(tmp_path / "run")
    write_prepared(run)
    write_searched(run)
    write_tested(run, members=("smote-000",))
    write_report(run, write_summary(run, "complete"), TRIALS)
    assert not (run.plots / "ensemble-diversity.png").exists()
    assert unexplained_numbers(run) == set()


@pytest.mark.parametrize(
    ("reference", "words"), [(0.5, "better than"), (0.86, "level with"), (0.95, "behind")]
)
def test_verdict_depends_on_the_interval(reference, words):
    summary = {
        "test": {"roc_auc": 0.85, "ci95": {"roc_auc": [0.8, 0.9]}},
        "references": {name: {"roc_auc": reference} for name in REFERENCES},
    }
    assert {verdict.words for verdict in verdicts(summary)} == {words}


def test_the_strongest_reference_comes_first():
    areas = {"majority": 0.5, "logistic_regression": 0.9, "gradient_boosting": 0.8}
    summary = {
        "test": {"roc_auc": 0.85, "ci95": {"roc_auc": [0.82, 0.88]}},
        "references": {name: {"roc_auc": area} for name, area in areas.items()},
    }
    assert [(v.reference, v.words) for v in verdicts(summary)] == [
        ("logistic_regression", "behind"),
        ("gradient_boosting", "better than"),
        ("majority", "better than"),
    ]


def test_leaderboard_is_best_first_with_the_baseline_last():
    folds = compute_folds(
        pd.DataFrame(
            {
                "trial": "smote-000",
                "view": "smote",
                "rows": 10,
                "val_loss": [0.2, 0.4],
                "val_accuracy": 0.9,
            }
        )
    )
    rows = leaderboard(TRIALS, history_frame(TRIALS), folds, "smote", count=2)
    assert [row.trial.id for row in rows] == ["smote-000", "smote-001", "smote-baseline"]
    assert rows[0].cv_loss == pytest.approx(0.3)
    assert rows[0].train_loss == pytest.approx(0.58)  # of its best epoch, the second
    assert rows[1].cv_loss is None


def test_statuses_and_errors_are_counted_without_baselines():
    assert status_counts(TRIALS) == {
        "stopped": {"undersampled": 1, "smote": 1},
        "converged": {"undersampled": 1, "smote": 1},
        "diverged": {"undersampled": 1, "smote": 1},
        "failed": {"undersampled": 1, "smote": 1},
    }
    assert error_counts(TRIALS) == [(f"no {HOSTILE} column", 2)]


def test_report_needs_neither_ray_nor_tensorflow_nor_pyplot():
    code = (
        "import sys, evensweep.results.report; "
        "print({'ray', 'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "set()"


@pytest.fixture(scope="module")
def by_metric(tmp_path_factory):
    """The same run, had its trials been compared by a user's metric."""
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "profit")
    trials = [
        replace(t, mode="max", best_metric=None if t.error else 0.7 + n / 1000)
        for n, t in enumerate(TRIALS)
    ]
    write_prepared(run)
    write_searched(run, trials)
    write_tested(run)
    sweep = yaml.safe_load(run.sweep.read_text())
    sweep["search"] |= {"metric": "my_metric:profit", "mode": "max"}
    run.sweep.write_text(yaml.safe_dump(sweep))
    folds = read_parquet(run.cross_validation)
    write_parquet(run.cross_validation, folds.assign(metric=0.65 + folds["fold"] / 100))
    ensemble = read_json(run.ensemble)
    for number, figures in enumerate(ensemble["comparison"].values()):
        figures["metric"] = 0.66 - number / 100
    values = {"metric": "my_metric:profit", "oof_metric": 0.66}
    write_json(run.ensemble, ensemble | values | {"path_metric": [0.6, 0.61, 0.62, 0.69, 0.68]})
    models = {name: {"value": 0.5, "ci95": [0.4, 0.6]} for name in MODELS}
    models["ensemble"] = {"value": 0.64, "ci95": [0.6, 0.7]}
    models["majority"] = {"value": None, "ci95": None}
    write_json(run.test_metric, models)
    summary = write_summary(run, "running")
    write_report(run, summary, trials)
    return run, summary, run.report.read_text(encoding="utf-8")


def test_a_users_metric_stands_in_summary_and_report(by_metric):
    run, summary, text = by_metric
    assert (summary["search"]["metric"], summary["search"]["mode"]) == ("my_metric:profit", "max")
    assert summary["views"]["smote"]["best_trial"] == "smote-001"  # by loss it is smote-000
    assert summary["views"]["smote"]["best_metric"] == pytest.approx(0.707)
    assert summary["views"]["smote"]["baseline_metric"] == pytest.approx(0.705)
    assert summary["views"]["smote"]["cv_metric"] is None
    assert summary["views"]["undersampled"]["best_trial"] == "undersampled-001"
    assert summary["test"]["metric"] == 0.64
    assert summary["test"]["ci95"]["metric"] == [0.6, 0.7]
    assert summary["references"]["majority"]["metric"] is None
    assert summary["ensemble"]["oof_metric"] == 0.66
    scores = Page(text).scores
    assert scores["ensemble", "metric"] == "0.6400"
    assert scores["majority", "metric"] == "–"
    assert "Ordered by profit" in text
    assert "out-of-fold profit is <b>0.6600</b>, its log loss <b>" in text
    assert unexplained_numbers(run) == set()


def test_a_run_without_a_metric_of_its_own_shows_none(complete):
    _, summary, text = complete
    assert summary["search"]["metric"] == "val_loss"
    assert "metric" not in summary["test"]
    assert "out-of-fold log loss is <b>0.3050</b>" in text
