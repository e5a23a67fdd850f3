"""The number of configurations that all tools get is the one that Keras Tuner's Hyperband tries."""

import pytest
from comparison.settings import FULL, QUICK, hyperband_rounds


def test_rounds_of_100_epochs() -> None:
    rounds = hyperband_rounds(100)
    assert rounds == [[98, 33, 11, 4, 2], [41, 14, 5, 2], [18, 6, 2], [9, 3], [6]]
    assert sum(bracket[0] for bracket in rounds) == 172


def test_configurations_and_brackets_of_the_forms() -> None:
    assert {view: FULL.configurations(view) for view in FULL.max_epochs} == {
        "undersampled": 172,
        "smote": 172,
    }
    assert [FULL.brackets(view) for view in FULL.max_epochs] == [5, 5]
    assert QUICK.configurations("smote") == 17
    assert QUICK.brackets("smote") == 3


@pytest.mark.parametrize("max_epochs", [1, 3, 9, 81, 100, 150, 243])
def test_rounds_are_those_of_keras_tuner(max_epochs: int) -> None:
    oracle = pytest.importorskip("keras_tuner").oracles.HyperbandOracle(
        objective="val_loss", max_epochs=max_epochs, factor=3
    )
    brackets = range(oracle._get_num_brackets() - 1, -1, -1)
    assert hyperband_rounds(max_epochs) == [
        [oracle._get_size(bracket, n) for n in range(oracle._get_num_rounds(bracket))]
        for bracket in brackets
    ]
