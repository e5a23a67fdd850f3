"""Tables for the terminal, computed from ``summary.json``."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..datasets.locations import Location
from .objective import metric_title
from .references import REFERENCES

REFERENCE_TITLES = {
    "majority": "majority class",
    "logistic_regression": "logistic regression",
    "gradient_boosting": "gradient boosting",
}
STAGE_TITLES = {
    "baseline": "baseline",
    "search": "best trial",
    "ensemble": "average of best trials",
    "cross_validation": "best trial, k-fold",
}


_NUMBERS = (
    "num_layers",
    "hidden_layer_size",
    "learning_rate",
    "dropout_rate",
    "l2_strength",
    "embedding_scale",
    "members",
)
"""Hyperparameters of ours that are numbers; a user's own model may have words of these names."""


@dataclass(frozen=True)
class Verdict:
    """The ensemble's ranking against one reference.

    Attributes:
        reference: One of :data:`~evensweep.results.references.REFERENCES`.
        roc_auc: The reference's.
        words: ``better than``, ``level with`` or ``behind``.
    """

    reference: str
    roc_auc: float
    words: str


def closing(summary: dict[str, Any], root: Path | Location) -> RenderableType:
    """What a finished run says: its tables, the answer in words, and where the results are."""
    where = Text.assemble(
        ("Results: ", "bold"),
        f"{root}\n  report:        {root / 'report.html'}\n",
        f"  score a table: evensweep predict {shlex.quote(str(root))} TABLE -o scores.csv",
        overflow="fold",
    )
    tables = [views_table(summary), members_table(summary)]
    if "test" in summary:
        tables.append(scores_table(summary))
    notes = [ranking_note(summary), protocol_warning(summary)]
    warnings = [Padding(Text(note, "yellow"), (0, 0, 1, 0)) for note in notes if note]
    return Group(*tables, Padding(answer(summary), (0, 0, 1, 0)), *warnings, where)


def views_table(summary: dict[str, Any]) -> RenderableType:
    """Views side by side: validation log loss and accuracy of each stage, and the best trial."""
    views = list(summary["views"])
    table = bare_table()
    table.add_column("")
    for view in views:
        table.add_column(view, justify="right")
    figures: dict[Any, Any] = {(row["stage"], row["view"]): row for row in summary["stages"]}
    for stage, title in STAGE_TITLES.items():
        cells = []
        for view in views:
            row = figures.get((stage, view))
            if row is None or row["val_loss"] is None:
                cells.append("–")
            else:
                cells.append(f"{row['val_loss']:.4f}  {row['val_accuracy']:.1%}")
        table.add_row(title, *cells)
    if any("best_metric" in figures for figures in summary["views"].values()):
        title = metric_title(summary["search"]["metric"])
        for key, stage in (("best_metric", "best trial"), ("cv_metric", "best trial, k-fold")):
            figures_of = (four_decimals(summary["views"][view][key]) for view in views)
            table.add_row(f"{stage}: {title}", *figures_of)
    table.add_row("training rows", *(f"{summary['views'][v]['train_rows']:,}" for v in views))
    table.add_row("best trial", *(summary["views"][v]["best_trial"] for v in views))
    table.add_row("", *(config_text(summary["views"][v]["best_config"]) for v in views))
    return titled("Views side by side: log loss and accuracy on rows kept from training", table)


def members_table(summary: dict[str, Any]) -> RenderableType:
    """The ensemble's members and weights, heaviest first."""
    table = bare_table()
    table.add_column("member")
    table.add_column("view")
    table.add_column("weight", justify="right")
    for member in sorted(summary["ensemble"]["members"], key=lambda m: -m["weight"]):
        table.add_row(member["trial"], member["view"], f"{member['weight']:.0%}")
    ensemble = summary["ensemble"]
    metric = ensemble.get("oof_metric")
    beside = ""
    if metric is not None:
        beside = f"{metric_title(summary['search']['metric'])} {metric:.4f}, "
    return titled(
        f"Ensemble: {beside}log loss {ensemble['oof_log_loss']:.4f} and ROC-AUC "
        f"{ensemble['oof_roc_auc']:.4f} out of fold",
        table,
    )


