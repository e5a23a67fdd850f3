"""One schema for file, ``--set`` and Python: defaults, round trips, precedence, errors."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from evensweep.datasets.errors import InputError
from evensweep.search.config import SweepConfig
from evensweep.search.raw_config import override, read_yaml
from evensweep.search.space import FloatDomain


def config(**raw: object) -> SweepConfig:
    return SweepConfig.from_mapping(raw, "sweep.yaml")


def problem(**raw: object) -> str:
    with pytest.raises(InputError) as error:
        config(**raw)
    message = str(error.value)
    assert message.startswith("sweep.yaml: ")
    assert "\n" not in message
    return message.removeprefix("sweep.yaml: ")


class TestDefaults:
    def test_empty_mapping_sweeps_the_demonstration_data(self) -> None:
        defaults = config()
        assert defaults == SweepConfig()
        assert defaults.data.path is None
        assert (defaults.name, defaults.seed) == ("demonstration", 0)
        assert list(defaults.views) == ["undersampled", "smote"]
        assert (defaults.split.validation, defaults.split.test) == (0.1, 0.1)
        search = defaults.search
        assert (search.scheduler, search.searcher, search.trial_count) == ("asha", "random", 40)
        assert (search.max_epochs, search.grace_epochs, search.reduction_factor) == (100, 2, 3)
        assert (defaults.training.batch_size, defaults.training.patience) == (128, 5)
        assert (defaults.cross_validation.folds, defaults.cross_validation.top_k) == (10, 10)
        assert defaults.ensemble.rounds == 50
        assert (defaults.resources.cpus, defaults.resources.gpus) == (1, 0)

    def test_default_space_is_the_documented_one(self) -> None:
        space = yaml.safe_load(config().to_yaml())["space"]
        assert space == {
            "num_layers": {"int": [2, 5]},
            "hidden_layer_size": {"int": [16, 128], "step": 16},
            "activation": {"choice": ["relu", "tanh", "selu"]},
            "dropout_rate": {"float": [0.0, 0.5], "step": 0.05},
            "l2_strength": {"float": [1e-5, 1e-2], "log": True},
            "learning_rate": {"float": [1e-4, 1e-2], "log": True},
            "embedding": {"choice": ["none", "periodic"]},
            "embedding_scale": {"float": [0.1, 1.0], "log": True},
        }

    def test_part_of_a_section_leaves_its_other_keys(self) -> None:
        search = config(search={"trials": 3}).search
        assert (search.trials, search.max_epochs) == (3, 100)

    def test_configuration_is_frozen(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            config().seed = 3  # type: ignore[misc]


class TestRoundTrip:
    FULL = """
