"""The kinds of sources of labelled images, one row each."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from tlkeras.console import Console
from tlkeras.data.builtin import BUILTINS, list_builtin
from tlkeras.data.dataset import Example
from tlkeras.data.folder import survey_folder
from tlkeras.data.manifest import list_manifest
from tlkeras.data.remote_source import list_remote
from tlkeras.data.tfds_source import list_tfds
from tlkeras.errors import InputError
from tlkeras.remote import is_remote

TFDS_PREFIX = "tfds:"
MANIFEST_SUFFIXES = (".csv", ".parquet")


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """What is needed to list a source, beside its name.

    Attributes:
        console: Told how large what is to be copied is.
        data_dir: Where TFDS keeps its data; "" = its own default.
        split_names: TFDS split expressions for train, validation, test.
    """

    console: Console
    data_dir: str
    split_names: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Source:
    """One kind of source.

    Attributes:
        written: How people write it, for messages.
        matches: Whether a name that somebody wrote is of this kind.
        list_examples: Lists such a name as examples; raises InputError if the
            source is missing, empty or malformed.
    """

    written: str
    matches: Callable[[str], bool]
    list_examples: Callable[[str, SourceOptions], list[Example]]


# The last row that matches lists a source: any name can be that of a folder, so
# that row comes first and a new kind goes to the end.
SOURCES = {
    "folder": Source(
        written="a folder",
        matches=lambda name: True,
        list_examples=lambda name, _: survey_folder(Path(name)),
    ),
    "remote": Source(
        written="a folder of a store, as gs://BUCKET/PHOTOS",
        matches=is_remote,
        list_examples=lambda name, options: list_remote(name, options.console),
    ),
    "manifest": Source(
        written="a .csv or .parquet manifest",
        matches=lambda name: Path(name).suffix.lower() in MANIFEST_SUFFIXES,
        list_examples=lambda name, options: list_manifest(
            name, options.console
        ),
    ),
    "tfds": Source(
        written=f"{TFDS_PREFIX}NAME",
        matches=lambda name: name.startswith(TFDS_PREFIX),
        list_examples=lambda name, options: list_tfds(
            name.removeprefix(TFDS_PREFIX),
            data_dir=options.data_dir,
            split_names=options.split_names,
            console=options.console,
        ),
    ),
    "builtin": Source(
        written=f"one of {', '.join(BUILTINS)}",
        matches=lambda name: name in BUILTINS,
        list_examples=lambda name, _: list_builtin(name),
    ),
}


def list_examples(
    source: str,
    *,
    tfds_data_dir: str,
    tfds_splits: Sequence[str],
    console: Console | None = None,
) -> list[Example]:
    """Lists a source of any kind of `SOURCES`.

    Args:
        source: As the user wrote it.
        tfds_data_dir: Where TFDS keeps its data; "" = its own default.
        tfds_splits: TFDS split expressions for train, validation, test.
        console: Told how large what is to be copied is; None is quiet.

    Raises:
        InputError: If the source is missing, empty or malformed.
    """
    if not source:
        *first, last = (kind.written for kind in SOURCES.values())
        raise InputError(
            f"No data source is given; expected {', '.join(first)}, or {last}: "
            "pass --data=SOURCE."
        )
    kind = next(k for k in reversed(SOURCES.values()) if k.matches(source))
    options = SourceOptions(
        console or Console(quiet=True), tfds_data_dir, tfds_splits
    )
    return kind.list_examples(source, options)
