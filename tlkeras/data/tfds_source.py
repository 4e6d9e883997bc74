"""`tfds:NAME[:config]` through the TFDS API.

The encoded images are written once as files below the cache folder, so that
scan, splits, ledger and report treat them like any folder of photos. Where that
has no room, what is written is a list of their places in the files of TFDS.
`tfds:ImageFolder:DIR` reads DIR/SPLIT/CLASS/* where it lies.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.contents import RECORD
from tlkeras.data.dataset import SPLITS, Example
from tlkeras.data.folder import survey_folder
from tlkeras.data.shared_folder import shared_path
from tlkeras.data.splits import digest_text
from tlkeras.data.tfds_copy import FOLDER, LABELS_FILE, write_copy
from tlkeras.errors import InputError
from tlkeras.tables import suggest

IMAGE_FOLDER = "ImageFolder"


def list_tfds(
    name: str,
    *,
    data_dir: str,
    split_names: Sequence[str],
    console: Console | None = None,
) -> list[Example]:
    """Lists a TFDS data set as examples.

    Args:
        name: `NAME`, `NAME:CONFIG` or `ImageFolder:DIR`, without `tfds:`.
        data_dir: Where TFDS keeps prepared data; "" = its own default.
        split_names: TFDS split expressions for train, validation and test,
            e.g. `("train[:90%]", "train[90%:]", "test")`; "" = none. Plain
            names that the data set lacks are passed over.
        console: Told how large the copy will be; None is quiet.

    Raises:
        InputError: If the data set is unknown, cannot be prepared, or has no
            image and label features.
    """
    if name.split(":")[0] == IMAGE_FOLDER:
        return _list_image_folder(name.partition(":")[2])
    builder = _prepare(name, data_dir)
    wanted = _existing_splits(builder, split_names)
    key = digest_text(f"{wanted}:{builder.data_dir}")
    label = builder.info.full_name.replace("/", "-")
    folder = shared_path(FOLDER, f"{label}-{key}")
    if not folder.is_dir():
        write_copy(builder, wanted, folder, console or Console(quiet=True))
    return [
        Example(
            str(folder / row["path"])
            if not row["path"].startswith(RECORD)
            else row["path"],
            tuple(row["label"].split("|")),
            row["split"] or None,
        )
        for row in workdir.read_table(folder / LABELS_FILE)
    ]


def _prepare(name: str, data_dir: str) -> Any:
    import tensorflow_datasets as tfds

    from tlkeras.data import tfds_builders  # noqa: F401  registers two

    base, _, config = name.partition(":")
    try:
        builder = tfds.builder(
            base, data_dir=data_dir or None, config=config or None
        )
    except (tfds.core.registered.DatasetNotFoundError, ValueError) as error:
        hint = suggest(base, tfds.list_builders(with_community_datasets=False))
        raise InputError(
            f"TFDS has no data set 'tfds:{name}'.{hint} Expected a name (and "
            f"config) of its catalogue ({str(error).splitlines()[0]})."
        ) from None
    try:
        builder.download_and_prepare()
    except Exception as error:  # network, checksum, manual-download errors
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise InputError(
            f"TFDS cannot prepare '{name}' in '{builder.data_dir}' "
            f"({reason[0]}); expected prepared data or a reachable download: "
            "prepare it on a machine with a network and pass its folder as "
            "--config.data.tfds_data_dir."
        ) from None
    return builder


def _existing_splits(
    builder: Any, split_names: Sequence[str]
) -> dict[str, str]:
    """Returns our split -> TFDS split expression."""
    known = set(builder.info.splits)
    found = {
        ours: theirs
        for ours, theirs in zip(SPLITS, split_names, strict=True)
        if theirs in known or "[" in theirs
    }
    if "train" not in found:
        raise InputError(
            f"TFDS data set '{builder.name}' has no split '{split_names[0]}'; "
            f"it has {', '.join(sorted(known))}: set "
            "--config.data.tfds_splits."
        )
    return found


def _list_image_folder(directory: str) -> list[Example]:
    """Lists DIR/SPLIT/CLASS/NAME.

    The builder would decode every image only to name it, and stop at the first
    damaged one: the files are listed here and scanned like any others.
    """
    root = Path(directory)
    is_folder = directory and root.is_dir() and any(root.glob("*/*/*"))
    examples = survey_folder(root) if is_folder else []
    if not any(example.split for example in examples):
        raise InputError(
            f"'{directory}' is no TFDS image folder; expected "
            "DIR/SPLIT/CLASS/NAME: pass tfds:ImageFolder:DIR."
        )
    return examples