name: full
data: {path: t.csv, target: y, positive: 1, id_columns: [id, 3], drop: [x], delimiter: ;}
split: {validation: 0.2, test: 0.15}
views: [smote]
space: {num_layers: {int: [1, 3]}, activation: relu, learning_rate: {float: [1e-4, 1e-2], log: true}}
baseline: {num_layers: 1, dropout_rate: 0.25}
training: {batch_size: 64, patience: 2}
search: {scheduler: fifo, trials: 7, max_epochs: 9, grace_epochs: 3, max_failures: 0}
cross_validation: {folds: 3, top_k: 2, stop_share: 0.2}
ensemble: {rounds: 5}
resources: {cpus: 0.5, gpus: 0.25}
storage: elsewhere
seed: 12
"""  # noqa: E501

    @pytest.mark.parametrize("text", ["", "{}", FULL, "# only a comment\n"])
    def test_written_and_read_again_is_the_same(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.yaml").write_text(text)
        first = SweepConfig.from_yaml(tmp_path / "a.yaml")
        (tmp_path / "b.yaml").write_text(first.to_yaml())
        second = SweepConfig.from_yaml(tmp_path / "b.yaml")
        assert second == first
        assert second.to_yaml() == first.to_yaml()

    def test_every_default_is_written_out(self) -> None:
        written = yaml.safe_load(config().to_yaml())
        assert list(written) == list(SweepConfig.model_fields)
        for section in ("data", "split", "training", "search", "cross_validation", "resources"):
            assert list(written[section]) == list(type(getattr(config(), section)).model_fields)

    def test_full_file_says_what_it_says(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text(self.FULL)
        full = SweepConfig.from_yaml(tmp_path / "a.yaml")
        assert full.data.path == tmp_path / "t.csv"
        assert full.data.id_columns == ("id", 3)
        assert full.space["learning_rate"] == FloatDomain(bounds=(1e-4, 1e-2), log=True)
        assert full.baseline == {"num_layers": 1, "dropout_rate": 0.25}

    @pytest.mark.parametrize("positive", ["1", 1, 1.5, True, "yes"])
    def test_positive_label_keeps_its_type(self, tmp_path: Path, positive: object) -> None:
        (tmp_path / "a.yaml").write_text(config(data={"positive": positive}).to_yaml())
        back = SweepConfig.from_yaml(tmp_path / "a.yaml").data.positive
        assert (type(back), back) == (type(positive), positive)


class TestReading:
    def test_relative_data_path_is_taken_from_the_files_folder(self, tmp_path: Path) -> None:
        (tmp_path / "s.yaml").write_text("data: {path: sub/t.csv}")
        assert read_yaml(tmp_path / "s.yaml")["data"]["path"] == str(tmp_path / "sub" / "t.csv")
        (tmp_path / "s.yaml").write_text("data: {path: /abs/t.csv}")
        assert read_yaml(tmp_path / "s.yaml")["data"]["path"] == "/abs/t.csv"

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"a: [1,\nb: }", "is not well-formed YAML at line 2"),
            (b"a:\n\tb: 1", "cannot start any token"),
            (b"- 1\n", "holds no keys"),
            (b"3", "holds no keys"),
            (b"name: \xe9", "is not UTF-8"),
            (b"name: \x07", "characters are not allowed"),
            (b"a: 1\n---\nb: 2", "another document"),
        ],
    )
    def test_broken_file_is_named_in_one_sentence(self, tmp_path, content, sentence) -> None:
        path = tmp_path / "s.yaml"
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            read_yaml(path)
        assert sentence in str(error.value)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.yaml", tmp_path):
            with pytest.raises(InputError, match="can't be read"):
                read_yaml(path)


class TestOverride:
    def test_later_assignment_wins_and_others_stay(self) -> None:
        raw = {"seed": 1, "search": {"trials": 5, "max_epochs": 9}}
        result = override(raw, ["search.trials=6", "search.trials=7", "seed=2"])
        assert result == {"seed": 2, "search": {"trials": 7, "max_epochs": 9}}

    def test_given_mapping_is_left_alone(self) -> None:
        raw = {"search": {"trials": 5}}
        override(raw, ["search.trials=6", "data.target=y"])
        assert raw == {"search": {"trials": 5}}

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("3", 3),
            ("0.5", 0.5),
            ("true", True),
            ("null", None),
            ("[a, 2]", ["a", 2]),
            ("{int: [1, 2]}", {"int": [1, 2]}),
            ("a=b", "a=b"),
            ("", None),
            ("'1'", "1"),
        ],
    )
    def test_values_are_yaml(self, text: str, value: object) -> None:
        assert override({}, [f"a.b={text}"]) == {"a": {"b": value}}

    @pytest.mark.parametrize(
        ("assignment", "sentence"),
        [
            ("seed", "write it as key.path=value"),
            ("=3", "write it as key.path=value"),
            (".=3", "write it as key.path=value"),
            ("search..trials=3", "write it as key.path=value"),
            ("seed=[", "the value is not YAML"),
            ("seed=*a", "the value is not YAML"),
            ("seed.deep=1", "'seed' has no keys below it"),
        ],
    )
    def test_malformed_assignment_is_named(self, assignment: str, sentence: str) -> None:
        with pytest.raises(InputError) as error:
            override({"seed": 1}, [assignment])
        assert str(error.value).startswith(f"--set {assignment}: ")
        assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"serach": {}}, "'serach' is not a known key; did you mean 'search'?"),
        ({"Seed": 3}, "'Seed' is not a known key; did you mean 'seed'?"),
        ({"qqq": 3}, "'qqq' is not a known key; known keys: name, data, "),
        (
            {"search": {"trails": 3}},
            "'search.trails' is not a known key; did you mean 'trials'?",
        ),
        ({"search": {1: 2}}, "'search.1' is not a known key; known keys: scheduler"),
        (
            {"cross_validation": {"fold": 3}},
            "'cross_validation.fold' is not a known key; did you mean 'folds'?",
        ),
        (
            {"space": {"learning_rat": 3}},
            "space: the mlp has no hyperparameter 'learning_rat'; did you mean 'learning_rate'?",
        ),
        (
            {"baseline": {"num_layer": 3}},
            "baseline: the mlp has no hyperparameter 'num_layer'; did you mean 'num_layers'?",
        ),
    ],
)
def test_unknown_key_is_an_error_that_names_the_nearest(raw: dict, message: str) -> None:
    assert problem(**raw).startswith(message)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"seed": -1}, "seed: input should be greater than or equal to 0, got -1"),
        ({"seed": "x"}, "seed: input should be a valid integer"),
        ({"search": {"trials": -1}}, "search.trials: input should be greater than or equal to 0"),
        ({"search": {"trials": 2.5}}, "search.trials: input should be a valid integer"),
        ({"search": None}, "search: it must hold keys, got None"),
        ({"search": {"scheduler": "ahsa"}}, "search.scheduler: input should be 'asha', "),
        (
            {"search": {"grace_epochs": 200}},
            "search: grace_epochs must not be above max_epochs, got 200 and 100",
        ),
        (
            {"search": {"brackets": 6}},
            "search: brackets must be at most 5, as many as there are rung levels, got 6",
        ),
        (
            {"search": {"brackets": 5, "scheduler": "hyperband"}},
            "search: brackets must be at most 4, as many as there are rung levels, got 5",
        ),
        ({"search": {"brackets": 0}}, "search.brackets: input should be greater than or equal"),
        ({"search": {"reduction_factor": 1}}, "search.reduction_factor: input should be"),
        ({"cross_validation": {"folds": 1}}, "cross_validation.folds: input should be"),
        ({"split": {"validation": 0.5, "test": 0.5}}, "split: validation and test together must"),
        ({"split": {"test": 0}, "protocol": "balanced_first"}, "split.test: 0 goes with the prot"),
        ({"split": {"test": float("nan")}}, "split.test: input should be a finite number"),
        ({"resources": {"cpus": float("inf")}}, "resources.cpus: input should be a finite"),
        ({"views": []}, "views: it has too few items"),
        ({"views": "smote"}, "views: it must be a list such as [a, b], got 'smote'"),
        ({"views": ["smoot"]}, "views: there is no view 'smoot'; did you mean 'smote'?"),
        ({"decision": {"by": "cost"}}, "decision: by: cost needs false_positive_cost and false_"),
        ({"decision": {"contacts": 5}}, "decision: contacts goes with by: contacts, and not with"),
        ({"views": ["nearmis"]}, "views: there is no view 'nearmis'; did you mean 'NearMiss'?"),
        ({"views": ["zzz"]}, "views: there is no view 'zzz'; the views are undersampled, smote"),
        ({"views": ["smote", "smote"]}, "views: a view stands twice"),
        ({"views": ["smote", "SMOTE"]}, "views: a view stands twice"),
        ({"name": "a/b"}, "name: string should match"),
        ({"data": {"target": True}}, "data.target: this is no value for it, got True"),
        ({"data": {"drop": [1.5]}}, "data.drop.0: this is no value for it, got 1.5"),
        ({"data": "t.csv"}, "data: it must hold keys, got 't.csv'"),
        ({"space": {}}, "space: it has too few items"),
        ({"space": {"num_layers": {"int": [5, 2]}}}, "space.num_layers: low must not be above"),
        ({"space": {"num_layers": {"int": [0, 2]}}}, "space.num_layers: num_layers, hidden"),
        ({"space": {"num_layers": {"float": [1, 2]}}}, "space.num_layers must be a whole number"),
        ({"space": {"num_layers": True}}, "space.num_layers must be a whole number, got True"),
        ({"space": {"activation": 3}}, "space.activation must be text, got 3"),
        ({"space": {"activation": "gelu"}}, "space.activation: activation must be one of"),
        (
            {"space": {"activation": ["relu", "tanh"]}},
            "space.activation: a domain is {int: [low, high]}",
        ),
        ({"space": {"activation": {"choice": [[1]]}}}, "space.activation.choice.0: this is no"),
        ({"space": {"dropout_rate": {"float": [0, 1]}}}, "space.dropout_rate: dropout_rate must"),
        ({"space": {"learning_rate": {"float": ["a", 1]}}}, "space.learning_rate.float.0: input"),
        (
            {"space": {"learning_rate": {"choice": ["1e-3"]}}},
            "space.learning_rate must be a number such as 0.001 or 1.0e-3, got '1e-3'",
        ),
        ({"baseline": {"learning_rate": "1e-3"}}, "baseline.learning_rate must be a number such"),
        ({"baseline": {"num_layers": 1.5}}, "baseline.num_layers must be a whole number, got 1.5"),
        ({"baseline": {"learning_rate": 0}}, "baseline.learning_rate: l2_strength must not be"),
        ({"baseline": None}, "baseline: it must hold keys"),
    ],
)
def test_unfit_value_is_named_with_its_place(raw: dict, message: str) -> None:
    assert problem(**raw).startswith(message)


def test_whole_numbers_are_fine_for_real_hyperparameters() -> None:
    assert config(baseline={"dropout_rate": 0, "learning_rate": 1}).baseline["dropout_rate"] == 0
    config(space={"l2_strength": {"int": [0, 1]}})


@pytest.mark.parametrize(
    ("search", "levels"),
    [
        ({}, (2, 6, 18, 54, 100)),
        ({"brackets": 5}, (2, 6, 18, 54, 100)),
        ({"grace_epochs": 1, "max_epochs": 16, "reduction_factor": 4}, (1, 4, 16)),
        ({"scheduler": "fifo"}, (2, 6, 18, 54, 100)),
        ({"scheduler": "hyperband"}, (3, 11, 33, 100)),
        ({"scheduler": "hyperband", "grace_epochs": 1}, (1, 3, 11, 33, 100)),
        ({"grace_epochs": 100}, (100,)),
    ],
)
def test_levels_are_those_of_the_first_bracket(search: dict, levels: tuple[int, ...]) -> None:
    assert config(search=search).search.levels == levels


@pytest.mark.parametrize(
    ("search", "sizes", "trials"),
    [
        ({}, (1,), 40),
        ({"brackets": 3}, (9, 5, 3), 40),
        ({"brackets": 3, "trials": 7}, (9, 5, 3), 7),
        ({"scheduler": "hyperband"}, (27, 12, 6, 4), 49),
        ({"scheduler": "hyperband", "brackets": 2}, (27, 12), 39),
        ({"scheduler": "hyperband", "trials": 50}, (27, 12, 6, 4), 50),
    ],
)
def test_brackets_and_trials_unless_given(
    search: dict, sizes: tuple[int, ...], trials: int
) -> None:
    settings = config(search=search).search
    assert (settings.sizes, settings.trial_count) == (sizes, trials)


def test_later_brackets_leave_out_more_levels() -> None:
    search = config(search={"scheduler": "hyperband"}).search
    levels = [(3, 11, 33, 100), (11, 33, 100), (33, 100), (100,)]
    assert [search.levels_of(number) for number in range(6)] == levels + levels[:2]
