"""Where else a run is written to: event files for TensorBoard, an MLflow server."""

from __future__ import annotations

from dataclasses import dataclass

from ..datasets.errors import InputError
from ..results.run_directory import RunDirectory
from .errors import SweepError
from .progress import Display


@dataclass(frozen=True)
class Tracking:
    """What a user tracks runs with, beside the run directory.

    Attributes:
        tensorboard: Whether to write event files into the run directory, as the search goes on.
        mlflow: Address of a tracking server that gets the run when it ends; None for none.
    """

    tensorboard: bool = False
    mlflow: str | None = None

    def check(self) -> None:
        """Looks whether the server answers, before a sweep takes its hours.

        Raises:
            InputError: It doesn't, or its client is not installed.
        """
        if self.mlflow is not None:
            from .mlflow_log import open_client

            open_client(self.mlflow)

    def displays(self, run: RunDirectory) -> list[Display]:
        """What writes while the search goes on; of a complete search all is written at once."""
        if not self.tensorboard:
            return []
        from .event_files import EventFiles, write_finished

        if run.trials.exists():
            write_finished(run)
        return [EventFiles(run.tensorboard)]

    def log(self, run: RunDirectory) -> None:
        """Logs a run that has ended, or a part of it.

        Raises:
            SweepError: The server did not take it.
        """
        if self.mlflow is not None:
            from .mlflow_log import log_run

            try:
                log_run(run, self.mlflow)
            except InputError as error:
                raise SweepError(f"{error}; the run itself is whole") from error
