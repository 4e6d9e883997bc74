"""Images within the TFRecord files of TensorFlow Datasets, by their places.

A record holds the encoded image as it is, so that a file, an offset and a
length name it: where there is no room for a copy, it is read where it lies.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from tlkeras.data.contents import name_record
from tlkeras.errors import InputError
from tlkeras.remote import is_remote

# Of TFRecord: length and its checksum; the record; its checksum.
_LENGTH = struct.Struct("<Q4x")
_CHECKSUM_BYTES = 4
FORMAT = "tfrecord"


def split_parts(builder: Any, split: str) -> list[Any]:
    """Returns which examples of which files a split expression means.

    Args:
        builder: Of TFDS, prepared.
        split: E.g. `train[:80%]`.

    Returns:
        TFDS' own values, with `filename`, `skip`, `take`, `examples_in_shard`.

    Raises:
        InputError: If TFDS does not understand it.
    """
    try:
        return list(builder.info.splits[split].file_instructions)
    except (ValueError, AssertionError, KeyError) as error:
        raise InputError(
            f"TFDS does not understand the split '{split}' of "
            f"'{builder.name}' ({str(error).splitlines()[0]}); expected an "
            "expression such as train[:80%]: set --config.data.tfds_splits."
        ) from None


def measure_split(builder: Any, split: str) -> tuple[int, int]:
    """Returns the number of examples of a split, and about how many bytes.

    Raises:
        InputError: If TFDS does not understand it.
    """
    import tensorflow as tf

    num_examples = num_bytes = 0
    for part in split_parts(builder, split):
        taken = _num_taken(part)
        share = taken / max(part.examples_in_shard, 1)
        num_examples += taken
        num_bytes += int(share * tf.io.gfile.stat(part.filename).length)
    return num_examples, num_bytes


def find_images(
    builder: Any, split: str, image_key: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the place of each image of a split, and its example.

    Args:
        builder: Of TFDS, prepared.
        split: E.g. `train[:80%]`.
        image_key: Feature that is the image.

    Yields:
        A name for `contents.read_content`, and feature -> value; the image is
        encoded.

    Raises:
        InputError: If the files are of another format, or remote.
    """
    import tensorflow_datasets as tfds

    file_format = str(builder.info.file_format.value)
    if file_format != FORMAT or is_remote(str(builder.data_dir)):
        raise InputError(
            f"There is no room to copy 'tfds:{builder.name}', which lies in "
            f"'{builder.data_dir}' as {file_format}; expected local {FORMAT} "
            "files to read it where it lies: set TLKERAS_CACHE to a larger "
            "disk, or prepare it again."
        )
    decoders = {image_key: tfds.decode.SkipDecoding()}
    for part in split_parts(builder, split):
        with open(part.filename, "rb") as file:
            for number in range(part.skip + _num_taken(part)):
                offset, record = _next_record(file)
                if number < part.skip:
                    continue
                example = builder.info.features.deserialize_example_np(
                    record, decoders=decoders
                )
                image = example[image_key]
                # Wherever these bytes are found, they are these bytes.
                place = offset + record.index(image)
                yield name_record(part.filename, place, len(image)), example


def _num_taken(part: Any) -> int:
    rest = part.examples_in_shard - part.skip
    return rest if part.take < 0 else min(part.take, rest)


def _next_record(file: BinaryIO) -> tuple[int, bytes]:
    """Returns where a record begins, and its bytes."""
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    offset = file.tell()
    record = file.read(length)
    file.seek(_CHECKSUM_BYTES, 1)
    return offset, record
