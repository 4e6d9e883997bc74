"""Reading the table of a manifest, row by row with its number."""

import csv
import io
from typing import Any

from tlkeras.data.contents import can_be_read, read_content
from tlkeras.errors import InputError, quote
from tlkeras.tables import suggest

MANIFEST_COLUMNS = ("path", "label", "split", "group")
SEPARATORS = ",;\t"  # of cells

Row = tuple[int, dict[str, Any]]  # number in the file, and column -> cell


def read_rows(manifest: str) -> list[Row]:
    """Reads a `.csv` or `.parquet` file, local or remote; no cell is None.

    Raises:
        InputError: If there is no such file, or no such table in it.
    """
    is_parquet = manifest.lower().endswith(".parquet")
    try:
        if not can_be_read(manifest):
            raise FileNotFoundError
        content = read_content(manifest)
        return (_read_parquet if is_parquet else _read_csv)(content, manifest)
    except InputError:  # is a ValueError, and says what is wrong
        raise
    except FileNotFoundError:
        raise InputError(
            f"The manifest '{manifest}' does not exist; expected a .csv or "
            ".parquet file with the columns path,label[,split][,group]: check "
            "--data."
        ) from None
    except (ValueError, OSError, csv.Error) as error:
        raise InputError(
            f"The manifest '{manifest}' cannot be read ({quote(error)}); "
            "expected a table with the columns path,label[,split][,group], in "
            "UTF-8 if it is a CSV."
        ) from None


def _read_parquet(content: bytes, manifest: str) -> list[Row]:
    from pyarrow import parquet

    table = parquet.read_table(io.BytesIO(content))
    # What pandas writes beside the columns, to find the rows by, is no column.
    about = table.schema.pandas_metadata or {}
    index = [x for x in about.get("index_columns", ()) if isinstance(x, str)]
    table = table.drop_columns(index)
    _check_columns(table.column_names, manifest)
    return list(enumerate(table.to_pylist(), start=1))


def _read_csv(content: bytes, manifest: str) -> list[Row]:
    text = content.decode("utf-8-sig")
    cells = csv.reader(
        io.StringIO(text), delimiter=_find_separator(text), strict=True
    )
    columns = [name.strip() for name in next(cells, [])]
    _check_columns(columns, manifest)
    rows = []
    for row in cells:
        if len(row) > len(columns):
            raise InputError(
                f"Row {cells.line_num} of '{manifest}' has {len(row)} cells; "
                f"expected at most {len(columns)}, as the header has: put "
                "quotes around a cell that holds the separator, or remove the "
                "others."
            )
        if row:
            empty = [None] * (len(columns) - len(row))
            values = dict(zip(columns, [*row, *empty], strict=True))
            rows.append((cells.line_num, values))
    return rows


def _find_separator(text: str) -> str:
    """Returns what separates the columns of the first line; else a comma."""
    header = text.partition("\n")[0]
    for separator in SEPARATORS:
        names = {name.strip(' "\r') for name in header.split(separator)}
        if names >= set(MANIFEST_COLUMNS[:2]):
            return separator
    return SEPARATORS[0]


def _check_columns(columns: list[str], manifest: str) -> None:
    unknown = [name for name in columns if name not in MANIFEST_COLUMNS]
    missing = [name for name in MANIFEST_COLUMNS[:2] if name not in columns]
    double = [name for name in MANIFEST_COLUMNS if columns.count(name) > 1]
    hint = suggest(unknown[0], MANIFEST_COLUMNS) if unknown else ""
    if unknown:
        problem = f"has the unknown column '{quote(unknown[0], 50)}'"
    elif missing:
        problem = f"lacks the column '{missing[0]}'"
    elif double:
        problem = f"has the column '{double[0]}' twice"
    else:
        return
    raise InputError(
        f"The manifest '{manifest}' {problem};{hint} expected the columns "
        "path,label[,split][,group], separated by commas, semicolons or tabs: "
        "rename or remove the others."
    )