def scores_table(summary: dict[str, Any]) -> RenderableType:
    """The ensemble and the references on the test rows; best figures are bold."""
    test, references = summary["test"], summary["references"]
    rows = {"ensemble": test}
    rows |= {title: references[name] for name, title in REFERENCE_TITLES.items()}
    columns = {
        "roc_auc": ("ROC-AUC", True),
        "pr_auc": ("PR-AUC", True),
        "log_loss": ("log loss", False),
        "accuracy": ("accuracy", True),
        "balanced_accuracy": ("bal. acc.", True),
        "f1": ("F1", True),
    }
    if "metric" in test:
        name = metric_title(summary["search"]["metric"])
        columns["metric"] = (name, summary["search"]["mode"] == "max")
    table = bare_table()
    table.add_column("", no_wrap=True)
    for title, _ in columns.values():
        table.add_column(title, justify="right", no_wrap=True)
    best = {}
    for key, (_, higher) in columns.items():
        known = [round(row[key], 4) for row in rows.values() if row[key] is not None]
        best[key] = (max if higher else min)(known, default=None)
    for title, row in rows.items():
        cells = []
        for key in columns:
            is_best = row[key] is not None and round(row[key], 4) == best[key]
            cells.append(Text(four_decimals(row[key]), style="bold" if is_best else ""))
        table.add_row(title, *cells)
    intervals = (test["ci95"][key] for key in columns)
    cells = [Text(_interval(*ends) if ends else "–", style="dim") for ends in intervals]
    table.add_row(Text("  95% interval", style="dim"), *cells)
    balanced = summary["protocol"] == "balanced_first"
    kind = "of the balanced table" if balanced else "that nothing was fitted on, read once"
    return titled(f"Test: {test['rows']:,} rows {kind}", table)


def _interval(low: float, high: float) -> str:
    """Such as ``.81–.84``."""
    return "–".join(re.sub(r"^(-?)0\.", r"\1.", f"{end:.2f}") for end in (low, high))


def verdicts(summary: dict[str, Any]) -> list[Verdict]:
    """The ensemble's ROC-AUC against every reference's, the strongest reference first.

    The two are level when the reference's lies in the ensemble's 95% interval.
    """
    ours = summary["test"]["roc_auc"]
    low, high = summary["test"]["ci95"]["roc_auc"]
    found = []
    for name in REFERENCES:
        theirs = summary["references"][name]["roc_auc"]
        level = low <= theirs <= high
        words = "level with" if level else "better than" if ours > theirs else "behind"
        found.append(Verdict(name, theirs, words))
    return sorted(found, key=lambda verdict: -verdict.roc_auc)


def answer(summary: dict[str, Any]) -> str:
    """What the run found, in words for someone who reads no tables."""
    if "test" not in summary:
        return (
            "No rows were kept for a test (split.test is 0): the figures above are the ones there "
            "are, and those out of fold come nearest to what new rows will show."
        )
    test, strongest = summary["test"], verdicts(summary)[0]
    (_, false_positives), (missed, found) = test["confusion_matrix"]
    called = found + false_positives
    top, cost = summary["gains"][0], summary["decision"]["cost"]
    costs = "" if cost is None else f" Its mistakes cost {cost:,.10g}."
    return (
        f"Of {test['rows']:,} test rows the ensemble calls {called:,} positive, and {found:,} of "
        f"them are ({found / max(called, 1):.0%} of its calls are right); it finds {found:,} of "
        f"the {found + missed:,} positives ({found / (found + missed):.0%}).{costs} The tenth of "
        f"the rows that it ranks highest holds {top['found']:.0%} of the positives, "
        f"{top['lift']:.1f} times as many as a tenth at random. Ranked by its probability, a "
        f"positive row stands above a negative one in {test['roc_auc']:.1%} of pairs: "
        f"{strongest.words} {REFERENCE_TITLES[strongest.reference]} ({strongest.roc_auc:.1%}), the "
        f"strongest reference."
    )


