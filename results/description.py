"""What a sweep sees in a table, for the terminal."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable

from ..datasets.schema import ColumnKind
from ..datasets.table import Table


def description(table: Table) -> RenderableType:
    """Columns with their kinds and gaps, classes, duplicates, and what was inferred."""
    schema, rows = table.schema, len(table.target)
    positive = int(table.target.sum())
    columns = RichTable(
        title=f"{table.name}: {rows:,} rows", title_justify="left", box=box.SIMPLE_HEAD
    )
    for heading in ("column", "kind"):
        columns.add_column(heading)
    for heading in ("missing", "distinct", "mean", "min", "max"):
        columns.add_column(heading, justify="right")
    for column in schema.columns:
        values = table.features[column.name]
        figures = ["–"] * 3
        if column.kind is not ColumnKind.CATEGORICAL:
            figures = [f"{figure:.4g}" for figure in (values.mean(), values.min(), values.max())]
        columns.add_row(
            column.name,
            column.kind,
            f"{values.isna().mean():.1%}" if values.isna().any() else "–",
            f"{values.nunique():,}",
            *figures,
        )
    lines = [
        f"target '{schema.target}': {positive:,} × '{schema.positive}' ({positive / rows:.1%}), "
        f"{rows - positive:,} × '{schema.negative}'",
        f"rows that repeat the features of another: {table.duplicate_rows:,} "
        f"({table.duplicate_rows / rows:.1%})",
        f"fingerprint: {table.fingerprint}",
    ]
    lines += [f"inferred {note}" for note in table.notes]
    return Group(columns, *lines)
