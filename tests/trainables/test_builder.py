"""What is wrong with a builder, each in one sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evensweep.datasets.errors import InputError
from evensweep.trainables.builder import Builder, is_builder
from evensweep.trainables.builder_family import BuilderFamily

HEADER = "import keras\nfrom keras import layers\n"
BROKEN = {
    "raises": ("raise RuntimeError(f'no {config}')", "failed for {'units': 3} with RuntimeError"),
    "key": ("return config['layers']", "with KeyError: 'layers'; mend the builder or the space"),
    "nothing": ("pass", "returned nothing; it must return a keras.Model"),
    "layer": (
        "return layers.Dense(2)",
        "returned an object of type Dense; it must return a keras.Model",
    ),
    "columns": (
        "return keras.Sequential([keras.Input((9,)), layers.Dense(2, activation='softmax')])",
        "input shape (None, 9); it must take one input of shape (None, 4)",
    ),
    "two_inputs": (
        "a, b = keras.Input((4,)), keras.Input((4,))\n"
        "    return keras.Model([a, b], layers.Dense(2, activation='softmax')(a + b))",
        "input shape (None, 4) and (None, 4)",
    ),
    "fixed_batch": (
        "x = keras.Input(batch_shape=(8, 4))\n"
        "    return keras.Model(x, layers.Dense(2, activation='softmax')(x))",
        "input shape (8, 4)",
    ),
    "rank": (
        "return keras.Sequential([layers.Conv1D(2, 1), layers.Dense(2, activation='softmax')])",
        "can't take rows of 4 columns",
    ),
    "units": (
        "return keras.Sequential([layers.Dense(3, activation='softmax')])",
        "output shape (None, 3); it must end in two softmax units, or in one sigmoid unit",
    ),
    "two_outputs": (
        "x = keras.Input((4,))\n    return keras.Model(x, [x, x])",
        "it must end in two softmax units",
    ),
    "logits": (
        "return keras.Sequential([layers.Dense(2)])",
        "(its last activation is linear); end it in Dense(2, activation='softmax')",
    ),
    "zero_logits": (
        "return keras.Sequential([layers.Dense(1, kernel_initializer='zeros')])",
        "end it in Dense(1, activation='sigmoid')",
    ),
    "sigmoids": ("return keras.Sequential([layers.Dense(2, activation='sigmoid')])", "softmax"),
    "softmax_of_one": (
        "return keras.Sequential([layers.Dense(1, activation='softmax')])",
        "sigmoid",
    ),
    "functional_logits": (
        "x = keras.Input((4,))\n    return keras.Model(x, layers.Dense(1)(x) * 1.0)",
        "is not a probability",
    ),
    "wrong_loss": (
        "m = keras.Sequential([layers.Dense(2, activation='softmax')])\n"
        "    m.compile('adam', 'mse')\n    return m",
        "2 output units is trained with plain sparse_categorical_crossentropy",
    ),
    "other_loss": (
        "m = keras.Sequential([layers.Dense(1, activation='sigmoid')])\n"
        "    m.compile('adam', 'sparse_categorical_crossentropy')\n    return m",
        "1 output unit is trained with plain binary_crossentropy",
    ),
    "from_logits": (
        "m = keras.Sequential([layers.Dense(1, activation='sigmoid')])\n"
        "    m.compile('adam', keras.losses.BinaryCrossentropy(from_logits=True))\n    return m",
        "the loss BinaryCrossentropy with from_logits",
    ),
    "smoothing": (
        "m = keras.Sequential([layers.Dense(1, activation='sigmoid')])\n"
        "    m.compile('adam', keras.losses.BinaryCrossentropy(label_smoothing=0.1))\n    return m",
        "with label_smoothing",
    ),
}
SOUND = {
    "string": "'binary_crossentropy'",
    "object": "keras.losses.BinaryCrossentropy()",
    "function": "keras.losses.binary_crossentropy",
    "none": "None",
}


@pytest.fixture
def write(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Writes a module with that code, and returns its name, which no other test's module has."""
    names = (f"written_{abs(hash(request.node.name))}_{i}" for i in range(9))

    def module(code: str) -> str:
        name = next(names)
        (tmp_path / f"{name}.py").write_text(HEADER + code)
        return name

    return module


def build_function(body: str) -> str:
    return f"def build(config, n_features):\n    {body}\n"


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1")
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_builder_is_told(
    name: str, write: Callable[[str], str], tmp_path: Path
) -> None:
    body, told = BROKEN[name]
    trainable = f"{write(build_function(body))}:build"
    family = BuilderFamily(trainable, str(tmp_path))
    with pytest.raises(InputError) as raised:
        family.network({"units": 3}, 4, 0)
    message = str(raised.value)
    assert told in message
    assert message.startswith(f"the builder '{trainable}' ")
    assert "\n" not in message


@pytest.mark.parametrize("loss", SOUND.values(), ids=SOUND)
def test_a_cross_entropy_may_be_named_in_any_way(
    loss: str, write: Callable[[str], str], tmp_path: Path
) -> None:
    body = (
        "m = keras.Sequential([layers.Dense(1, activation='sigmoid')])\n"
        f"    m.compile(keras.optimizers.SGD(0.5), {loss})\n    return m"
    )
    built = Builder(f"{write(build_function(body))}:build", str(tmp_path)).build({}, 4, 0)
    assert float(built.optimizer.learning_rate) == 0.5


def test_a_model_that_is_not_compiled_is_trained_with_adam(
    write: Callable[[str], str], tmp_path: Path
) -> None:
    name = write(build_function("return keras.Sequential([layers.Dense(1, activation='sigmoid')])"))
    builder = Builder(f"{name}:build", str(tmp_path))
    for config, rate in (({"learning_rate": 0.25}, 0.25), ({}, 1e-3)):
        optimizer = builder.build(config, 4, 0).optimizer
        assert type(optimizer).__name__ == "Adam"
        assert float(optimizer.learning_rate) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("code", "function", "told"),
    [
        ("def build(config, n): ...", "biuld", "has no function 'biuld'; did you mean 'build'?"),
        ("build = 3", "build", "is an object of type int, not a function"),
        (
            "import no_such_module",
            "build",
            "(ModuleNotFoundError: No module named 'no_such_module')",
        ),
        ("def build(:", "build", "can't be imported (SyntaxError"),
        ("1 / 0", "build", "can't be imported (ZeroDivisionError: division by zero)"),
    ],
)
def test_a_function_that_is_not_there_is_told(
    code: str, function: str, told: str, write: Callable[[str], str], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        Builder(f"{write(code)}:{function}", str(tmp_path))
    assert told in str(raised.value)


def test_only_builders_have_a_colon() -> None:
    assert is_builder("models:build")
    assert not is_builder("mlp")
