"""Encoded images of TensorFlow Datasets, as files or by their places."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.builtin import publish_directory
from tlkeras.data.mirror import room_for_copies
from tlkeras.data.tfds_records import find_images, measure_split
from tlkeras.errors import InputError

FOLDER = "tfds"  # below the cache folder
LABELS_FILE = "examples.csv"  # path, label and split of each image

# Name of an image, and its classes.
Labelled = tuple[str, tuple[str, ...]]
# Feature -> value of an example -> its classes.
NamesOf = Callable[[dict[str, Any]], tuple[str, ...]]


def write_copy(
    builder: Any, wanted: dict[str, str], folder: Path, console: Console
) -> None:
    """Copies the images, or lists their places where there is no room.

    Args:
        builder: Of TFDS, prepared.
        wanted: Our split -> TFDS split expression.
        folder: To write, with `LABELS_FILE` in it.
        console: Told how large it will be.

    Raises:
        InputError: If the data set has no image and label features, a split is
            malformed, or it can be neither copied nor read where it lies.
    """
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
