"""Images of a split in order, and the names of those that cannot be read.

TensorFlow's autotuning is off, because a finite pass waits for its thread,
which costs up to half of the speed of short passes.
"""

import contextlib
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tlkeras.data.dataset import Split
from tlkeras.data.definition import ImageDefinition
from tlkeras.data.preprocess import decode_image
from tlkeras.errors import InputError


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    options.experimental_optimization.map_parallelization = False
    return options


def read_image(
    path: tf.Tensor, size: tuple[int, int], definition: ImageDefinition
) -> tf.Tensor:
    """Reads one file as uint8 [height, width, 3].

    Args:
        path: Scalar string.
        size: (height, width), pixels.
        definition: What the pixels of an image are.
    """
    return decode_image(tf.io.read_file(path), *size, definition)


def list_files(split: Split) -> tf.data.Dataset:
    """Returns what is decoded of a split; names need not be UTF-8."""
    return tf.data.Dataset.from_tensor_slices(
        [os.fsencode(path) for path in split.files]
    )


def decode_split(
    split: Split, size: tuple[int, int], *, num_workers: int
) -> np.ndarray:
    """Decodes all images of a split into memory.

    Args:
        split: Of N images.
        size: (height, width), pixels.
        num_workers: Parallel decodes.

    Returns:
        uint8 [N, height, width, 3].
    """
    images = np.empty((len(split), *size, 3), np.uint8)
    files = list_files(split)
    decoded = files.map(
        lambda path: read_image(path, size, split.definition),
        num_parallel_calls=num_workers,
    ).with_options(_options())
    with naming_bad_files(split, size):
        for row, image in enumerate(decoded.as_numpy_iterator()):
            images[row] = image
    return images


@contextlib.contextmanager
def naming_bad_files(split: Split, size: tuple[int, int]) -> Iterator[None]:
    """Turns a decoder's error, which names no file, into one that does.

    The scan leaves out what its own decoder refuses; this is for the rare file
    that only TensorFlow refuses.
    """
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnknownError):
        for path, file in zip(split.paths, split.files, strict=True):
            try:
                read_image(os.fsencode(file), size, split.definition)
            except (tf.errors.OpError, UnicodeDecodeError):
                raise InputError(
                    f"'{path}' cannot be decoded by TensorFlow; expected a "
                    "baseline JPEG, PNG, GIF, BMP or WebP: remove the file or "
                    "save it again."
                ) from None
        raise


class ImageBatches:
    """The images of a split in order, as often as they are asked for.

    Decoded images stay in memory after the first pass where they fit.

    Args:
        split: The images.
        size: (height, width), pixels.
        batch_size: Images a batch; the last batch may be smaller.
        num_workers: Parallel decodes.
        max_decoded_bytes: Largest size to keep in memory.
    """

    def __init__(
        self,
        split: Split,
        size: tuple[int, int],
        *,
        batch_size: int,
        num_workers: int,
        max_decoded_bytes: int,
    ) -> None:
        self.split = split
        self.size = size
        self.batch_size = batch_size
        self.num_workers = num_workers
        fits = len(split) * size[0] * size[1] * 3 <= max_decoded_bytes
        self._kept: list[np.ndarray] | None = [] if fits else None

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields uint8 [n, height, width, 3]."""
        if self._kept:
            yield from self._kept
            return
        batches = []
        for batch in self._decode():
            if self._kept is not None:
                batches.append(batch)
            yield batch
        if self._kept is not None:
            self._kept = batches

    def _decode(self) -> Iterator[np.ndarray]:
        files = list_files(self.split)
        with naming_bad_files(self.split, self.size):
            yield from (
                files.map(
                    lambda path: read_image(
                        path, self.size, self.split.definition
                    ),
                    num_parallel_calls=self.num_workers,
                )
                .batch(self.batch_size)
                .prefetch(2)
                .with_options(_options())
                .as_numpy_iterator()
            )
