"""Every trial and fold reads the same object-store buffers; workers import what they should."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from evensweep.datasets.preparation import prepare
from evensweep.datasets.samplers import SamplerSpec
from evensweep.datasets.splits import stratified_split
from evensweep.datasets.table import load_table
from evensweep.search.config import SweepConfig
from evensweep.search.cross_validation import prepare_folds
from evensweep.search.populations import populations_of
from evensweep.trainables.tune_adapter import (
    SWEEP,
    Lent,
    SharedRows,
    SweepRows,
    SweepTrainable,
    TrainingSettings,
    TrialSpec,
)


@pytest.fixture(scope="module")
def shared(free_cluster: None) -> SharedRows:
    table = load_table()
    split = stratified_split(table.target, 0.1, 0.1, 0)
    prepared = prepare(
        table.features,
        table.target,
        fit=split.train,
        watch=split.validation,
        samplers={view: SamplerSpec(view) for view in ("undersampled", "smote")},
        seed=0,
    )
    return SharedRows.put(prepared)


@pytest.fixture(scope="module")
def reader_class(free_cluster: None) -> Any:
    # Defined in here so that Ray sends its code: a worker can't import this file.
    @ray.remote
    class Reader:
        """A process that reads a view several times."""

        def read(self, shared: SharedRows, view: str, times: int) -> list[dict[str, Any]]:
            return [self.addresses(shared, view) for _ in range(times)]

        def addresses(self, shared: SharedRows, view: str) -> dict[str, Any]:
            """Where the arrays lie in this process, and whether they are someone else's memory."""
            rows, watched = ray.get([shared.views[view], shared.watched[view]])
            arrays = {"X": rows.X, "y": rows.y, "X_val": watched.X, "y_val": watched.y}
            return {
                name: {
                    "address": array.__array_interface__["data"][0],
                    "owned": array.flags.owndata,
                    "writeable": array.flags.writeable,
                    "contiguous": array.flags.c_contiguous,
                    "dtype": str(array.dtype),
                }
                for name, array in arrays.items()
            }

    return Reader


def test_reading_a_view_again_copies_nothing(shared: SharedRows, reader_class: Any) -> None:
    reader = reader_class.remote()
    first, *others = ray.get(reader.read.remote(shared, "smote", 5))
    for other in others:
        assert other == first
    for array in first.values():
        assert not array["owned"]
        assert not array["writeable"]
        assert array["contiguous"]
        assert array["dtype"] in {"float32", "int32"}


def test_the_object_store_holds_each_view_once_however_many_read_it(
    shared: SharedRows, reader_class: Any
) -> None:
    def used() -> float:
        total, free = (
            resource()["object_store_memory"]
            for resource in (ray.cluster_resources, ray.available_resources)
        )
        return total - free

    marker_bytes = 40_000_000
    markers = []

    def used_after_a_marker() -> float:
        """What the store holds once its books, which lag, show another marker."""
        before = used()
        markers.append(ray.put(np.zeros(marker_bytes, np.uint8)))
        deadline = time.monotonic() + 30
        while used() < before + marker_bytes:
            assert time.monotonic() < deadline, "the object store does not count what it holds"
        return used()

    readers = [reader_class.remote() for _ in range(2)]
    ray.get([reader.read.remote(shared, "undersampled", 1) for reader in readers])
    before = used_after_a_marker()
    ray.get([reader.read.remote(shared, "undersampled", 20) for reader in readers])
    # A copy of the view would be 140 kB.
    assert used_after_a_marker() - before - marker_bytes < 10_000


def test_every_worker_reads_one_buffer_of_a_fold(free_cluster: None, reader_class: Any) -> None:
    table = load_table()
    config = SweepConfig.from_mapping({"cross_validation": {"folds": 3}}, "test")
    [population] = populations_of(config, table)
    data = prepare_folds(config, [population])
    for fold in data.values():
        first, *others = ray.get(reader_class.remote().read.remote(fold.rows, "smote", 3))
        assert all(other == first for other in others)
        assert not any(array["owned"] or array["writeable"] for array in first.values())
    out_of_fold = [ray.get(fold.rows.out_of_fold) for fold in data.values()]
    assert sum(len(rows) for rows in out_of_fold) == len(population.split.development)


def test_trials_of_a_view_train_on_the_same_tensors(shared: SharedRows, tmp_path: Path) -> None:
    sweep = Lent(SweepRows({None: shared}, TrainingSettings((1,), 5, tmp_path)))

    @ray.remote
    def identities() -> list[tuple[int, int]]:
        def config(view: str) -> dict[str, Any]:
            spec = TrialSpec("t", view, 1, {"hidden_layer_size": 8}, level=1)
            return {**asdict(spec), SWEEP: sweep}

        trainable = SweepTrainable.__new__(SweepTrainable)
        trainable.setup(config("smote"))
        seen = []
        for view in ("smote", "undersampled", "smote", "undersampled"):
            trainable.reset_config(config(view))
            data = trainable._training.data
            seen.append((id(data.train.X), id(data.validation.X)))
        return seen

    a, b, c, d = ray.get(identities.remote())
    assert a == c
    assert b == d
    assert a[0] != b[0]
    assert a[1] == b[1]


def test_a_worker_does_not_find_the_checkout_under_a_bare_import(free_cluster: None) -> None:
    @ray.remote
    def origins() -> list[str | None]:
        import importlib.util

        specs = [importlib.util.find_spec(name) for name in ("datasets", "search", "results")]
        return [spec.origin if spec else None for spec in specs]

    import evensweep.datasets

    ours = str(next(iter(evensweep.datasets.__path__)))
    assert not any(origin and origin.startswith(ours) for origin in ray.get(origins.remote()))
