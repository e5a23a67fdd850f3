"""Networks and input transforms that the ablation compares; see ``ablation.py``."""

from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from sklearn.preprocessing import QuantileTransformer

from evensweep.trainables.keras_layers import PeriodicEmbedding
from evensweep.trainables.mlp import UNITS


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
class PerMember(keras.layers.Layer):
    """Factors, or summands, of every unit that are a member's own (TabM; Gorishniy et al. 2025).

    Args:
        kind: ``signs`` are factors that start as random signs, which is what tells members apart;
            ``factors`` start as ones, and ``summands`` as zeros.
    """

    def __init__(self, kind: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.kind = kind

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        seed = keras.random.SeedGenerator()

        def signs(shape: Any, dtype: Any = None) -> Any:
            return ops.cast(keras.random.randint(shape, 0, 2, seed=seed) * 2 - 1, dtype)

        start: Any = {"signs": signs, "factors": "ones", "summands": "zeros"}[self.kind]
        self.own = self.add_weight(shape=shape[1:], initializer=start)

    def call(self, X: Any) -> Any:
        """Of shape (n_rows, members, units), as it was."""
        return X + self.own if self.kind == "summands" else X * self.own

    def get_config(self) -> dict[str, Any]:
        """For saving."""
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable("evensweep_benchmarks")
class MeanOfMembers(keras.layers.Layer):
    """Logits of the members' mean probability; in training, of their mean log-probability.

    Members are trained each by itself: on the mean of their cross-entropies. The mean over members
    of log p is not normalised, as a softmax of it is; the difference is an added loss.
    """

    def call(self, logits: Any, training: bool = False) -> Any:
        """(n_rows, members, 2) to (n_rows, 2)."""
        members = ops.log_softmax(logits)
        if not training:
            return ops.logsumexp(members, axis=1)
        mean = ops.mean(members, axis=1)
        self.add_loss(-ops.mean(ops.logsumexp(mean, axis=-1)))
        return mean


def _embedded(X: Any, embedding: str | float | None) -> Any:
    """Columns as they are, by a linear map each, or by waves of the given scale."""
    if embedding == "linear":
        uniform = keras.initializers.RandomUniform(-1.0, 1.0)
        shape = (X.shape[-1], UNITS)
        layer = keras.layers.EinsumDense(
            "nc,cu->ncu",
            shape,
            activation="relu",
            bias_axes="cu",
            kernel_initializer=uniform,
            bias_initializer=uniform,
        )
        return keras.layers.Flatten()(layer(X))
    return X if embedding is None else PeriodicEmbedding(embedding)(X)


def perceptron(config: dict[str, Any], n_features: int) -> keras.Model:
    """Dense layers with dropout, and what ``config`` adds to them."""
    features = keras.Input((n_features,))
    X = _embedded(features, config.get("embedding"))
    for layer in range(config["num_layers"]):
        before = X
        X = keras.layers.Dense(config["hidden_layer_size"], activation="relu")(X)
        if "norm" in config:
            X = getattr(keras.layers, config["norm"])()(X)
        X = keras.layers.Dropout(config["dropout_rate"])(X)
        if "skips" in config and layer > 0:
            X = keras.layers.Add()([before, X])
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
    """Residual blocks (the ResNet of Gorishniy et al. 2021), with or without normalisation."""
    width = config["hidden_layer_size"]

    def normalised(X: Any) -> Any:
        return keras.layers.BatchNormalization()(X) if config["norm"] else X

    features = keras.Input((n_features,))
    X = keras.layers.Dense(width)(_embedded(features, config.get("embedding")))
    for _ in range(config["num_layers"]):
        inner = keras.layers.Dense(2 * width, activation="relu")(normalised(X))
        inner = keras.layers.Dropout(config["dropout_rate"])(inner)
        X = keras.layers.Add()([X, keras.layers.Dense(width)(inner)])
    X = keras.layers.Activation("relu")(normalised(X))
    return keras.Model(features, keras.layers.Dense(2, activation="softmax")(X))


def members(config: dict[str, Any], n_features: int) -> keras.Model:
    """Perceptrons that share most weights (TabM; Gorishniy et al. 2025).

    Members have factors of all layers' inputs and outputs, biases, and an output layer of their
    own; those of a ``mini`` have factors of the first layer's inputs, and an output layer.
    """
    features = keras.Input((n_features,))
    X = _embedded(features, config.get("embedding"))
    X = PerMember("signs")(keras.layers.RepeatVector(config["members"])(X))
    for layer in range(config["num_layers"]):
        width = config["hidden_layer_size"]
        if config["mini"]:
            X = keras.layers.Dense(width)(X)
        else:
            X = X if layer == 0 else PerMember("factors")(X)
            X = PerMember("factors")(keras.layers.Dense(width, use_bias=False)(X))
            X = PerMember("summands")(X)
        X = keras.layers.Dropout(config["dropout_rate"])(keras.layers.Activation("relu")(X))
    heads = keras.layers.EinsumDense("nmi,mio->nmo", (config["members"], 2), bias_axes="mo")
    return keras.Model(features, keras.layers.Softmax()(MeanOfMembers()(heads(X))))
