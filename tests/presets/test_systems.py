"""The presets that ship, and what was published for them."""

from pathlib import Path

import pytest

from evensweep.presets import preset_paths, preset_title
from evensweep.presets.systems import preset_config, published_system

PRESETS = list(preset_paths())


def test_the_five_published_systems_are_there() -> None:
    assert set(PRESETS) == {
        "audiobook-app", "customer-segmentation", "repeat-customers", "return-predictor",
        "returning-customers",
    }  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_honest_unless_its_published_form_is_wanted(preset: str) -> None:
    config = preset_config(preset, Path("table.csv"), published=False)
    assert config.protocol == "holdout"
    assert (config.name, config.data.path) == (preset, Path("table.csv").resolve())
    assert preset_title(preset_paths()[preset]).endswith((".", "?"))


@pytest.mark.parametrize("preset", PRESETS)
def test_published_figures_are_of_stages_that_the_published_form_has(preset: str) -> None:
    config = preset_config(preset, Path("table.csv"), published=True)
    assert config.name == f"{preset}-published"
    system = published_system(preset)
    for figure in system.figures:
        assert (figure.view in config.views) == (figure.stage != "test")
        assert {figure.log_loss, figure.accuracy, figure.f1} != {None}
    # The plain form, which is what published notebooks have.
    assert not config.preprocessing.long_tails
    assert not config.preprocessing.indicators


def test_published_settings_leave_a_sections_other_keys() -> None:
    config = preset_config("audiobook-app", Path("table.csv"), published=True)
    assert (config.training.batch_size, config.training.patience) == (100, 2)
    assert config.baseline["hidden_layer_size"] == 50
    assert config.data.id_columns == ("customer_id",)


def test_published_networks_are_not_the_presets_better_ones() -> None:
    customers = preset_config("repeat-customers", Path("table.csv"), published=True)
    assert list(customers.views) == ["undersampled", "smote"]
    assert set(customers.space) == {
        "num_layers", "hidden_layer_size", "activation", "dropout_rate", "l2_strength",
        "learning_rate",
    }  # fmt: skip
    segmentation = preset_config("customer-segmentation", Path("table.csv"), published=True)
    assert segmentation.trainable == "evensweep.presets.networks:normalised"
    assert segmentation.baseline["width"] == 64
    for preset in ("repeat-customers", "customer-segmentation"):
        assert "embedding" in preset_config(preset, Path("table.csv"), published=False).space
