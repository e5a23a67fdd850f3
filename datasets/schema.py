"""What the columns of a table are: their kinds, the target and the columns left out."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MOST_CATEGORIES = 32
"""Of a column; the rarest beyond share one."""


class ColumnKind(StrEnum):
    """How a feature column is read and preprocessed."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"


@dataclass(frozen=True)
class Column:
    """One feature column.

    Attributes:
        name: Its header, or ``column_<position>`` in a table without a header.
        kind: How its values are read.
    """

    name: str
    kind: ColumnKind


@dataclass(frozen=True)
class Schema:
    """The features, the target and the columns left out of a table.

    Attributes:
        columns: The feature columns, in the order of the feature matrix.
        target: Name of the target column.
        positive: Label of the positive class, as text.
        negative: Label of the negative class, as text.
        id_columns: Columns that identify a row and are no features.
        dropped: Columns the user left out.
    """

    columns: tuple[Column, ...]
    target: str
    positive: str
    negative: str
    id_columns: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def feature_names(self) -> list[str]:
        """Names of the feature columns, in order."""
        return [column.name for column in self.columns]

    @property
    def columns_by_type(self) -> tuple[list[str], list[str]]:
        """Names of the columns of numbers, and of those of categories, each in order."""
        texts = [c.name for c in self.columns if c.kind is ColumnKind.CATEGORICAL]
        return [name for name in self.feature_names if name not in texts], texts

    def to_json(self) -> dict[str, Any]:
        """A JSON-serialisable form, read back by :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        """The schema that :meth:`to_json` wrote."""
        columns = tuple(Column(c["name"], ColumnKind(c["kind"])) for c in data["columns"])
        return cls(
            columns=columns,
            target=data["target"],
            positive=data["positive"],
            negative=data["negative"],
            id_columns=tuple(data["id_columns"]),
            dropped=tuple(data["dropped"]),
        )
