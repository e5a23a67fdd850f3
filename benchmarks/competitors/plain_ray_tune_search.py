"""Ray Tune with its ASHA and a function trainable, as its documentation shows it for Keras.

    python -m competitors.plain_ray_tune_search --rows ROWS.npz --max-epochs 100 …

Tune's defaults throughout: a trial takes one CPU and a worker process of its own, which imports
TensorFlow, and every epoch is reported.
"""

from typing import Any

import numpy as np
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from .job import REDUCTION_FACTOR, Job, Outcome, Rows

SPACE = {
    "num_layers": tune.randint(2, 6),
    "hidden_layer_size": tune.qrandint(16, 128, 16),
    "activation": tune.choice(["relu", "tanh", "selu"]),
    "dropout_rate": tune.quniform(0.0, 0.5, 0.05),
    "l2_strength": tune.loguniform(1e-5, 1e-2),
    "learning_rate": tune.loguniform(1e-4, 1e-2),
}


def train(config: dict[str, Any], rows: Rows, max_epochs: int, seed: int) -> None:
    """One trial, on its worker."""
    import keras
    from ray.tune.integration.keras import TuneReportCheckpointCallback

    from competitors.network import build_network, fit

    keras.utils.set_random_seed(seed)
    network = build_network(config, rows.X_train.shape[1], rows.log_odds_shift)
    report = TuneReportCheckpointCallback(metrics=["val_loss"], checkpoint_on=[])
    fit(network, rows, max_epochs, [report])


def main() -> None:
    job = Job.from_command_line(__doc__.splitlines()[0])
    results = tune.Tuner(
        tune.with_parameters(
            train, rows=Rows.load(job.rows), max_epochs=job.max_epochs, seed=job.seed
        ),
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            metric="val_loss",
            mode="min",
            search_alg=BasicVariantGenerator(random_state=job.seed),
            scheduler=ASHAScheduler(max_t=job.max_epochs, reduction_factor=REDUCTION_FACTOR),
            num_samples=job.trials,
        ),
        run_config=tune.RunConfig(name="search", storage_path=str(job.directory)),
    ).fit()
    losses = [
        frame["val_loss"].to_numpy()
        for frame in (result.metrics_dataframe for result in results)
        if frame is not None
    ]
    Outcome(
        trials=len(results),
        configurations=len(results),
        epochs=sum(map(len, losses)),
        best_val_loss=float(np.nanmin(np.concatenate(losses))),
        failed=results.num_errors,
    ).write(job.output)


if __name__ == "__main__":
    main()
