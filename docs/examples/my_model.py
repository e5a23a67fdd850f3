"""A builder: a deep network with a linear path beside it."""

import keras


def wide_and_deep(config: dict, n_features: int) -> keras.Model:
    """Two dense layers, and the columns themselves, both feed one sigmoid unit."""
    columns = keras.Input((n_features,))
    hidden = keras.layers.Dense(config["units"], activation="gelu")(columns)
    hidden = keras.layers.Dropout(config["dropout"])(hidden)
    hidden = keras.layers.Dense(config["units"] // 2, activation="gelu")(hidden)
    both = keras.layers.Concatenate()([hidden, columns])
    return keras.Model(columns, keras.layers.Dense(1, activation="sigmoid")(both))
