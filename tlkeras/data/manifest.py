"""A CSV or Parquet table of `path,label[,split][,group]`."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlkeras.console import Console
from tlkeras.data.dataset import Example
from tlkeras.data.manifest_table import read_rows
from tlkeras.data.remote_source import announce
from tlkeras.data.split_names import split_of
from tlkeras.errors import InputError, quote
from tlkeras.remote import is_remote, join
from tlkeras.remote_listing import look_up

LABEL_SEPARATOR = "|"


def list_manifest(
    manifest: Path | str, console: Console | None = None
) -> list[Example]:
    """Lists the rows of a manifest as examples.

    Remote images that are missing show when they are read.

    Args:
        manifest: Table, local or at an address, with the columns path
            (absolute, an address, or relative to the manifest), label
            (several joined by `|`, or in Parquet a list) and optionally split
            and group, for images that belong together.
        console: Told how large remote images are; None is quiet.

    Raises:
        InputError: If a column or a file is missing, a label is empty or no
            text, some rows lack a group that others have, or an image has
            rows with different labels.
    """
    manifest = str(manifest)
    examples: list[Example] = []
    first_rows: dict[str, tuple[int, tuple[str, ...]]] = {}
    for number, row in read_rows(manifest):
        where = f"Row {number} of '{manifest}'"
        labels = _labels(row["label"], where)
        path = _find(_text(row["path"], "path", where), manifest, where)
        before, known = first_rows.setdefault(
            os.path.normpath(path), (number, labels)
        )
        if set(known) != set(labels):
            raise InputError(
                f"{where} gives '{path}' the label {'|'.join(labels)}, row "
                f"{before} {'|'.join(known)}; expected one row an image: join "
                f"several labels as {'|'.join(dict.fromkeys(known + labels))}, "
                "or remove the wrong row."
            )
        split = _split(row.get("split"), where)
        group = _text(row.get("group"), "group", where).strip()
        if examples and bool(group) != bool(examples[0].group):
            raise InputError(
                f"{where} has {'a' if group else 'no'} group, unlike the rows "
                "before it; expected one in each row, or no such column: give "
                "an image that stands alone a group of its own."
            )
        examples.append(Example(path, labels, split, group))
    if not examples:
        raise InputError(
            f"The manifest '{manifest}' has no rows; expected one row per "
            "image with the columns path,label."
        )
    return _with_stamps(examples, manifest, console or Console(quiet=True))


def _with_stamps(
    examples: list[Example], manifest: str, console: Console
) -> list[Example]:
    """Asks the stores of remote images about them, all at once."""
    urls = [e.path for e in examples if is_remote(e.path)]
    if not urls:
        return examples
    stamps = dict(zip(urls, look_up(urls), strict=True))
    announce(manifest, list(stamps.values()), console)
    return [replace(e, stamp=stamps.get(e.path)) for e in examples]


def _labels(cell: Any, where: str) -> tuple[str, ...]:
    cells = cell if isinstance(cell, list) else [cell]
    parts = [
        part.strip()
        for value in cells
        for part in _text(value, "label", where).split(LABEL_SEPARATOR)
        if part.strip()
    ]
    if not parts:
        raise InputError(
            f"{where} has an empty label; expected a class name: fill it in or "
            "remove the row."
        )
    return tuple(dict.fromkeys(parts))


def _find(name: str, manifest: str, where: str) -> str:
    """Returns the path or address that a row names."""
    if is_remote(name):
        return name
    if is_remote(manifest) and not os.path.isabs(name):
        return join(manifest.rpartition("/")[0], name)
    path = str(Path(manifest).parent / name)
    if not os.path.isfile(path):  # also where it is no possible name
        raise InputError(
            f"{where} names the file '{quote(path)}', which does not exist; "
            "expected a path that is absolute or relative to the manifest: "
            "correct it or remove the row."
        )
    return path


def _split(cell: Any, where: str) -> str | None:
    name = _text(cell, "split", where).strip()
    if name and not split_of(name):
        raise InputError(
            f"{where} has the split '{name}'; expected train, validation or "
            "test, or nothing."
        )
    return split_of(name)


def _text(value: Any, column: str, where: str) -> str:
    """Returns a cell as text; whole numbers without a fraction.

    Raises:
        InputError: If it is neither text nor a number.
    """
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise InputError(
        f"{where} has the {column} {quote(value, 50)} of the kind "
        f"{type(value).__name__}; expected text, a number, or for several "
        "labels a list of these: convert the column."
    )
