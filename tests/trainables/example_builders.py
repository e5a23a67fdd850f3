"""Builders as users write them, for the tests of the builder family."""

from typing import Any

import keras

Config = dict[str, Any]

L2 = keras.regularizers.L2


def plain(config: Config, n_features: int) -> keras.Model:
    """Not compiled, and without an input layer."""
    return keras.Sequential(
        [
            keras.layers.Dense(config.get("units", 9), activation="relu"),
            keras.layers.Dense(9, activation="tanh"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


def normalised(config: Config, n_features: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            # Without a shift, which the next one takes out again: its gradient would be roundings.
            keras.layers.BatchNormalization(momentum=0.9, center=False),
            keras.layers.Dense(9, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


def skipping(config: Config, n_features: int) -> keras.Model:
    inputs = keras.Input((n_features,))
    hidden = keras.layers.Dense(9, activation="relu")(inputs)
    hidden = hidden + keras.layers.Dense(9, activation="selu")(hidden)
    joined = keras.layers.Concatenate()([hidden, inputs])
    return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(joined))


def sigmoid(config: Config, n_features: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(9, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def penalised(config: Config, n_features: int) -> keras.Model:
    """Every kind of penalty: on kernels, biases and outputs, Keras' own and another."""
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(
                9,
                activation="relu",
                kernel_regularizer=keras.regularizers.L1L2(config["l1"], config["l2"]),
                activity_regularizer=L2(1e-3),
            ),
            keras.layers.Dense(
                9, activation="relu", kernel_regularizer=L2(config["l2"]), bias_regularizer="l1"
            ),
            keras.layers.Dense(
                9,
                activation="relu",
                kernel_regularizer=keras.regularizers.OrthogonalRegularizer(1e-3),
            ),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


def compiled(config: Config, n_features: int) -> keras.Model:
    """Compiled with the optimizer that the configuration names."""
    rate = config["learning_rate"]
    optimizers = {
        "rmsprop": lambda: keras.optimizers.RMSprop(rate, momentum=0.5),
        "adamw": lambda: keras.optimizers.AdamW(rate, weight_decay=config.get("decay", 0.01)),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        "nadam": lambda: keras.optimizers.Nadam(rate, global_clipnorm=0.5),
        "clipped": lambda: keras.optimizers.Adam(rate, clipnorm=0.1),
        "lamb": lambda: keras.optimizers.Lamb(rate),
        "excluding": lambda: _excluding(rate),
        "averaged": lambda: keras.optimizers.Adam(rate, use_ema=True, ema_overwrite_frequency=3),
        "accumulating": lambda: keras.optimizers.Adam(rate, gradient_accumulation_steps=2),
        "scaled": lambda: keras.optimizers.Adam(rate, loss_scale_factor=64.0),
        "scheduled": lambda: keras.optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(rate, 10, 0.8)
        ),
    }
    model = penalised({"l1": 1e-4, "l2": 1e-3}, n_features)
    model.compile(optimizers[config["optimizer"]](), "sparse_categorical_crossentropy")
    return model


def _excluding(rate: float) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.05)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def constrained(config: Config, n_features: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(9, activation="relu", kernel_constraint="max_norm"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


class Subclassed(keras.Model):
    """Its layers get ``training`` from Keras' call context alone."""

    def __init__(self, units: int, rate: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.rate = rate
        self.hidden = keras.layers.Dense(units, activation="relu", kernel_regularizer=L2(1e-3))
        self.normalise = keras.layers.BatchNormalization()
        self.drop = keras.layers.Dropout(rate)
        self.out = keras.layers.Dense(2, activation="softmax")

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.out(self.drop(self.normalise(self.hidden(inputs))))

    def get_config(self) -> Config:
        return {"units": self.units, "rate": self.rate}


def subclassed(config: Config, n_features: int) -> keras.Model:
    return Subclassed(9, config.get("rate", 0.0))


def nested(config: Config, n_features: int) -> keras.Model:
    """Dropout at two depths, and one layer of it used twice."""
    block = keras.Sequential(
        [
            keras.layers.Dense(9, activation="relu", kernel_regularizer=L2(config["l2"])),
            keras.layers.Dropout(config["rate"]),
        ]
    )
    shared = keras.layers.Dropout(config["rate"] / 2)
    inputs = keras.Input((n_features,))
    hidden = shared(keras.layers.Dense(9, activation="relu")(shared(inputs)))
    outputs = keras.layers.Dense(2, activation="softmax")(block(hidden))
    return keras.Model(inputs, outputs)


def noisy(config: Config, n_features: int) -> keras.Model:
    """Random layers that keep their own generators."""
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.GaussianNoise(0.1),
            keras.layers.Dense(9, activation="relu", kernel_initializer="he_normal"),
            keras.layers.BatchNormalization(),
            keras.layers.GaussianDropout(0.2),
            keras.layers.Dropout(config.get("rate", 0.3)),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


class Unseeded(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs + keras.random.normal((6,))


def unseeded(config: Config, n_features: int) -> keras.Model:
    """Draws from Keras' global generator, which no trial can save."""
    out = keras.layers.Dense(2, activation="softmax")
    return keras.Sequential([keras.Input((n_features,)), Unseeded(), out])


def scaled(config: Config, n_features: int) -> keras.Model:
    """Code of its own that depends on the configuration, which no serialised model shows."""
    factor = config["factor"]

    def activation(x: Any) -> Any:
        return keras.ops.tanh(factor * x)

    class Scale(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * factor

    where = config["where"]
    layers = {
        "activation": lambda: keras.layers.Dense(9, activation=activation),
        "layer": Scale,
        "lambda": lambda: keras.layers.Lambda(lambda x: x * factor),
        "constant": lambda: keras.layers.Rescaling(factor),
    }
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            layers[where](),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
