import numpy as np
import pytest
from example_run import TRIALS, random_trials, trial

from evensweep.results.drawing import figure_of, png_bytes
from evensweep.results.hyperparameter_figures import plot_importance, plot_parallel, plot_slices
from evensweep.results.hyperparameters import compute_configurations, compute_importance

SPACE = {
    "activation": {"choice": ["tanh", "relu", "selu"]},
    "learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "units": {"int": [1, 9]},
}


def found(*trials, space=SPACE):
    data = compute_configurations(trials, "smote", space)
    return data, {each.name: each for each in data.hyperparameters}


def test_only_usable_trials_of_the_view_count_and_only_what_varies():
    data, known = found(*TRIALS)
    assert data.trials == ("smote-000", "smote-001")
    assert data.losses.tolist() == [0.3, 0.45]
    assert data.epochs.tolist() == [3, 2]
    assert set(known) == {"activation", "learning_rate", "num_layers"}


def test_words_have_the_order_of_their_choice_and_ranges_their_scale():
    _, known = found(
        trial("smote", "0", [0.1], activation="selu", learning_rate=1e-4),
        trial("smote", "1", [0.2], activation="tanh", learning_rate=1e-3),
        trial("smote", "2", [0.3], activation="other", learning_rate=1e-2),
    )
    assert known["activation"].words == ("tanh", "selu", "other")
    assert known["activation"].places.tolist() == [0.5, 0.0, 1.0]
    assert known["activation"].label(1) == "selu"
    assert known["learning_rate"].places == pytest.approx([0, 0.5, 1])
    assert known["learning_rate"].label(0.00123456) == "0.00123"
    linear = compute_configurations(TRIALS, "smote", {}).hyperparameters
    assert not any(each.log for each in linear)


def test_a_trial_may_lack_a_hyperparameter_and_truth_values_are_words():
    data, known = found(
        trial("smote", "0", [0.1], units=1, wide=True),
        trial("smote", "1", [0.2], units=5, wide=False),
        trial("smote", "2", [0.3], wide=False),
    )
    assert np.isnan(known["units"].values[2])
    assert known["wide"].words == ("False", "True")
    assert png_bytes(plot_slices(data))
    assert png_bytes(figure_of(plot_parallel(data)))


def test_importance_finds_what_the_losses_hang_on():
    trials = random_trials(60)
    views = [compute_configurations(trials, v, SPACE) for v in ("undersampled", "smote")]
    data = compute_importance(views, seed=1)
    assert data is not None
    assert data.trials == 120
    shares = dict(zip(data.names, data.shares, strict=True))
    # The made-up losses depend on the learning rate, and on the epochs, which are no hyperparameter
    assert max(shares, key=shares.get) == "learning_rate"
    assert shares["learning_rate"] > 5 * abs(shares["activation"])
    assert 0.05 < data.explained < 1
    again = compute_importance(views, seed=1)
    assert again.shares.tolist() == data.shares.tolist()
    ax = plot_importance(data)
    assert ax.get_yticklabels()[0].get_text() == "learning_rate"


def test_importance_of_noise_is_none():
    rng = np.random.default_rng(0)
    trials = [
        trial("smote", str(n), [float(rng.uniform(0.2, 0.4))], units=int(rng.integers(1, 9)))
        for n in range(80)
    ]
    data = compute_importance([compute_configurations(trials, "smote", SPACE)], seed=0)
    assert data.explained < 0.1


def test_few_trials_or_none_that_differ_have_no_importance():
    assert compute_importance([compute_configurations(TRIALS, "smote", SPACE)], 0) is None
    same = [trial("smote", str(n), [0.1 + n / 100]) for n in range(30)]
    assert compute_importance([compute_configurations(same, "smote", SPACE)], 0) is None


def test_parallel_lines_end_in_the_order_of_the_losses():
    data, _ = found(
        trial("smote", "0", [0.3], units=1),
        trial("smote", "1", [0.1], units=2),
        trial("smote", "2", [0.2], units=3),
    )
    lines = [line for line in plot_parallel(data).get_lines() if len(line.get_xdata()) == 2]
    ends = {tuple(line.get_xdata()) for line in lines if list(line.get_ydata()) == [0, 1]}
    assert ends == {(0.0, 1.0), (0.5, 0.0), (1.0, 0.5)}
