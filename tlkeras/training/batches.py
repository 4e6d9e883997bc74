"""What a phase reads, in an order that is a function of seed and step."""

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras.data.batches import row_batches, training_batches
from tlkeras.data.dataset import Split
from tlkeras.data.epoch import balanced_class_weights, stream_seed
from tlkeras.data.parallel import lent
from tlkeras.data.pipeline import naming_bad_files
from tlkeras.data.reader import ViewReader
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.phases import Phase
from tlkeras.training.reading import feature_settings, phase_views
from tlkeras.training.worker_place import ALONE, WorkerPlace


def class_weights(config: ConfigDict, train: Split) -> np.ndarray | None:
    """Returns the weights of classes in the loss, float32 [C], or None."""
    if config.data.class_weighting == "none":
        return None
    return balanced_class_weights(train.label_counts())


def phase_order(
    phase: Phase,
    config: ConfigDict,
    num_images: int,
    *,
    first_epoch: int,
    num_epochs: int,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yields (epoch, step, rows [batch]) of each step of a phase.

    A pure function of the config's seed, the phase's name and the step.

    Args:
        phase: Its batch size and name decide.
        config: Of the run.
        num_images: N of the training split.
        first_epoch: Counted from 0, where a phase is resumed.
        num_epochs: Of the whole pass.
    """
    return row_batches(
        num_images,
        batch_size=phase.batch_size,
        seed=stream_seed(config.seed, phase.name),
        first_epoch=first_epoch,
        num_epochs=num_epochs,
    )


def phase_batches(
    phase: Phase,
    config: ConfigDict,
    train: Split,
    image_size: int,
    frozen: FrozenPart | None = None,
    *,
    first_epoch: int,
    num_epochs: int,
    part: WorkerPlace = ALONE,
) -> Generator[tuple[Any, ...]]:
    """Yields what `fit` reads: pixels, or activations cached or live.

    Args:
        phase: Its augmentation, batch size and name decide.
        config: Of the run.
        train: The training images.
        image_size: Side S of the network's input, pixels.
        frozen: Of the phase, or None.
        first_epoch: Counted from 0, where a phase is resumed.
        num_epochs: Of the whole pass.
        part: Which part of each batch is wanted.

    Yields:
        (images [n, S, S, 3] or the frontier, targets [n, C][, weights [n]]).
    """
    order = phase_order(
        phase,
        config,
        len(train),
        first_epoch=first_epoch,
        num_epochs=num_epochs,
    )
    views = phase_views(phase, config)
    mixes = bool(views.augmentation and views.augmentation.mixes_images)
    if not mixes:
        order = ((e, step, part.part_of(rows)) for e, step, rows in order)
    weights = class_weights(config, train)
    if frozen and frozen.is_cached:
        yield from frozen.cached_batches(order, train, weights)
        return
    num_workers = feature_settings(config).num_workers
    reader = ViewReader(
        train,
        (image_size, image_size),
        views,
        num_workers=num_workers,
        max_decoded_bytes=config.data.max_decoded_bytes,
    )
    batches = training_batches(
        reader,
        order,
        seed=stream_seed(config.seed, phase.name),
        class_weights=weights,
        num_workers=num_workers,
    )
    if mixes:  # of images of the whole batch, with each other
        batches = (tuple(map(part.part_of, batch)) for batch in batches)
    yield from frozen.live_batches(batches) if frozen else batches


@contextlib.contextmanager
def lent_batches(
    batches: Generator[tuple[Any, ...]], train: Split, image_size: int
) -> Iterator[Generator[tuple[Any, ...]]]:
    """Lends a phase's batches to Keras, and closes them afterwards.

    Args:
        batches: From `phase_batches`.
        train: Their images; one that cannot be decoded is named.
        image_size: Side of the images, pixels.
    """
    size = (image_size, image_size)
    with lent(batches) as read, naming_bad_files(train, size):
        yield read
