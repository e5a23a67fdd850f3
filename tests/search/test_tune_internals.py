"""What is changed in Ray Tune still changes what it should."""

from collections.abc import Callable
from typing import Any

import pytest
from ray.air.execution import FixedResourceManager, ResourceRequest
from ray.air.execution._internal import RayActorManager
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError

from evensweep.search.tune_internals import survive_full_memory


def task_failed(manager: RayActorManager, actor: Any, error: Exception) -> None:
    manager._actor_task_failed(tracked_actor_task=TrackedActorTask(actor), exception=error)


def start_failed(manager: RayActorManager, actor: Any, error: Exception) -> None:
    manager._actor_start_failed(tracked_actor=actor, exception=error)


@pytest.fixture
def fail_with(free_cluster: None) -> Callable[..., Exception]:
    """Lets a worker fail with an error, and gives the error that Tune is told."""
    survive_full_memory()

    class Worker:
        pass

    def failed(fail: Callable[..., None], error: Exception) -> Exception:
        manager = RayActorManager(resource_manager=FixedResourceManager({"CPU": 1}))
        told: list[Exception] = []
        actor = manager.add_actor(
            Worker, {}, ResourceRequest([{"CPU": 1}]), on_error=lambda _, error: told.append(error)
        )
        while not manager.is_actor_started(actor):
            manager.next(timeout=10)
        fail(manager, actor, error)
        [only] = told
        return only

    return failed


@pytest.mark.parametrize("fail", [task_failed, start_failed])
def test_a_worker_ended_for_its_memory_is_a_failed_actor(
    fail_with: Callable[..., Exception], fail: Callable[..., None]
) -> None:
    survive_full_memory()  # a second time does no harm
    error = fail_with(fail, OutOfMemoryError("2 worker(s) were killed\nby Ray"))
    assert isinstance(error, RayActorError)
    assert str(error).startswith("OutOfMemoryError: Ray ended the worker")


def test_other_errors_are_left_as_they_are(fail_with: Callable[..., Exception]) -> None:
    error = RayActorError(error_msg="its node went away")
    assert fail_with(task_failed, error) is error
