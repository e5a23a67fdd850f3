"""Exports the ensemble: preprocessing and members as files that load without executing code."""

from collections.abc import Sequence
from importlib.metadata import version

from ..datasets.preprocessing import Preprocessor
from ..datasets.views import UNSAMPLED
from ..results.contents import read_ensemble
from ..results.files import reading, replacing, write_json
from ..results.records import TrialRecord
from ..results.run_directory import RunDirectory
from ..trainables.exported import keras_files
from ..trainables.manifest import FORMAT, MANIFEST
from .config import SweepConfig
from .cross_validation import fold_remedy, load_fold
from .feed import Call
from .pool import TrainingPool
from .populations import Population


def export_model(
    config: SweepConfig,
    run: RunDirectory,
    population: Population,
    candidates: Sequence[TrialRecord],
    pool: TrainingPool,
) -> None:
    """Writes ``model/`` from the ensemble and the fold models of its members.

    Args:
        config: The sweep.
        run: Has the ensemble and the fold models.
        population: That the ensemble's members are of.
        candidates: Trials, the ensemble's members among them.
        pool: The workers.
    """
    ensemble = read_ensemble(run)
    configs = {t.id: t.config for t in candidates}
    numbers = [population.first_fold + index for index in range(len(population.folds))]
    trials = [member["trial"] for member in ensemble["members"]]
    networks = {trial: [load_fold(run, trial, n).model for n in numbers] for trial in trials}
    # One call a member: its networks share a Keras model.
    calls = [
        Call(
            f"export {trial}",
            keras_files,
            (configs[trial], [(m.n_features, m.weights) for m in models], config.family),
        )
        for trial, models in networks.items()
    ]
    exported = pool.call(calls)
    with replacing(run.model) as folder:
        preprocessing = []
        folder.mkdir()
        (folder / "preprocessing").mkdir()
        for number in numbers:
            file = f"preprocessing/fold-{number:02d}.skops"
            with reading(run.preprocessor(number), fold_remedy(run)):
                Preprocessor.load(run.preprocessor(number))
            (folder / file).write_bytes(run.preprocessor(number).read_bytes())
            preprocessing.append(file)
        members = []
        for member, contents in zip(ensemble["members"], exported, strict=True):
            trial = member["trial"]
            (folder / "members" / trial).mkdir(parents=True)
            entries = []
            for number, network, content in zip(numbers, networks[trial], contents, strict=True):
                file = f"members/{trial}/fold-{number:02d}.keras"
                (folder / file).write_bytes(content)
                entries.append({"file": file, "log_odds_shift": network.log_odds_shift})
            members.append({**member, "networks": entries})
        write_json(
            folder / MANIFEST,
            {
                "format": FORMAT,
                "evensweep": version("evensweep"),
                "run": run.name,
                "balanced_table": (
                    config.protocol == "balanced_first" and population.name not in UNSAMPLED
                ),
                "table": config.data.model_dump(include={"delimiter", "header"}),
                "schema": population.table.schema.to_json(),
                "threshold": ensemble["thresholds"]["ensemble"],
                "preprocessing": preprocessing,
                "members": members,
            },
        )
