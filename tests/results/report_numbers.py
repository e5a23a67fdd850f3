"""Finds every number that a report shows, and every number that its run's files hold."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss

from evensweep.results.files import read_json, read_parquet

NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?%?")

WORDING = {"0", "1", "10", "95%", "2", "500", "0.5", "30%", "100%", "256"}
"""Numbers of the template's own sentences: 95% intervals, a threshold of 0.5, such as these."""


class _Text(HTMLParser):
    """What a reader sees, without code, which shows files as they are."""

    def __init__(self, text):
        super().__init__()
        self.hidden, self.parts = 0, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in {"style", "title", "code"}
        if "alt" in dict(attrs):
            self.parts.append(dict(attrs)["alt"])

    def handle_endtag(self, tag):
        self.hidden -= tag in {"style", "title", "code"}

    def handle_data(self, data):
        if not self.hidden:
            self.parts.append(data)


def unexplained_numbers(run) -> set[str]:
    """Numbers of ``report.html`` that neither stand in the run's files nor follow from them."""
    text = " ".join(_Text(run.report.read_text(encoding="utf-8")).parts)
    for name in _names(run):
        text = text.replace(name, " ")
    known = {written for value in _values(run) for written in _written(value)}
    shown = {number.rstrip(",") for number in NUMBER.findall(text)}
    return {n for n in shown if n not in WORDING | known and n.lstrip("+-") not in known}


def _written(value: float) -> Iterator[str]:
    """The ways in which the report may write a number."""
    for digits in range(5):
        yield f"{value:.{digits}f}"
        yield f"{value:+.{digits}f}"
    for digits in (0, 1):
        yield f"{value:.{digits}%}"
    for digits in (2, 3, 10):
        yield f"{value:,.{digits}g}"
    if float(value).is_integer():
        yield f"{int(value):,}"
        yield f"{int(value):02}"  # of a duration


def _names(run) -> list[str]:
    """Words with digits in them: names of trials, columns and versions, errors, paths."""
    environment, dataset = read_json(run.environment), read_json(run.dataset)
    names = [run.name, str(run.root), environment["platform"], dataset["fingerprint"]]
    names += [dataset["name"], dataset["source"], *dataset["notes"]]
    names += [column["name"] for column in dataset["schema"]["columns"]]
    names += list(environment["versions"].values())
    if run.trials.exists():
        trials = read_parquet(run.trials)
        names += [*trials["id"], *trials["error"].dropna()]
    return sorted(map(str, names), key=len, reverse=True)


def _values(run) -> Iterator[float]:
    for path in (run.summary, run.environment, run.dataset, run.ensemble):
        if path.exists():
            yield from _leaves(read_json(path))
    stages = read_json(run.environment)["stage_seconds"]
    so_far = sum(seconds for stage, seconds in stages.items() if stage != "report")
    yield so_far
    seconds = [so_far, *_leaves([stages, read_json(run.summary)])]
    if run.trials.exists():
        yield from _of_the_search(run)
    if run.cross_validation.exists():
        yield from _of_the_folds(run)
        seconds = [*seconds, *read_parquet(run.cross_validation).groupby("view")["seconds"].sum()]
    for value in seconds:
        yield from (value // 3600, value % 3600 // 60, round(value) % 60, round(value) // 60)
    dataset = read_json(run.dataset)
    rows = dataset.get("natural_rows") or dataset["rows"]
    yield dataset["duplicate_feature_rows"] / rows
    yield from (gaps / dataset["rows"] for gaps in dataset["gaps"].values())
    for parts in dataset["class_counts"].values():
        yield from (p["positive"] / p["rows"] for p in parts.values() if p["rows"])
    if run.test_predictions.exists():
        yield from _of_the_test(run)


def _leaves(content) -> Iterator[float]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from _leaves(part)
        yield len(content)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield content


def _of_the_search(run) -> Iterator[float]:
    trials, history = read_parquet(run.trials), read_parquet(run.history)
    for column in (*trials.select_dtypes("number"), "status", "error"):
        yield from trials[column].dropna() if column in trials.select_dtypes("number") else ()
        yield from trials.groupby(["view", column]).size()
        yield from trials.groupby(column).size()
        yield from trials[trials["stage"] == "search"].groupby(["view", column]).size()
    yield from trials.groupby("view")["seconds"].sum()
    losses = trials.merge(
        history, left_on=["id", "best_epoch"], right_on=["trial", "epoch"], suffixes=("", "_of")
    )
    yield from losses["loss"].dropna()
    yield from (losses["best_val_loss"] - losses["loss"]).dropna()
    searched = trials[trials["stage"] == "search"]
    for (view, bracket), rows in searched.groupby(["view", "bracket"]):
        for rung in searched.loc[searched["bracket"] == bracket, "rung"].unique():
            here = rows[rows["rung"] >= rung]["id"]
            yield len(here)
            epochs = history[history["trial"].isin(here) & (history["view"] == view)]
            yield epochs.loc[epochs["epoch"] <= rung, "val_loss"].astype(float).min()
    importance = run.plots / "importance.csv"
    if importance.exists():  # fitted: what the caption says of it is tested where it is computed
        text = run.report.read_text(encoding="utf-8")
        yield float(re.search(r"explains (-?\d+)% of the order", text).group(1)) / 100
        yield int(((searched["best_val_loss"].notna()) & ~searched["status"].isin(
            ["diverged", "failed"])).sum())  # fmt: skip


def _of_the_folds(run) -> Iterator[float]:
    folds = read_parquet(run.cross_validation)
    for _, rows in folds.groupby("trial"):
        yield from (rows["val_loss"].min(), rows["val_loss"].max(), len(rows))
        yield from (np.average(rows[c], weights=rows["rows"]) for c in ("val_loss", "val_accuracy"))
    if not run.ensemble.exists():
        return
    ensemble = read_json(run.ensemble)
    yield from (len(ensemble["path_losses"]), np.argmin(ensemble["path_losses"]) + 1)
    members = ensemble["members"]
    yield len(members) * folds["fold"].nunique()
    names, weights = [m["trial"] for m in members], [m["weight"] for m in members]
    oof = read_parquet(run.oof_predictions).dropna(subset=names)
    yield np.average([brier_score_loss(oof["target"], oof[n]) for n in names], weights=weights)
    yield brier_score_loss(oof["target"], oof[names].to_numpy() @ np.array(weights))
    if len(names) > 1:
        errors = np.corrcoef(oof[names].sub(oof["target"], axis=0), rowvar=False)
        yield errors[np.triu_indices(len(names), 1)].mean()


def _of_the_test(run) -> Iterator[float]:
    test, summary = read_parquet(run.test_predictions), read_json(run.summary)
    yield test["target"].mean()
    (_, alarms), (missed, found) = summary["test"]["confusion_matrix"]
    yield from (alarms + found, missed + found, found / max(alarms + found, 1))
    yield from (found / (missed + found), len(test))
    for part in summary["gains"]:
        yield part["positives"] / part["rows"]
        yield round(part["positives"], 1)
    curve = pd.read_csv(run.plots / "test-gains.csv").query("model == 'ensemble'")
    yield from np.interp([0.1, 0.2], curve["rows"], curve["found"])
    # Intervals of the references are drawn anew for the page, from the same rows and the seed.
    from evensweep.results.report_tables import score_intervals

    yield from _leaves(score_intervals(summary, test, read_json(run.environment)["seed"]))
