"""The exported model: files that load without executing code, and the class that scores with it.

``model.json`` names, for every member of the ensemble, its weight and one ``.keras`` network a
fold; ``preprocessing/`` holds the preprocessing fitted in each fold. A row's probability is the
weighted mean over members of the mean over folds.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..datasets.errors import InputError
from ..datasets.preprocessing import Preprocessor
from ..datasets.schema import Schema
from ..datasets.table import read_features
from ..results.calibration import shift_log_odds
from ..results.files import read_json, read_tree
from .builder import is_builder
from .family import MLP, FamilySpec, load_family

if TYPE_CHECKING:
    import keras

MANIFEST = "model.json"
FORMAT = 1
_CHUNK_ROWS = 65_536
_NETWORK_VALUES = 2**17
"""Numbers that a network takes at once; embeddings and members make many of each."""


def keras_files(
    hyperparameters: Mapping[str, Any],
    networks: Sequence[tuple[int, Sequence[np.ndarray]]],
    family: FamilySpec = MLP,
) -> list[bytes]:
    """The ``.keras`` files of a member's fold networks; called on a worker.

    Args:
        hyperparameters: Of the family.
        networks: Of each fold, the columns of its feature matrix and the weights, in Keras' order.
            Folds differ in columns where a gap or a category is in the rows of some alone.
        family: What was trained.
    """
    make = load_family(family).keras_model
    models = {n: make(hyperparameters, n) for n in {n for n, _ in networks}}
    files = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        for n_features, weights in networks:
            models[n_features].set_weights(list(weights))
            models[n_features].save(path)
            files.append(path.read_bytes())
    return files


def score_exported(model: "PackedModel", features: pd.DataFrame) -> np.ndarray:
    """Scores rows with an exported model as it is loaded by a user; called on a worker.

    Args:
        model: The model, which any node can load.
        features: Rows as :meth:`RankingModel.predict_proba` takes them.
    """
    return model.model.predict_proba(features)[:, 1]


def load_network(path: Path) -> "keras.Model":
    """Loads a ``.keras`` file without executing anything in it.

    Raises:
        InputError: It has layers that are not Keras' own and not registered in this process.
    """
    from . import keras_layers  # noqa: F401 - registers our own

    import keras  # isort: skip

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path} holds parts that are not Keras' own, and loading them would execute code; "
            "register them with @keras.saving.register_keras_serializable() and import their "
            "module before loading"
        ) from error


class RankingModel:
    """Scores tables with an exported ensemble.

    Attributes:
        schema: The features it wants, and the labels it predicts.
        threshold: Rows at or above this probability are called positive.
    """

    def __init__(
        self,
        schema: Schema,
        threshold: float,
        preprocessors: Sequence[Preprocessor],
        members: Sequence[tuple[float, Sequence[tuple[Any, float]]]],
    ) -> None:
        self.schema = schema
        self.threshold = threshold
        self._preprocessors = preprocessors
        self._members = members

    @classmethod
    def load(cls, folder: Path) -> "RankingModel":
        """Reads the folder that a run leaves as ``model/``; nothing in it is executed.

        Raises:
            InputError: There is no model, one of another format, or one with layers that are not
                Keras' own and not registered in this process.
        """
        if not folder.is_dir():
            raise InputError(f"{folder.parent} has no exported model yet; resume the run first")
        manifest = read_json(folder / MANIFEST)
        if manifest.get("format") != FORMAT:
            raise InputError(
                f"{folder} holds a model of format {manifest.get('format')}, and this version "
                f"reads format {FORMAT}; use the version that wrote it"
            )

        def network(file: str) -> Any:
            return load_network(folder / file)

        return cls(
            schema=Schema.from_json(manifest["schema"]),
            threshold=manifest["threshold"],
            preprocessors=[Preprocessor.load(folder / f) for f in manifest["preprocessing"]],
            members=[
                (
                    member["weight"],
                    [(network(n["file"]), n["log_odds_shift"]) for n in member["networks"]],
                )
                for member in manifest["members"]
            ],
        )

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Natural-prior probabilities, float64 of shape (n_rows, 2): negative, positive.

        Args:
            frame: Holds the schema's feature columns, in any order; other columns are ignored.

        Raises:
            InputError: A column is missing or unfit.
        """
        features = read_features(frame, self.schema, "the table to score")
        positive = np.concatenate(
            [
                self._score(features.iloc[start : start + _CHUNK_ROWS])
                for start in range(0, max(len(features), 1), _CHUNK_ROWS)
            ]
        )
        return np.column_stack([1 - positive, positive])

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Labels as text, ndarray of shape (n_rows,), at the model's threshold."""
        positive = self.predict_proba(frame)[:, 1] >= self.threshold
        return np.where(positive, self.schema.positive, self.schema.negative)

    def _score(self, features: pd.DataFrame) -> np.ndarray:
        total = np.zeros(len(features))
        if not len(features):
            return total
        for fold, preprocessor in enumerate(self._preprocessors):
            X = preprocessor.transform(features)
            pieces = np.array_split(X, -(-X.size // _NETWORK_VALUES))
            for weight, networks in self._members:
                network, shift = networks[fold]
                outputs = [np.asarray(network(piece, training=False)) for piece in pieces]
                probabilities = np.concatenate(outputs)[:, -1]
                total += weight * shift_log_odds(probabilities, shift)
        return total / len(self._preprocessors)


def load_exported(folder: Path, family: Callable[[], FamilySpec]) -> RankingModel:
    """Loads an exported model, with the builder's module if it has layers that are not Keras' own.

    Args:
        folder: The model.
        family: Tells what was trained; called if the model can't be loaded without.

    Raises:
        InputError: As for :meth:`RankingModel.load`, or the builder can't be imported.
    """
    try:
        return RankingModel.load(folder)
    except InputError:
        if not (folder.is_dir() and is_builder((spec := family()).trainable)):
            raise
    load_family(spec)  # the builder's module may register the layers it lacks
    return RankingModel.load(folder)


class PackedModel:
    """An exported model held in memory as the content of its files, and pickled as that.

    Args:
        folder: The model.
        family: What was trained.
    """

    def __init__(self, folder: Path, family: FamilySpec = MLP) -> None:
        self.family = family
        self.files = read_tree(folder)

    @cached_property
    def model(self) -> RankingModel:
        """The model, loaded at the first use; that imports TensorFlow."""
        with tempfile.TemporaryDirectory() as name:
            for file, content in self.files.items():
                path = Path(name, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return load_exported(Path(name), lambda: self.family)

    def __getstate__(self) -> dict[str, Any]:
        return {"family": self.family, "files": self.files}
