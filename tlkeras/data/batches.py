"""Shuffled training batches.

Order, views and mixing are pure functions of (seed, phase, epoch, step, image):
batches that start at epoch e are those of an uninterrupted pass from there.
"""

from collections.abc import Generator, Iterator

import numpy as np

from tlkeras.data.augmenting import mix_views
from tlkeras.data.epoch import steps_per_epoch
from tlkeras.data.parallel import ordered_map
from tlkeras.data.reader import ViewReader
from tlkeras.data.stateless import shuffle

Batch = tuple[np.ndarray, ...]


def epoch_order(num_images: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the order of an epoch, int64 [num_images], a permutation.

    Args:
        num_images: Of the split.
        seed: Of the phase, from `epoch.stream_seed`.
        epoch: Counted from 0.
    """
    return shuffle(num_images, (seed, epoch))


def row_batches(
    num_images: int,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int,
    num_epochs: int,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yields which images each step has, from first_epoch to the last.

    Args:
        num_images: Of the split.
        batch_size: Images a batch; what does not fill a batch waits for the
            next epoch's order.
        seed: Of the phase, from `epoch.stream_seed`.
        first_epoch: Where to start, when resuming.
        num_epochs: Of the whole phase.

    Yields:
        Epoch and step of the phase, counted from 0, and int64 [B] places in
        the split.
    """
    batch_size = min(batch_size, num_images)
    steps = steps_per_epoch(num_images, batch_size)
    for epoch in range(first_epoch, num_epochs):
        order = epoch_order(num_images, seed, epoch)
        for step in range(steps):
            rows = order[step * batch_size : (step + 1) * batch_size]
            yield epoch, epoch * steps + step, rows


def training_batches(
    reader: ViewReader,
    order: Iterator[tuple[int, int, np.ndarray]],
    *,
    seed: int,
    class_weights: np.ndarray | None,
    num_workers: int,
) -> Generator[Batch]:
    """Yields batches of pixels in the order of `row_batches`.

    Args:
        reader: Of the training images.
        order: (epoch, step, rows) of each batch.
        seed: Of the phase; MixUp and CutMix draw from it.
        class_weights: [C] float32, or None; multiplies each image's loss.
        num_workers: Threads that make batches.

    Yields:
        Images float32 [B, height, width, 3] in 0..255, targets float32
        [B, C][, weights float32 [B]].
    """
    augmentation = reader.views.augmentation

    def load(item: tuple[int, int, np.ndarray]) -> Batch:
        epoch, step, rows = item
        shown = reader.views.of_epoch(reader.keys[rows], epoch)
        images = reader(rows, shown).astype(np.float32, copy=False)
        targets = reader.split.targets_of(rows)
        if augmentation and augmentation.mixes_images:
            # [seed, epoch] is the key of an epoch's order.
            images, targets = mix_views(
                images, targets, (seed + 1, step), augmentation
            )
        weights = () if class_weights is None else (targets @ class_weights,)
        return images, targets, *weights

    return ordered_map(load, order, num_workers=num_workers)
