"""Networks and input transforms that the ablation compares; see ``ablation.py``."""

from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from sklearn.preprocessing import QuantileTransformer


class Inputs(Protocol):
    """A transform of columns of numbers, float64 of shape (n_rows, n_columns), fitted on rows."""

    def fit(self, X: np.ndarray) -> Any:
        """Fits it."""

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Rows with the same or more columns."""


class Quantile:
    """To a normal distribution by ranks (as in Gorishniy et al. 2021); columns of two values stay.

    The number of quantiles grows with the rows, as there.
    """

    def fit(self, X: np.ndarray) -> "Quantile":
        """Fits it."""
        self._many = _many_valued(X)
        count = max(min(len(X) // 30, 1000), 10)
        self._ranks = QuantileTransformer(
            output_distribution="normal", n_quantiles=count, subsample=None, random_state=0
        ).fit(X[:, self._many])
        ranked = self._ranked(X)
        self._mean, self._scale = ranked.mean(axis=0), ranked.std(axis=0) + 1e-9
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Ranked and standardised."""
        return (self._ranked(X) - self._mean) / self._scale

    def _ranked(self, X: np.ndarray) -> np.ndarray:
        ranked = X.copy()
        ranked[:, self._many] = self._ranks.transform(X[:, self._many])
        return ranked


class RobustClip:
    """Scaled by the interquartile range, then softly clipped to ±3 (Holzmüller et al. 2024)."""

    def fit(self, X: np.ndarray) -> "RobustClip":
        """Fits it."""
        low, self._median, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
        spread = X.max(axis=0) - X.min(axis=0)
        self._scale = np.where(high > low, high - low, np.where(spread > 0, spread / 2, 1))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Scaled and clipped."""
        scaled = (X - self._median) / self._scale
        return scaled / np.sqrt(1 + (scaled / 3) ** 2)


class PiecewiseLinear:
    """A column's place in each of its quantile bins, beside the column (Gorishniy et al. 2022)."""

    def __init__(self, bins: int) -> None:
        self._bins = bins

    def fit(self, X: np.ndarray) -> "PiecewiseLinear":
        """Fits it."""
        shares = np.linspace(0, 1, self._bins + 1)
        self._edges = [np.unique(np.quantile(column, shares)) for column in X.T]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The columns, then every column's bins."""
        places = [X]
        for column, edges in zip(X.T, self._edges, strict=True):
            if len(edges) > 2:
                places.append(np.clip((column[:, None] - edges[:-1]) / np.diff(edges), 0, 1))
        return np.concatenate(places, axis=1)


def _many_valued(X: np.ndarray) -> np.ndarray:
    return np.array([len(np.unique(column)) > 2 for column in X.T])


@keras.saving.register_keras_serializable("evensweep_benchmarks")
class LabelSmoothing(keras.layers.Layer):
    """Passes logits on; adds what smoothed labels add to the cross-entropy, up to a factor.

    With labels of 1 − ε + ε/2 and ε/2 the loss is (1 − ε) · cross-entropy + ε · the mean of both
    classes' −log p, and under Adam only the ratio of the two counts.
    """

    def __init__(self, epsilon: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.epsilon = epsilon

    def call(self, logits: Any) -> Any:
        """The logits."""
        share = self.epsilon / (1 - self.epsilon)
        self.add_loss(share * -ops.mean(ops.log_softmax(logits)))
        return logits

    def get_config(self) -> dict[str, Any]:
        """For saving."""
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("evensweep_benchmarks")
class Embedding(keras.layers.Layer):
    """Every column as a few units of its own: ReLU of a linear map of the column or of its waves.

    Args:
        size: Units a column.
        waves: Learned frequencies a column, each a cosine and a sine (Gorishniy et al. 2022); 0
            maps the column itself.
        scale: Standard deviation of the initial frequencies.
    """

    def __init__(self, size: int, waves: int, scale: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.size, self.waves, self.scale = size, waves, scale

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        columns, inner = shape[-1], 2 * self.waves or 1
        start = keras.initializers.RandomUniform(-(inner**-0.5), inner**-0.5)
        if self.waves:
            normal = keras.initializers.RandomNormal(stddev=self.scale)
            self.frequencies = self.add_weight(shape=(columns, 1, self.waves), initializer=normal)
        self.kernel = self.add_weight(shape=(columns, inner, self.size), initializer=start)
        self.bias = self.add_weight(shape=(columns, 1, self.size), initializer=start)

    def call(self, X: Any) -> Any:
        """(n_rows, n_columns) to (n_rows, n_columns · size)."""
        values = ops.transpose(X)[:, :, None]
        if self.waves:
            angles = 2 * np.pi * values * self.frequencies
            values = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)
        units = ops.relu(ops.matmul(values, self.kernel) + self.bias)
        return ops.reshape(ops.transpose(units, (1, 0, 2)), (-1, units.shape[0] * self.size))

    def get_config(self) -> dict[str, Any]:
        """For saving."""
        mine = {"size": self.size, "waves": self.waves, "scale": self.scale}
        return {**super().get_config(), **mine}


def perceptron(config: dict[str, Any], n_features: int) -> keras.Model:
    """Dense layers with dropout, and what ``config`` adds to them."""
    X = features = keras.Input((n_features,))
    if "embedding" in config:
        X = Embedding(*config["embedding"])(X)
    for _ in range(config["num_layers"]):
        X = keras.layers.Dense(config["hidden_layer_size"], activation="relu")(X)
        if "norm" in config:
            X = getattr(keras.layers, config["norm"])()(X)
        X = keras.layers.Dropout(config["dropout_rate"])(X)
    X = keras.layers.Dense(2)(X)
    if "label_smoothing" in config:
        X = LabelSmoothing(config["label_smoothing"])(X)
    model = keras.Model(features, keras.layers.Softmax()(X))
    if "weight_decay" in config:
        rate: Any = config["learning_rate"]
        if "cosine_steps" in config:
            rate = keras.optimizers.schedules.CosineDecay(rate, config["cosine_steps"])
        optimizer = keras.optimizers.AdamW(rate, weight_decay=config["weight_decay"])
        model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def residual(config: dict[str, Any], n_features: int) -> keras.Model:
    """Residual blocks with batch normalisation (the ResNet of Gorishniy et al. 2021)."""
    width = config["hidden_layer_size"]
    features = keras.Input((n_features,))
    X = keras.layers.Dense(width)(features)
    for _ in range(config["num_layers"]):
        inner = keras.layers.BatchNormalization()(X)
        inner = keras.layers.Dense(2 * width, activation="relu")(inner)
        inner = keras.layers.Dropout(config["dropout_rate"])(inner)
        X = keras.layers.Add()([X, keras.layers.Dense(width)(inner)])
    X = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(X))
    return keras.Model(features, keras.layers.Dense(2, activation="softmax")(X))
