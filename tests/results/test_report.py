import base64
import re
import struct
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml

from evensweep.results.files import write_json, write_parquet
from evensweep.results.records import TrialRecord, history_frame, trials_frame
from evensweep.results.references import REFERENCES
from evensweep.results.report import write_report
from evensweep.results.report_tables import (
    MODELS,
    TEST_METRICS,
    error_counts,
    leaderboard,
    status_counts,
)
from evensweep.results.run_directory import RunDirectory
from evensweep.results.selection_figures import compute_folds
from evensweep.results.summary import compute_summary
from evensweep.results.tables import verdicts

VIEWS = ("undersampled", "smote")
HOSTILE = "<b>x</b>"
CONFIG = {
    "batch_size": 128,
    "num_layers": 2,
    "hidden_layer_size": 16,
    "activation": "relu",
    "learning_rate": 0.001,
    "dropout_rate": 0.1,
    "l2_strength": 1e-4,
}


def trial(view, name, losses, *, status="stopped", stage="search", error=None):
    finite = [loss for loss in losses if loss is not None]
    return TrialRecord(
        id=f"{view}-{name}",
        view=view,
        stage=stage,
        seed=1,
        config=CONFIG if stage == "search" else {**CONFIG, "dropout_rate": None},
        status=status,
        epochs=len(losses),
        best_epoch=losses.index(min(finite)) + 1 if finite else 0,
        best_val_loss=min(finite, default=None),
        best_val_accuracy=0.9 if finite else None,
        error=error,
        history=[[n, 0.6 - n / 100, 0.8, loss, 0.9] for n, loss in enumerate(losses, start=1)],
    )


TRIALS = [
    t
    for view in VIEWS
    for t in (
        trial(view, "baseline", [0.4, 0.31], status="converged", stage="baseline"),
        trial(view, "000", [0.35, 0.3, 0.32], status="converged"),
        trial(view, "001", [0.5, 0.45]),
        trial(view, "002", [0.7, None], status="diverged"),
        trial(view, "003", [], status="failed", error=f"no {HOSTILE} column"),
    )
]


DECISION = {"by": "cost", "false_positive_cost": 1.0, "false_negative_cost": 8.0, "contacts": None}


def write_prepared(run):
    run.root.mkdir(parents=True)
    sweep = {
        "protocol": "holdout",
        "views": list(VIEWS),
        "search": {"scheduler": "asha", "searcher": "random"},
        "decision": DECISION,
        "seed": 3,
    }
    run.sweep.write_text(yaml.safe_dump(sweep), encoding="utf-8")
    write_json(
        run.environment,
        {
            "versions": {"python": "3.11.7", "ray": "2.60.0"},
            "platform": "Linux",
            "cpus": 2.0,
            "seed": 3,
            "stage_seconds": {"prepare": 0.5, "search": 3725.0},
        },
    )
    part = {"rows": 200, "positive": 40, "negative": 160}
    write_json(
        run.dataset,
        {
            "name": "shop",
            "source": "/data/shop.csv",
            "rows": 600,
            "features": 2,
            "positive_rate": 0.2,
            "fingerprint": "ab" * 32,
            "schema": {
                "columns": [{"name": HOSTILE, "kind": "numeric"}, {"name": "b", "kind": "boolean"}],
                "target": "bought",
                "positive": "yes",
                "negative": "no",
                "id_columns": ["customer"],
                "dropped": [],
            },
            "notes": [f"that {HOSTILE} is numeric"],
            "duplicate_feature_rows": 60,
            "gaps": {HOSTILE: 12},
            "class_counts": {
                "splits": dict.fromkeys(("train", "validation", "test"), part),
                "views": dict.fromkeys(VIEWS, part),
            },
        },
    )


def write_searched(run):
    rng = np.random.default_rng(0)
    y, rows = labels(rng), np.arange(200)
    averages = {f"average.{view}": probabilities(rng, y) for view in VIEWS}
    write_parquet(run.validation_predictions, pd.DataFrame({"row": rows, "target": y, **averages}))
    write_parquet(run.history, history_frame(TRIALS))
    write_parquet(run.trials, trials_frame(TRIALS))


def write_tested(run):
    rng = np.random.default_rng(1)
    best = [f"{view}-000" for view in VIEWS]
    folds = pd.DataFrame(
        [(t, t[:-4], f, 100, 0.31 + f / 100, 0.9, 3, 1.0) for t in best for f in range(3)],
        columns=[
            "trial", "view", "fold", "rows", "val_loss", "val_accuracy", "best_epoch", "seconds",
        ],
    )  # fmt: skip
    write_parquet(run.cross_validation, folds)
    write_json(
        run.ensemble,
        {
            "members": [
                {"trial": best[0], "view": VIEWS[0], "weight": 0.25},
                {"trial": best[1], "view": VIEWS[1], "weight": 0.75},
            ],
            "oof_log_loss": 0.305,
            "oof_roc_auc": 0.87,
            "bags": 20,
            "comparison": {
                "ensemble": {"log_loss": 0.305, "roc_auc": 0.87, "pr_auc": 0.6},
                "best trial": {"log_loss": 0.3111, "roc_auc": 0.8612, "pr_auc": 0.59},
            },
            "thresholds": {"ensemble": 0.3, **dict.fromkeys(REFERENCES, 0.4)},
            "path": [best[1], best[0], best[1], best[1]],
            "path_losses": [0.32, 0.31, 0.308, 0.302, 0.303],
        },
    )
    y = labels(rng)
    predictions = {"ensemble": probabilities(rng, y)} | {
        name: probabilities(rng, y) for name in REFERENCES
    }
    predictions["majority"] = np.full(200, 0.2)
    frame = pd.DataFrame({"row": np.arange(200), "target": y, **predictions})
    write_parquet(run.test_predictions, frame)


def labels(rng):
    return rng.permutation(np.repeat([0, 1], [160, 40]))


def probabilities(rng, y):
    return 1 / (1 + np.exp(-rng.normal(3.0 * y - 2.5, 1.5)))


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A run whose every stage is complete, with its summary and report."""
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "a run & more")
    for write in (write_prepared, write_searched, write_tested):
        write(run)
    summary = compute_summary(run, "running")
    write_report(run, summary)
    return run, summary, run.report.read_text(encoding="utf-8")


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
        "answer", "test", "views", "trials", "search", "folds", "ensemble", "data", "reproduce",
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
        "test-roc", "test-precision-recall", "test-gains", "test-calibration",
        "stages-undersampled", "stages-smote", "search-undersampled", "search-smote",
        "cross-validation", "ensemble-selection",
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
        write_report(run, compute_summary(run, "running"))
    assert not run.report.exists()


def test_a_run_that_only_searched_has_a_report(tmp_path):
    run = RunDirectory(tmp_path / "run")
    write_prepared(run)
    write_searched(run)
    write_report(run, compute_summary(run, "running"))
    text = run.report.read_text(encoding="utf-8")
    page = Page(text)
    assert page.sections == ["answer", "views", "trials", "search", "data", "reproduce"]
    assert len(page.images) == 4
    assert "No answer yet" in text
    assert f"evensweep resume {run.root}" in text


def test_a_run_that_failed_at_once_says_why(tmp_path):
    run = RunDirectory(tmp_path / "run")
    write_prepared(run)
    summary = compute_summary(run, "failed") | {"error": f"no trial of {HOSTILE} gave a loss"}
    write_report(run, summary)
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
    write_report(run, compute_summary(run, "running"))
    assert "<td>–<small>–</small></td>" in run.report.read_text(encoding="utf-8")


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
