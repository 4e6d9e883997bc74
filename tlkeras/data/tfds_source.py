"""`tfds:NAME[:config]` through the TFDS API.

The encoded images are written once as files below the cache folder, so that
scan, splits, ledger and report treat them like any folder of photos. Where that
has no room, what is written is a list of their places in the files of TFDS.
`tfds:ImageFolder:DIR` reads DIR/SPLIT/CLASS/* where it lies.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.builtin import publish_directory
from tlkeras.data.contents import RECORD
from tlkeras.data.dataset import SPLITS, Example
from tlkeras.data.folder import survey_folder
from tlkeras.data.mirror import room_for_copies
from tlkeras.data.shared_folder import shared_path
from tlkeras.data.splits import digest_text
from tlkeras.data.tfds_records import find_images, measure_split
from tlkeras.errors import InputError
from tlkeras.tables import suggest

IMAGE_FOLDER = "ImageFolder"
LABELS_FILE = "examples.csv"
FOLDER = "tfds"  # below the cache folder

# Name of an image, and its classes.
Labelled = tuple[str, tuple[str, ...]]
# Feature -> value of an example -> its classes.
NamesOf = Callable[[dict[str, Any]], tuple[str, ...]]


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
        _write(builder, wanted, folder, console or Console(quiet=True))
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


def _write(
    builder: Any, wanted: dict[str, str], folder: Path, console: Console
) -> None:
    """Copies the images, or lists their places where there is no room."""
    sizes = [measure_split(builder, theirs) for theirs in wanted.values()]
    num_images, num_bytes = map(sum, zip(*sizes, strict=True))
    has_room = num_bytes <= room_for_copies(FOLDER)
    done = (
        f"copied to '{folder}', once"
        if has_room
        else f"more than '{folder.parent}' has room for, and read in "
        f"'{builder.data_dir}'"
    )
    console.line(
        f"tfds:{builder.name}: {num_images} images, "
        f"{num_bytes / 2**20:.1f} MiB, {done}"
    )
    partial = workdir.temporary_beside(folder)
    partial.mkdir(parents=True)
    rows = []
    for ours, theirs in wanted.items():
        # A data set with one split is divided like a folder without splits.
        split = ours if len(wanted) > 1 else ""
        found = (
            _copy(builder, theirs, partial, ours)
            if has_room
            else _find(builder, theirs)
        )
        for path, labels in found:
            rows.append(
                {"path": path, "label": "|".join(labels), "split": split}
            )
    workdir.write_table(partial / LABELS_FILE, ["path", "label", "split"], rows)
    publish_directory(partial, folder)


def _copy(
    builder: Any, split: str, folder: Path, prefix: str
) -> Iterator[Labelled]:
    """Writes the images of one split; yields their names below the folder."""
    import tensorflow_datasets as tfds

    image_key, names_of = _read_features(builder)
    dataset = builder.as_dataset(
        split=split,
        decoders={image_key: tfds.decode.SkipDecoding()},
        shuffle_files=False,
    )
    for number, element in enumerate(tfds.as_numpy(dataset)):
        path = f"{prefix}-{number:07d}.img"
        (folder / path).write_bytes(element[image_key])
        yield path, names_of(element)


def _find(builder: Any, split: str) -> Iterator[Labelled]:
    """Yields the places of the images of one split."""
    image_key, names_of = _read_features(builder)
    for place, element in find_images(builder, split, image_key):
        yield place, names_of(element)


def _read_features(builder: Any) -> tuple[str, NamesOf]:
    """Returns the image feature, and what gives the classes of an example."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    image_key = _feature_key(features, tfds.features.Image, builder.name)
    label_key, label_feature = _label_feature(features, builder.name)

    def names_of(element: dict[str, Any]) -> tuple[str, ...]:
        indices = np.atleast_1d(element[label_key])
        return tuple(label_feature.int2str(int(index)) for index in indices)

    return image_key, names_of


def _feature_key(features: Any, kind: type, name: str) -> str:
    for key, feature in features.items():
        if isinstance(feature, kind):
            return key
    raise InputError(
        f"TFDS data set '{name}' has no {kind.__name__} feature; expected an "
        "image classification data set."
    )


def _label_feature(features: Any, name: str) -> tuple[str, Any]:
    import tensorflow_datasets as tfds

    for key, feature in features.items():
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, tfds.features.ClassLabel):
            return key, inner
    raise InputError(
        f"TFDS data set '{name}' has no ClassLabel feature; expected an image "
        "classification data set."
    )


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
