"""A run's stages wait for its uploads, and end when there are none any more."""

from pathlib import Path
from typing import Any

import pytest

from evensweep.datasets.locations import Location
from evensweep.datasets.stores import LocationError, RefusedError
from evensweep.results.files import write_text
from evensweep.results.mirror import Mirror, working_copy
from evensweep.search.progress import Together
from evensweep.search.uploads import Uploads


@pytest.fixture
def mirror(s3_folder: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    monkeypatch.setenv("EVENSWEEP_CACHE", str(tmp_path))
    (s3_folder / "run" / "sweep.yaml").write_bytes(b"{}")
    return Mirror(working_copy(s3_folder / "run"), interval=0.02)


def test_what_a_stage_wrote_is_there_before_the_next_one_starts(
    mirror: Mirror, s3_folder: Location
) -> None:
    with mirror:
        run = working_copy(s3_folder / "run")
        write_text(run.dataset, "{}")
        Together(Uploads(mirror)).stage("searching")
        assert (s3_folder / "run" / "dataset.json").exists()


def test_a_run_that_cannot_be_uploaded_ends_at_its_next_news(
    mirror: Mirror, s3_folder: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.__enter__()
    news = Together(Uploads(mirror))
    news.refresh()

    def refuse(location: Location, content: Any) -> None:
        raise RefusedError(f"{location} can't be written: access is denied")

    monkeypatch.setattr(Location, "write_bytes", refuse)
    write_text(working_copy(s3_folder / "run").dataset, "{}")
    mirror._thread.join(20)
    for tell in (news.refresh, lambda: news.fold_done(None), lambda: news.stage("next")):  # type: ignore[arg-type]
        with pytest.raises(
            LocationError, match=r"access is denied; what it lacks is kept in .*run-"
        ):
            tell()
