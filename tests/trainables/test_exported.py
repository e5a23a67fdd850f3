"""What an exported model predicts does not depend on how many rows it takes at once."""

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.preprocessing import Preprocessor
from evensweep.datasets.schema import Column, ColumnKind, Schema
from evensweep.trainables import exported
from evensweep.trainables.exported import RankingModel
from evensweep.trainables.mlp import MLPConfig, build_keras_model, initial_weights

SCHEMA = Schema(
    columns=(Column("age", ColumnKind.NUMERIC), Column("balance", ColumnKind.NUMERIC)),
    target="bought",
    positive="yes",
    negative="no",
)


@pytest.mark.parametrize("rows", [1, 5, 6, 40])
def test_rows_are_scored_in_pieces(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=["age", "balance"])
    preprocessor = Preprocessor().fit(frame)
    config = MLPConfig(hidden_layer_size=5, embedding="periodic")
    n_features = len(preprocessor.output_names())
    network = build_keras_model(config, n_features, initial_weights(config, n_features, seed=1))
    model = RankingModel(SCHEMA, 0.5, [preprocessor], [(1.0, [(network, -0.4)])])
    whole = model.predict_proba(frame.head(rows))
    sizes = []

    def counted(X: np.ndarray, training: bool) -> np.ndarray:
        sizes.append(len(X))
        return network(X, training=training)

    monkeypatch.setattr(exported, "_NETWORK_VALUES", 5 * n_features)
    monkeypatch.setattr(model, "_members", [(1.0, [(counted, -0.4)])])
    np.testing.assert_allclose(model.predict_proba(frame.head(rows)), whole, atol=1e-6)
    assert max(sizes) <= 5
    assert sum(sizes) == rows
