"""Batches of a split: in order for evaluation, shuffled for training.

Order, crops and mixing are pure functions of (seed, phase, epoch, step, image):
an iterator that starts at epoch e gives what an uninterrupted one gives there.
TensorFlow's autotuning is off, because a finite pass waits for its thread,
which costs up to half of the speed of short passes.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tlkeras.data.augment import augment_image, derive, mix_batch
from tlkeras.data.augmentation import Augmentation
from tlkeras.data.dataset import Split
from tlkeras.data.preprocess import decode_image
from tlkeras.data.schedule import steps_per_epoch
from tlkeras.errors import InputError

Batch = tuple[tf.Tensor, ...]


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    options.experimental_optimization.map_parallelization = False
    return options


def read_image(path: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Reads one file as uint8 [height, width, 3]."""
    return decode_image(tf.io.read_file(path), *size)


def decode_split(
    split: Split, size: tuple[int, int], *, num_workers: int
) -> np.ndarray:
    """Decodes all images of a split into memory.

    Returns:
        uint8 [N, height, width, 3].
    """
    images = np.empty((len(split), *size, 3), np.uint8)
    files = tf.data.Dataset.from_tensor_slices(list(split.paths))
    decoded = files.map(
        lambda path: read_image(path, size), num_parallel_calls=num_workers
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
    except tf.errors.InvalidArgumentError:
        for path in split.paths:
            try:
                read_image(path, size)
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
        files = tf.data.Dataset.from_tensor_slices(list(self.split.paths))
        with naming_bad_files(self.split, self.size):
            yield from (
                files.map(
                    lambda path: read_image(path, self.size),
                    num_parallel_calls=self.num_workers,
                )
                .batch(self.batch_size)
                .prefetch(2)
                .with_options(_options())
                .as_numpy_iterator()
            )


def epoch_order(num_images: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Returns the order of an epoch, int64 [num_images], a permutation."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.random.experimental.stateless_shuffle(
        tf.range(num_images, dtype=tf.int64), key
    )


def training_batches(
    split: Split,
    size: tuple[int, int],
    *,
    batch_size: int,
    seed: int,
    first_epoch: int,
    num_epochs: int,
    augmentation: Augmentation | None,
    class_weights: np.ndarray | None,
    num_workers: int,
    max_decoded_bytes: int,
) -> tf.data.Dataset:
    """Builds the shuffled batches of epochs first_epoch .. num_epochs - 1.

    Args:
        split: Training images.
        size: (height, width) that the network takes.
        batch_size: Images a batch; what does not fill a batch waits for the
            next epoch's order.
        seed: Of the phase, from `stream_seed`.
        first_epoch: Where to start, when resuming.
        num_epochs: Of the whole phase.
        augmentation: Live augmentation, or None.
        class_weights: [C] float32, or None; multiplies each image's loss.
        num_workers: Parallel decodes.
        max_decoded_bytes: Decoded images are kept in memory up to this size.

    Returns:
        A dataset of (images float32 [B, height, width, 3] in 0..255, targets
        float32 [B, C][, weights float32 [B]]).
    """
    scale = augmentation.load_scale if augmentation else 1.0
    load_size = (round(size[0] * scale), round(size[1] * scale))
    fetch = _fetcher(split, load_size, num_workers, max_decoded_bytes)
    targets = tf.constant(split.targets)
    batch_size = min(batch_size, len(split))
    steps = steps_per_epoch(len(split), batch_size)

    def epoch_items(epoch: tf.Tensor) -> tf.data.Dataset:
        order = epoch_order(len(split), seed, epoch)[: steps * batch_size]
        return tf.data.Dataset.from_tensor_slices(order).map(
            lambda index: (epoch, index)
        )

    def load(epoch: tf.Tensor, index: tf.Tensor) -> Batch:
        image = fetch(index)
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        if augmentation:
            image = augment_image(image, derive(key, index), size, augmentation)
        return tf.cast(image, tf.float32), targets[index]

    def finish(step: tf.Tensor, batch: Batch) -> Batch:
        images, labels = batch
        weights = (
            () if class_weights is None else (labels @ class_weights[:, None],)
        )
        if augmentation and augmentation.mixes_images:
            key = tf.stack([tf.constant(seed + 1, tf.int64), step])
            images, labels = mix_batch(images, labels, key, augmentation)
        return images, labels, *(w[:, 0] for w in weights)

    return (
        tf.data.Dataset.range(first_epoch, num_epochs)
        .flat_map(epoch_items)
        .map(load, num_parallel_calls=num_workers)
        .batch(batch_size, drop_remainder=True)
        .enumerate(start=first_epoch * steps)
        .map(finish)
        .prefetch(2)
        .with_options(_options())
    )


def _fetcher(split, size, num_workers, max_decoded_bytes):  # type: ignore[no-untyped-def]
    """Returns index -> uint8 image, from memory where it fits."""
    if len(split) * size[0] * size[1] * 3 <= max_decoded_bytes:
        images = tf.constant(decode_split(split, size, num_workers=num_workers))
        return lambda index: images[index]
    paths = tf.constant(list(split.paths))
    return lambda index: read_image(paths[index], size)