def protocol_warning(summary: dict[str, Any]) -> str | None:
    """How far a protocol that may flatter is from the truth; None for ``holdout``."""
    if summary["protocol"] == "presplit":
        return (
            "The rows were split and balanced before this run saw them. If they were balanced "
            "first and split then, these figures are no promise for a new table. The folds divide "
            "the validation rows, which stopped and ranked the trials as well: figures out of fold "
            "flatter a little, those of the test rows don't."
        )
    holdout = summary.get("holdout")
    if holdout is None:
        return None
    test, low_high = summary["test"], holdout["ci95"]
    return (
        "These figures are no promise for a new table. With the protocol "
        f"'{summary['protocol']}' the table was balanced before it was split: rows that a sampler "
        "made lie between rows on both sides of the split, and the classes have not the shares "
        "that new rows have. They compare with figures that were published so, and with no others. "
        "Fitted anew, and balanced without them, on "
        f"{holdout['rows']:,} rows in natural shares the same configurations (chosen with all rows "
        f"in sight) reach an accuracy of {holdout['accuracy']:.1%} (95%: "
        f"{low_high['accuracy'][0]:.1%}–{low_high['accuracy'][1]:.1%}; always saying the commoner "
        f"class: {holdout['majority_accuracy']:.1%}), a log loss of {holdout['log_loss']:.4f} "
        f"({low_high['log_loss'][0]:.3f}–{low_high['log_loss'][1]:.3f}) and a ROC-AUC of "
        f"{holdout['roc_auc']:.4f} ({low_high['roc_auc'][0]:.3f}–{low_high['roc_auc'][1]:.3f}); "
        f"the test above says {test['roc_auc']:.4f}."
    )


def ranking_note(summary: dict[str, Any]) -> str | None:
    """By which rows views were ranked, where every view has its own; None where they share them."""
    ranking = summary["ensemble"].get("ranking")
    if ranking is None:
        return None
    key = "oof_metric" if "oof_metric" in ranking[0] else "oof_log_loss"
    name = "log loss"
    if key == "oof_metric":
        name = metric_title(summary["search"]["metric"])
    figures = ", ".join(f"{row['view']} {four_decimals(row[key])}" for row in ranking)
    return (
        f"Every view has rows of its own, by which it was ranked ({name} out of fold: {figures}); "
        "such figures can't be compared fairly, and the ensemble has members of the first view "
        "alone."
    )


def config_text(config: dict[str, Any]) -> str:
    """A configuration in a few words, such as ``3×64 relu, lr 0.002, dropout 0.1, l2 0.0003``.

    One of a user's own model lists its hyperparameters by name.
    """
    named = {"num_layers", "hidden_layer_size", "activation"} <= set(config)
    if not named or any(isinstance(config.get(name), str) for name in _NUMBERS):
        return ", ".join(f"{name} {_short(value)}" for name, value in config.items())
    shape = f"{config['num_layers']:.0f}×{config['hidden_layer_size']:.0f} {config['activation']}"
    rest = {"lr": "learning_rate", "dropout": "dropout_rate", "l2": "l2_strength"}
    parts = [f"{short} {config[name]:.2g}" for short, name in rest.items() if config.get(name)]
    if config.get("embedding", "none") != "none" and "embedding_scale" in config:
        parts.append(f"{config['embedding']} {config['embedding_scale']:.2g}")
    if config.get("members", 1) > 1:
        parts.append(f"{config['members']:.0f} members")
    return ", ".join([shape, *parts])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def plain_console(**settings: Any) -> Console:
    """A console that shows names and values as they are: nothing in them is markup.

    Args:
        settings: As of Rich's.
    """
    return Console(markup=False, emoji=False, **settings)


def four_decimals(value: float | None) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None or pd.isna(value) else f"{value:.4f}"


def titled(title: str, table: RenderableType) -> RenderableType:
    """A table below its title, which may be wider: a table's own would wrap."""
    return Group(Text(title, style="bold"), table)


def bare_table() -> Table:
    """A table without lines, but below its head."""
    return Table(
        header_style="dim",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
