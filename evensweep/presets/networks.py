"""Keras models of the presets that the built-in family does not have."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def normalised(config: dict[str, Any], n_features: int) -> "keras.Model":
    """Dense layers, each with batch normalisation and dropout, and one sigmoid output.

    Args:
        config: ``num_layers``, ``width``, ``dropout_rate`` and ``learning_rate`` (of Adam).
        n_features: Columns of the feature matrix.
    """
    import keras

    layers: list[keras.Layer] = [keras.Input((n_features,))]
    for _ in range(config["num_layers"]):
        layers += [
            keras.layers.Dense(config["width"], activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(config["dropout_rate"]),
        ]
    return keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
