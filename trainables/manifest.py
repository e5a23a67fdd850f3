"""``model.json``: what an exported model consists of, checked where it is read."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ..datasets.errors import InputError
from ..results.files import read_json
from ..results.shapes import (
    Count,
    Flag,
    Member,
    Shape,
    TableSchema,
    Threshold,
    absent,
    check_weights,
)

MANIFEST = "model.json"
FORMAT = 1

# Below the model's folder, and nowhere else.
_File = Annotated[str, Field(pattern=r"^(preprocessing|members)(/[A-Za-z0-9][A-Za-z0-9._-]*)+$")]


class _Version(Shape):
    format: Count


class _Network(Shape):
    file: _File
    log_odds_shift: Annotated[float, Field(strict=True, ge=-100, le=100)]


class _Member(Member):
    networks: list[_Network]


class _TableFile(Shape):
    delimiter: Annotated[str, Field(min_length=1, max_length=1)]
    header: Flag | None


class _Manifest(Shape):
    balanced_table: Flag = absent()
    table: _TableFile = absent()
    table_schema: TableSchema = Field(alias="schema")
    threshold: Threshold
    preprocessing: list[_File] = Field(min_length=1)
    members: list[_Member] = Field(min_length=1)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        check_weights(self.members)
        for member in self.members:
            if len(member.networks) != len(self.preprocessing):
                raise ValueError(
                    f"the member '{member.trial}' has {len(member.networks)} networks for "
                    f"{len(self.preprocessing)} folds"
                )
        return self


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content of the manifest of an exported model.

    Args:
        folder: The model.

    Raises:
        InputError: It is missing or damaged, or of another format.
    """
    path, remedy = folder / MANIFEST, model_remedy(folder)
    version = read_json(path, _Version, remedy)["format"]
    if version != FORMAT:
        raise InputError(
            f"{folder} holds a model of format {version}, and this version reads format {FORMAT}; "
            "use the version that wrote it"
        )
    return read_json(path, _Manifest, remedy)


def model_remedy(folder: Path) -> str:
    """What to do where a file of an exported model is missing or damaged."""
    return f"delete the folder {folder} and resume the run, or copy it from its run again"
