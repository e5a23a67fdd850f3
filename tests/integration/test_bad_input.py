"""Wrong input gets one sentence and exit code 2, starts nothing and leaves nothing behind."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from command_line import BODY, CSV, GOOD, HEADER, ROWS, Shell, call, cell, column, sentence

from evensweep import cli


def test_good_table_starts_and_has_its_run_directory(shell: Shell) -> None:
    """Without this every test below could pass because nothing ever starts."""
    result = shell.run()
    assert result.exit_code == 0
    assert len(shell.started) == 1
    [run] = shell.out.iterdir()
    assert [path.name for path in run.iterdir()] == ["sweep.yaml"]


TABLES = {
    "empty file": ("", "is empty"),
    "header only": (HEADER + "\n", "has a header but no rows"),
    "only whitespace": ("  \n \n\n", "starts with an empty line"),
    "one class": (column("bought", 0), "has 1 different values, not two"),
    "three classes": (column("bought", [0, 1, 2, 1] * 50), "has 3 different values, not two"),
    "target with gaps": (cell(8, "bought", None), "'bought' is empty in 1 rows (first: row 8)"),
    "short line": (CSV + "1,2\n", "'bought' is empty in 1 rows (first: row 201)"),
    "too few rarer rows": (
        GOOD[50:].to_csv(index=False),
        "only 10 of 150 rows belong to the rarer class",
    ),
    "empty column": (column("age", None), "column 'age' is empty in every row"),
    "infinite": (cell(4, "spent", "inf"), "column 'spent' is infinite"),
    "minus infinity": (cell(4, "spent", "-Infinity"), "(first: row 4)"),
    "beyond a float": (cell(4, "spent", "1e400"), "column 'spent' is infinite"),
    "beyond float32": (cell(4, "spent", 1e39), "column 'spent' is infinite"),
    "text in numbers": (
        cell(17, "age", "n/k"),
        "the numeric column 'age' holds the text 'n/k' in row 17; mend it",
    ),
    "percent": (cell(1, "age", "12%"), "holds the text '12%' in row 1"),
    "equal names": (CSV.replace("spent", "age"), "several columns called 'age'"),
    "semicolons": (CSV.replace(",", ";"), "semicolon-separated; set data.delimiter to ';'"),
    "tabs": (CSV.replace(",", "\t"), "tab-separated"),
    "latin-1 cell": (CSV.encode() + "9,é,1,0\n".encode("latin-1"), "is not UTF-8 (byte 0xe9"),
    "latin-1 header": (CSV.replace("age", "âge").encode("latin-1"), "is not UTF-8 (byte 0xe2"),
    "utf-16": (CSV.encode("utf-16"), "is not UTF-8"),
    "nul bytes": (CSV.replace("\n1005,", "\n1005\0,").encode(), "holds NUL bytes"),
    "binary": (bytes(range(256)) * 10, "is not UTF-8"),
    "line with too many cells": (CSV + "1,2,3,0,5\n", "Expected 4 fields in line 202, saw 5"),
    "first line with too many": (CSV.replace("\n", "\n9,", 1), "more cells in its first row"),
    "every line with too many": (
        HEADER + "\n" + BODY.replace("\n", ",7\n"),
        "more cells in its first row than the 4 names",
    ),
    "nameless column": (CSV.replace("age", ""), "no name for column 1"),
    "trailing delimiters": (CSV.replace("\n", ",\n"), "no name for column 4"),
    "texts": (column("age", [f"no. {i}" for i in range(200)]), "200 different texts in 200 rows"),
    "dates": (column("age", "2020-01-31"), "holds dates or durations ('2020-01-31', …)"),
    "decimal commas": (column("age", "1,5"), "holds numbers with decimal commas ('1,5', …)"),
    "unended quote": (CSV + '1,"2,3,0\n', "EOF inside string starting at row 201"),
    "unended quote in header": ('"' + CSV, "can't be read as CSV (line 1: "),
    "no features": (GOOD[["customer_id", "bought"]].to_csv(index=False), "no feature column left"),
    "one column": (GOOD[["bought"]].to_csv(index=False), "no feature column left"),
    "json": (GOOD.to_json(orient="records"), "can't be read as CSV"),
}


@pytest.mark.parametrize(("content", "message"), TABLES.values(), ids=TABLES)
def test_table(shell: Shell, content: str | bytes, message: str) -> None:
    assert message in shell.refused(data=content)


OPTIONS = {
    "absent target": (["--target", "baught"], "'baught' (data.target); did you mean 'bought'?"),
    "target position": (["--target", "4"], "no column at position 4"),
    "target of many": (["--target", "age"], "classes ("),
    "positive": (["--positive", "2"], "has no label '2' (data.positive)"),
    "target dropped": (["--set", "data.drop=[bought]"], "the target 'bought' is also dropped"),
    "target as id": (["--set", "data.id_columns=[bought]"], "'bought' is also dropped"),
    "absent drop": (["--set", "data.drop=[aeg]"], "did you mean 'age'?"),
    "delimiter": (["--set", "data.delimiter='\"'"], "the delimiter must be one character"),
    "key": (["--set", "serach.trials=3"], "'serach' is not a known key; did you mean 'search'?"),
    "nested key": (["--set", "search.trails=3"], "did you mean 'trials'?"),
    "hyperparameter": (["--set", "space.num_layer=3"], "did you mean 'num_layers'?"),
    "no equals sign": (["--set", "search.trials"], "write it as key.path=value"),
    "no yaml": (["--set", "search.trials=["], "the value is not YAML"),
    "low above high": (["--set", "space.num_layers={int: [5, 2]}"], "low must not be above high"),
    "endless range": (["--set", "space.num_layers={int: [1, 1e30]}"], "space.num_layers"),
    "step": (["--set", "space.dropout_rate={float: [0, 0.5], step: .nan}"], "step"),
    "broken units": (["--set", "space.num_layers=2.5"], "must be a whole number, got 2.5"),
    "baseline": (["--set", "baseline.num_layers=x"], "baseline.num_layers must be a whole number"),
    "empty space": (["--set", "space={}"], "space: it has too few items"),
    "fewer than no trials": (
        ["--set", "search.trials=-1"],
        "search.trials: input should be greater",
    ),
    "one fold": (["--set", "cross_validation.folds=1"], "cross_validation.folds: input should"),
    "seed": (["--set", "seed=-1"], "seed: input should be greater than or equal to 0, got -1"),
    "view": (["--set", "views=[smoot]"], "there is no view 'smoot'; did you mean 'smote'?"),
    "endless cpus": (["--set", "resources.cpus=.inf"], "resources.cpus: input should be a finite"),
    "split for more rows": (
        ["--set", "split.test=0.01"],
        "the split, 10 folds and oversampling with 5",
    ),
    "tiny split": (["--set", "split.test=1e-9"], "split"),
    "more folds than rows": (["--set", "cross_validation.folds=70"], "70 folds"),
    "name of a section": (["--set", "search=3"], "search: it must hold keys, got 3"),
    "long path": (["--data", "n" * 5000], "can't be read"),
    "missing file": (["--data", "none.csv"], "none.csv: no such file"),
    "folder": (["--data", "."], "is a folder"),
    "preset": (["repeat-custmers"], "did you mean 'repeat-customers'?"),
    "missing sweep": (["none.yaml"], "none.yaml can't be read"),
    "builder without a space": (["--trainable", "nets:build"], "space must be given with the"),
    "missing builder": (
        ["--trainable", "no_nets:build", "--set", "space.units=3"],
        "there is no module 'no_nets' for the trainable 'no_nets:build' beside the sweep file",
    ),
    "missing metric": (
        ["--set", "search.metric=no_metrics:profit", "--set", "search.mode=max"],
        "there is no module 'no_metrics' for the metric 'no_metrics:profit'",
    ),
    "missing sampler": (
        ["--set", "views=[{mine: {sampler: 'no_samplers:Mine'}}]"],
        "there is no module 'no_samplers' for the sampler 'no_samplers:Mine'",
    ),
    "missing searcher": (
        ["--set", "search.searcher=no_searchers:Mine"],
        "there is no module 'no_searchers' for the searcher 'no_searchers:Mine'",
    ),
    "data by http": (["--data", "https://host/t.csv"], "https://host/t.csv can't be used; give a"),
    "storage of another kind": (["--set", "storage=ftp://host/runs"], "storage: ftp://host/runs"),
    "storage with credentials": (
        ["--set", "storage=s3://key:secret@bucket/runs"],
        "storage: s3://bucket/runs was given with credentials, which a run would keep; credentials",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), OPTIONS.values(), ids=OPTIONS)
def test_option(shell: Shell, arguments: list[str], message: str) -> None:
    data = None if "--data" in arguments else CSV
    assert message in shell.refused(*arguments, data=data)


@pytest.mark.parametrize("own_space", ["space={units: 3}", "space.units=3"])
def test_a_builder_may_be_named_by_an_option(shell: Shell, own_space: str) -> None:
    shell.write("raise SystemExit", "nets_of_an_option.py")
    result = shell.run("--trainable", "nets_of_an_option:build", "--set", own_space)
    assert result.exit_code == 0, result.output
    [run] = shell.out.iterdir()
    written = yaml.safe_load((run / "sweep.yaml").read_text())
    assert written["trainable"] == "nets_of_an_option:build"
    assert written["space"] == {"units": {"choice": [3]}}
    assert written["module_folder"] == [str(shell.folder)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "--foo"],
            "No such option: --foo (Possible options: --mlflow, --out); see evensweep",
        ),
        (["rum"], "No such command 'rum'"),
        (["predict"], "Missing argument 'RUN_DIR'; see evensweep predict --help"),
        (["run", "--cpus", "none"], "Invalid value for '--cpus'"),
        (
            ["prepare", "-o", "s3://bucket/views"],
            "Invalid value for '--output' / '-o': a folder of",
        ),
    ],
)
def test_command_line(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["evensweep", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"evensweep: {message}")


SWEEPS = {
    "broken": ("a: [1,2\nb: }", "is not well-formed YAML at line 2"),
    "list": ("- 1\n", "holds no keys"),
    "key": ("seeed: 1", "'seeed' is not a known key; did you mean 'seed'?"),
    "nested key": ("training: {batchsize: 3}", "did you mean 'batch_size'?"),
    "number as key": ("search: {3: 4}", "'search.3' is not a known key"),
    "range": ("space: {num_layers: {int: [5, 2]}}", "low must not be above high"),
    "data": ("data: 3", "data holds no keys"),
    "empty section": ("search:\n", "search: it must hold keys, got None"),
    "latin-1": (b"name: \xe9", "is not UTF-8"),
    "key twice": (
        "seed: 1\nsearch: {trials: 3, trials: 4}",
        "2, column 21 (the key 'trials' stands",
    ),
    "list as key": ("name: {{ run }}", "is not well-formed YAML at line 1"),
    "number as text": ("baseline: {learning_rate: 1e-3}", "0.001 or 1.0e-3"),
}


@pytest.mark.parametrize(("content", "message"), SWEEPS.values(), ids=SWEEPS)
def test_sweep_file(shell: Shell, content: str | bytes, message: str) -> None:
    assert message in shell.refused(shell.write(content, "sweep.yaml"))


def test_table_named_in_a_sweep_file_is_missing(shell: Shell) -> None:
    sweep = shell.write("data: {path: none.csv, target: y}", "sweep.yaml")
    assert f"{shell.folder / 'none.csv'}: no such file" in shell.refused(sweep, data=None)


class TestParquet:
    def refused(self, shell: Shell, content: bytes | pd.DataFrame) -> str:
        path = shell.folder / "table.parquet"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.to_parquet(path)
        return shell.refused("--data", path, data=None)

    def test_that_is_none(self, shell: Shell) -> None:
        assert "can't be read as Parquet" in self.refused(shell, CSV.encode())

    def test_without_rows(self, shell: Shell) -> None:
        assert "no rows" in self.refused(shell, GOOD[:0])

    def test_with_nested_values(self, shell: Shell) -> None:
        message = self.refused(shell, GOOD.assign(age=[[1, 2]] * ROWS))
        assert "column 'age' holds lists or other nested values" in message

    def test_with_dates(self, shell: Shell) -> None:
        message = self.refused(shell, GOOD.assign(age=pd.Timestamp("2020-01-31")))
        assert "column 'age' holds dates or durations ('2020-01-31" in message

    def test_under_a_wrong_name(self, shell: Shell) -> None:
        GOOD.to_parquet(shell.folder / "t.parquet")
        message = shell.refused(data=(shell.folder / "t.parquet").read_bytes())
        assert "a Parquet file whose name ends in .parquet" in message


class TestOutput:
    @pytest.mark.parametrize("below", ["file", "file/runs"])
    def test_that_cannot_be_written(self, shell: Shell, below: str) -> None:
        shell.write("mine", "file")
        table = shell.write(CSV)
        result = call("run", "--data", table, "--out", shell.folder / below)
        assert "can't be written (Not a directory); choose another --out" in sentence(result)
        assert (shell.folder / "file").read_text() == "mine"
        assert shell.started == []

    def test_run_of_that_name_exists(self, shell: Shell) -> None:
        mine = shell.out / "first"
        mine.mkdir(parents=True)
        (mine / "summary.json").write_text("mine")
        message = sentence(shell.run("--name", "first"))
        assert "exists already; choose another --name" in message
        assert [path.name for path in mine.iterdir()] == ["summary.json"]
        assert shell.started == []

    def test_name_too_long(self, shell: Shell) -> None:
        assert "can't be written" in shell.refused("--name", "n" * 300)


class TestOtherCommands:
    @pytest.mark.parametrize("command", ["resume", "leaderboard", "report", "compare"])
    @pytest.mark.parametrize("root", ["empty", "none", "table.csv"])
    def test_folder_that_is_no_run(self, shell: Shell, command: str, root: str) -> None:
        (shell.folder / "empty").mkdir()
        shell.write(CSV)
        result = call(command, shell.folder / root)
        assert "is no run directory (it has no sweep.yaml)" in sentence(result)
        assert shell.started == []

    def test_prediction_by_a_folder_that_is_no_run(self, shell: Shell) -> None:
        scores = shell.folder / "scores.csv"
        result = call("predict", shell.folder, shell.write(CSV), "-o", scores)
        assert "is no run directory" in sentence(result)
        assert not scores.exists()

    def test_prediction_onto_the_table_in_a_bucket(self, shell: Shell) -> None:
        table, scores = "s3://bucket/t.csv", "s3://bucket//t.csv?region=eu-west-1"
        result = call("predict", shell.folder, table, "-o", scores)
        assert "/t.csv?region=eu-west-1 is the table that is to be scored" in sentence(result)

    def test_prediction_of_a_missing_table_and_by_a_run_without_a_model(self, shell: Shell) -> None:
        (shell.folder / "run").mkdir()
        shell.write("{}", "run/sweep.yaml")
        scores = shell.folder / "scores.csv"
        for table, message in (("none.csv", "no such file"), ("table.csv", "no exported model")):
            shell.write(CSV)
            result = call("predict", shell.folder / "run", table, "-o", scores)
            assert message in sentence(result)
        assert not scores.exists()

    def test_leaderboard_before_the_first_result(self, shell: Shell) -> None:
        (shell.folder / "run").mkdir()
        shell.write("{}", "run/sweep.yaml")
        assert call("leaderboard", shell.folder / "run").exit_code == 0
        assert call("leaderboard", shell.folder / "run", "--csv").exit_code == 0
        both = call("leaderboard", shell.folder / "run", "--csv", "--json")
        assert "exclude each other" in sentence(both)
        nothing = call("show", shell.folder / "run", "smote-999")
        assert "has no trial 'smote-999'; did you mean 'smote-" in sentence(nothing)

    def test_run_with_a_broken_sweep_file(self, shell: Shell) -> None:
        (shell.folder / "run").mkdir()
        shell.write("serach: 3", "run/sweep.yaml")
        for command in ("resume", "leaderboard"):
            assert "did you mean 'search'?" in sentence(call(command, shell.folder / "run"))

    def test_run_whose_table_has_changed_does_not_resume(self, shell: Shell, root: Path) -> None:
        assert shell.run("--name", "mine").exit_code == 0
        run = shell.out / "mine"
        shutil.copy(root / "dataset.json", run)  # of another table
        shell.started.clear()
        assert "its fingerprint differs" in sentence(call("resume", run))
        assert shell.started == []

    def test_description_of_a_bad_table(self, shell: Shell) -> None:
        path = shell.write(cell(3, "age", "old"))
        assert "holds the text 'old' in row 3" in sentence(call("describe", path))


ODD_BUT_CLEAR = {
    "byte order mark": "\ufeff" + CSV,
    "windows lines": CSV.replace("\n", "\r\n"),
    "blank lines": CSV.replace("\n", "\n\n"),
    "lines of spaces at the end": CSV + "   \n  \n",
    "spaces in header": CSV.replace("bought", " bought "),
    "empty trailing cells": HEADER + "\n" + BODY.replace("\n", ",\n"),
    "huge integers": column("age", [10**30, 5] * 100),
    "large floats": column("age", [1e38, -1e38] * 100),
    "accents": CSV.replace("age", "größe"),
    "quoted delimiter in header": CSV.replace("age", '"a,ge"'),
    "constant column": column("age", 7),
    "boolean words": column("age", ["TRUE", "false"] * 100),
    "gaps": cell(5, "age", None),
}


@pytest.mark.parametrize("content", ODD_BUT_CLEAR.values(), ids=ODD_BUT_CLEAR)
def test_odd_but_clear_table_starts(shell: Shell, content: str) -> None:
    result = shell.run("--target", "bought", "--positive", "1", data=content)
    assert result.exit_code == 0, result.stderr
    table = shell.started[0][2]  # type: ignore[index]
    assert (len(table.target), table.target.sum()) == (ROWS, 60)
    assert np.isfinite(table.features.to_numpy(np.float64, na_value=0.0)).all()


def test_real_process_says_it_in_one_line(tmp_path: Path) -> None:
    """Warnings and start-up noise of libraries would add lines that the runner can't see."""
    command = shutil.which("evensweep", path=str(Path(sys.executable).parent))
    assert command is not None
    (tmp_path / "t.csv").write_text(CSV.replace("\n", "\n9,", 1))
    ran = subprocess.run(
        [command, "run", "--data", "t.csv"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    [line] = ran.stderr.splitlines()
    assert line.startswith("evensweep: ")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
