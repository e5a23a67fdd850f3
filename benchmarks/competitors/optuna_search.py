"""Optuna's Hyperband pruner and default sampler, one process a core, sharing a journal file.

    python -m competitors.optuna_search --rows ROWS.npz --max-epochs 100 …

Each process trains one trial at a time with one TensorFlow thread; a callback reports every epoch
and lets the pruner end the trial.
"""

import math
import multiprocessing
import os
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback

from .job import REDUCTION_FACTOR, Job, Outcome, Rows

STUDY = "search"


def main() -> None:
    job = Job.from_command_line(__doc__.splitlines()[0])
    optuna.create_study(storage=_storage(job), study_name=STUDY, direction="minimize")
    processes = multiprocessing.get_context("spawn")
    workers = [
        processes.Process(target=work, args=(job, number))
        for number in range(min(len(os.sched_getaffinity(0)), job.trials))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a worker process failed")
    trials = optuna.load_study(study_name=STUDY, storage=_storage(job)).trials
    losses = [loss for trial in trials for loss in trial.intermediate_values.values()]
    ended = {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED}
    Outcome(
        trials=len(trials),
        configurations=len(trials),
        epochs=sum(len(trial.intermediate_values) for trial in trials),
        best_val_loss=min(loss for loss in losses if math.isfinite(loss)),
        failed=sum(trial.state not in ended for trial in trials),
    ).write(job.output)


def work(job: Job, number: int) -> None:
    """Runs trials in this process until the study has enough."""
    import keras
    import tensorflow as tf

    from .network import build_network, fit

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rows = Rows.load(job.rows)
    seed = job.seed + 1000 * number
    keras.utils.set_random_seed(seed)

    def objective(trial: optuna.Trial) -> float:
        def report(epoch: int, logs: dict[str, float]) -> None:
            trial.report(logs["val_loss"], step=epoch + 1)
            if trial.should_prune():
                raise optuna.TrialPruned

        keras.backend.clear_session()
        network = build_network(_hyperparameters(trial), rows.X_train.shape[1], rows.log_odds_shift)
        callback = keras.callbacks.LambdaCallback(on_epoch_end=report)
        return min(fit(network, rows, job.max_epochs, [callback]).history["val_loss"])

    study = optuna.load_study(
        study_name=STUDY,
        storage=_storage(job),
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=job.max_epochs, reduction_factor=REDUCTION_FACTOR
        ),
    )
    study.optimize(objective, callbacks=[MaxTrialsCallback(job.trials, states=None)])


def _storage(job: Job) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(job.directory / "journal.log")))


def _hyperparameters(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "num_layers": trial.suggest_int("num_layers", 2, 5),
        "hidden_layer_size": trial.suggest_int("hidden_layer_size", 16, 128, step=16),
        "activation": trial.suggest_categorical("activation", ["relu", "tanh", "selu"]),
        "dropout_rate": trial.suggest_float("dropout_rate", 0.0, 0.5, step=0.05),
        "l2_strength": trial.suggest_float("l2_strength", 1e-5, 1e-2, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
    }


if __name__ == "__main__":
    main()
