"""A CSV or Parquet table of `path,label[,split]`."""

from pathlib import Path

from tlkeras.data.dataset import Example
from tlkeras.data.split_names import split_of
from tlkeras.errors import InputError
from tlkeras.tables import suggest

MANIFEST_COLUMNS = ("path", "label", "split")
LABEL_SEPARATOR = "|"

Cell = str | float | None  # None where a table holds nothing


def list_manifest(manifest: Path) -> list[Example]:
    """Lists the rows of a manifest as examples.

    Args:
        manifest: Table with the columns path (absolute, or relative to the
            manifest), label (several joined by `|`) and optionally split.

    Raises:
        InputError: If a column or a file is missing, or a label is empty.
    """
    rows = _read_rows(manifest)
    first = 2 if manifest.suffix.lower() == ".csv" else 1  # after a header
    examples = []
    for number, row in enumerate(rows, start=first):
        labels = tuple(
            dict.fromkeys(
                part.strip()
                for part in _text(row["label"]).split(LABEL_SEPARATOR)
                if part.strip()
            )
        )
        if not labels:
            raise InputError(
                f"Row {number} of '{manifest}' has an empty label; expected a "
                "class name: fill it in or remove the row."
            )
        path = manifest.parent / str(row["path"])
        if not path.is_file():
            raise InputError(
                f"Row {number} of '{manifest}' names the file '{path}', which "
                "does not exist; expected a path that is absolute or relative "
                "to the manifest: correct it or remove the row."
            )
        examples.append(
            Example(str(path), labels, _split(row, number, manifest))
        )
    if not examples:
        raise InputError(
            f"The manifest '{manifest}' has no rows; expected one row per "
            "image with the columns path,label."
        )
    return examples


def _text(value: Cell) -> str:
    """Returns a cell as text; whole numbers without a fraction."""
    if value is None:
        return ""
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value).strip()


def _split(row: dict[str, Cell], number: int, manifest: Path) -> str | None:
    name = _text(row.get("split"))
    if name and not split_of(name):
        raise InputError(
            f"Row {number} of '{manifest}' has the split '{name}'; expected "
            "train, validation or test, or nothing."
        )
    return split_of(name)


def _read_rows(manifest: Path) -> list[dict[str, Cell]]:
    if not manifest.is_file():
        raise InputError(
            f"The manifest '{manifest}' does not exist; expected a .csv or "
            ".parquet file with the columns path,label[,split]: check --data."
        )
    import pandas as pd

    try:
        if manifest.suffix.lower() == ".parquet":
            table = pd.read_parquet(manifest)
        else:
            table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise InputError(
            f"The manifest '{manifest}' cannot be read ({error}); expected a "
            "table with the columns path,label[,split]."
        ) from None
    unknown = [name for name in table.columns if name not in MANIFEST_COLUMNS]
    missing = [
        name for name in MANIFEST_COLUMNS[:2] if name not in table.columns
    ]
    if unknown or missing:
        hint = suggest(unknown[0], MANIFEST_COLUMNS) if unknown else ""
        problem = (
            f"has the unknown column '{unknown[0]}'"
            if unknown
            else f"lacks the column '{missing[0]}'"
        )
        raise InputError(
            f"The manifest '{manifest}' {problem};{hint} expected the columns "
            "path,label[,split]: rename or remove the others."
        )
    return table.astype(object).where(table.notna(), None).to_dict("records")
