"""The exported model: files that load without executing code, and the class that scores with it.

``model.json`` names, for every member of the ensemble, its weight and one ``.keras`` network a
fold; ``preprocessing/`` holds the preprocessing fitted in each fold. A row's probability is the
weighted mean over members of the mean over folds.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np
import pandas as pd

from ..datasets.errors import InputError
from ..datasets.features import read_features
from ..datasets.preprocessing import Preprocessor
from ..datasets.schema import Schema
from ..results.calibration import shift_log_odds
from ..results.files import damaged, read_tree, reading
from .builder import is_builder
from .family import MLP, FamilySpec, load_family
from .manifest import MANIFEST, model_remedy, read_manifest

if TYPE_CHECKING:
    import keras

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


def load_network(path: Path, remedy: str | None = None) -> "keras.Model":
    """Loads a ``.keras`` file without executing anything in it.

    Args:
        path: The file.
        remedy: What to do if it is damaged; see :func:`~evensweep.results.files.reading`.

    Raises:
        InputError: It is missing or damaged, or has layers that are not Keras' own and not
            registered in this process.
    """
    from . import keras_layers  # noqa: F401 - registers our own

    import keras  # isort: skip

    with reading(path, remedy), ZipFile(path) as archive:
        if (broken := archive.testzip()) is not None:
            raise ValueError(f"its part {broken} is not what was written")
        foreign = sorted(set(_foreign_parts(json.loads(archive.read("config.json")))))
        try:
            network = keras.saving.load_model(path, compile=False, safe_mode=True)
        except (TypeError, ValueError) as error:
            if not foreign:
                raise
            raise InputError(
                f"{path} holds parts that are not Keras' own ({', '.join(foreign)}), and loading "
                "them would execute code; register them with "
                "@keras.saving.register_keras_serializable() and import their module before loading"
            ) from error
        if not isinstance(network, keras.Model):
            raise TypeError(f"it holds a {type(network).__name__} and no model")
        return network


def _foreign_parts(config: Any) -> Iterator[str]:
    """Names of the classes and functions in a network's configuration that Keras doesn't know."""
    if isinstance(config, dict):
        name, module = str(config.get("class_name")), str(config.get("module"))
        ours = str(config.get("registered_name")).startswith("evensweep>")
        if "lambda" in name.casefold():
            yield name
        elif "class_name" in config and not ours and not module.startswith(("keras", "builtins")):
            yield f"{module}.{name}"
    for value in config.values() if isinstance(config, dict) else config:
        if isinstance(value, dict | list):
            yield from _foreign_parts(value)


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
            InputError: There is no model, one that is damaged or of another format, or one with
                layers that are not Keras' own and not registered in this process.
        """
        if not folder.is_dir():
            raise InputError(f"{folder.parent} has no exported model yet; resume the run first")
        manifest, remedy = read_manifest(folder), model_remedy(folder)
        schema = Schema.from_json(manifest["schema"])
        preprocessors = []
        for file in manifest["preprocessing"]:
            with reading(folder / file, remedy):
                preprocessors.append(Preprocessor.load(folder / file))
            if preprocessors[-1].columns != schema.columns_by_type:
                raise damaged(folder / file, f"its columns are not those of {MANIFEST}", remedy)
        widths = [len(preprocessor.output_names()) for preprocessor in preprocessors]

        def network(file: str, width: int) -> Any:
            loaded = load_network(folder / file, remedy)
            # A model of a class of its own may not know its shapes.
            taken, given = (
                getattr(loaded, "input_shape", None),
                getattr(loaded, "output_shape", None),
            )
            if taken not in (None, (None, width)) or given not in (None, (None, 1), (None, 2)):
                reason = f"it takes {taken} and gives {given}, and not {width} columns' probability"
                raise damaged(folder / file, reason, remedy)
            return loaded

        return cls(
            schema=schema,
            threshold=manifest["threshold"],
            preprocessors=preprocessors,
            members=[
                (
                    member["weight"],
                    [
                        (network(entry["file"], width), entry["log_odds_shift"])
                        for entry, width in zip(member["networks"], widths, strict=True)
                    ],
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
        # A mean of ones may exceed one by a rounding.
        return np.minimum(total / len(self._preprocessors), 1.0)


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
        self.folder = str(folder)
        self.files = read_tree(folder)

    @cached_property
    def model(self) -> RankingModel:
        """The model, loaded at the first use; that imports TensorFlow."""
        with tempfile.TemporaryDirectory() as name:
            for file, content in self.files.items():
                path = Path(name, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            try:
                return load_exported(Path(name), lambda: self.family)
            except InputError as error:
                raise InputError(str(error).replace(name, self.folder)) from error

    def __getstate__(self) -> dict[str, Any]:
        return {"family": self.family, "folder": self.folder, "files": self.files}
