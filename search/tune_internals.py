"""What Ray Tune has no public setting for; each is tested, since a new Tune may do otherwise."""

import logging
from collections.abc import Callable
from typing import Any

from ray.air._internal import usage
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.analysis import experiment_analysis
from ray.tune.execution import class_cache
from ray.tune.execution.tune_controller import TuneController

_KILLED_FOR_MEMORY = (
    "OutOfMemoryError: Ray ended the worker, since its machine's memory was nearly full; give a "
    "trial more of the machine (resources.cpus), or search smaller models"
)


def take_waiting_processes() -> None:
    """Lets workers start in processes that wait, warm, and tells Ray no credentials.

    An actor with environment variables of its own gets a new process, and Tune gives it one, which
    concerns PyTorch Lightning, and those of the driver that hold Amazon's credentials, which Ray
    then writes into its logs.
    """
    class_cache.DEFAULT_ENV_VARS.clear()
    class_cache.ENV_VARS_TO_PROPAGATE.clear()


def expect_no_files_of_trials() -> None:
    """Keeps Tune from warning, trial by trial, that there are none; the records are ours."""
    logging.getLogger(experiment_analysis.__name__).setLevel(logging.ERROR)


def import_no_trackers() -> None:
    """Keeps Tune from importing MLflow, which takes a second, to count who uses it."""
    usage.tag_callbacks = lambda _: False


def survive_full_memory() -> None:
    """Makes a worker that Ray ended for its memory a failure of its trial.

    Ray's error for it is none of an actor, as Tune expects, and Tune ends the whole experiment.
    """
    for name in ("_actor_start_failed", "_actor_task_failed"):
        handle = getattr(RayActorManager, name)
        if handle.__module__ != __name__:
            setattr(RayActorManager, name, _with_errors_of_actors(handle))


def _with_errors_of_actors(handle: Callable[..., None]) -> Callable[..., None]:
    def handled(self: Any, *, exception: Exception, **concerned: Any) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=_KILLED_FOR_MEMORY)
        handle(self, exception=exception, **concerned)

    return handled


def name_tasks(tune_controller: Any, name_of: Callable[[Any, str], str | None]) -> None:
    """Names what workers do after the trial, for the dashboard.

    Args:
        tune_controller: Tune's, which is to run trials.
        name_of: Gives the name for a Tune trial and the method that a worker calls for it; None
            leaves it Ray's own.
    """
    manager = tune_controller._actor_manager
    schedule = manager._schedule_tracked_actor_task
    actors = manager._live_actors_to_ray_actors_resources

    def named(tracked_actor_task: Any, method_name: str, **others: Any) -> Any:
        worker = tracked_actor_task._tracked_actor
        trial = tune_controller._actor_to_trial.get(worker)
        name = None if trial is None else name_of(trial, method_name)
        if name is None or worker not in actors:
            return schedule(tracked_actor_task, method_name, **others)
        handle, resources = actors[worker]
        actors[worker] = _Named(handle, name), resources
        try:
            return schedule(tracked_actor_task, method_name, **others)
        finally:
            actors[worker] = handle, resources

    manager._schedule_tracked_actor_task = named


class _Named:
    """An actor handle whose tasks have this name."""

    def __init__(self, handle: Any, name: str) -> None:
        self._handle = handle
        self._name = name

    def __getattr__(self, method: str) -> Any:
        return getattr(self._handle, method).options(name=self._name)


def keep_workers(tune_controller: Any, resources: Any, count: int) -> None:
    """Lets Tune keep so many workers that no trial waits for.

    By default it stops one that is not needed at that moment, although the next trial may come with
    the next stage.
    """
    controller = tune_controller._tune_controller
    controller._actor_cache.increase_max(resources, count)
    controller.__class__ = _LetsWorkersStart


class _LetsWorkersStart(TuneController):
    """Has a trial wait for the worker that starts for it.

    By default it is given a worker that is free meanwhile, and its own is stopped; trials shorter
    than a start would then keep the workers from ever becoming as many as there are slots. Trials
    that come later take the free one.
    """

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        own = self._trial_to_actor.get(trial)
        # One that is not yet live waits for resources, which a lost node may never give back.
        starts = self._actor_manager.is_actor_started(own) and own not in self._started_actors
        return not starts and bool(super()._maybe_reuse_cached_actor(trial))
