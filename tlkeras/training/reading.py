"""How a config reads images, and runs a frozen network on them."""

import os
from typing import TYPE_CHECKING

import numpy as np
from ml_collections import ConfigDict

from tlkeras.data.augmentation import Augmentation
from tlkeras.data.copy_reader import CopyReader
from tlkeras.data.dataset import Split
from tlkeras.data.epoch import stream_seed
from tlkeras.data.reader import ViewReader
from tlkeras.data.views import UNCHANGED, Views
from tlkeras.errors import InputError
from tlkeras.features.activations import ReadImages
from tlkeras.features.frozen import FeatureSettings, MakeReader
from tlkeras.remote import is_remote

if TYPE_CHECKING:
    from tlkeras.training.phases import Phase


def build_views(
    config: ConfigDict, *, augment: bool, num_views: int | None
) -> Views:
    """Returns how a config shows images.

    Args:
        config: Its `data.augment` section and its seed count.
        augment: Whether they are augmented.
        num_views: K >= 1, or None for a new view each epoch.
    """
    settings = config.data.augment.to_dict()
    return Views(
        augmentation=Augmentation(**settings) if augment else None,
        num_views=num_views,
        seed=stream_seed(config.seed, "views"),
    )


def phase_views(phase: "Phase", config: ConfigDict) -> Views:
    """Returns how a phase shows the training images."""
    return build_views(
        config, augment=phase.augment, num_views=config.features.num_views
    )


def feature_settings(config: ConfigDict) -> FeatureSettings:
    """Returns the settings of frozen parts in a config.

    Raises:
        InputError: If its store is no folder.
    """
    features = config.features
    if is_remote(features.store):
        raise InputError(
            f"features.store='{features.store}' is an address; expected a "
            "folder, whose rows are mapped into memory: mount the bucket, or "
            "copy the store to a disk."
        )
    return FeatureSettings(
        engine=config.runtime.engine,
        precision=features.precision,
        cache=features.cache,
        storage=features.storage,
        store=features.store,
        max_cache_bytes=features.max_cache_bytes,
        num_workers=config.runtime.num_workers or os.cpu_count() or 1,
    )


def reader_factory(image_size: int) -> MakeReader:
    """Returns what makes readers of square images.

    Args:
        image_size: Side of the images, pixels.
    """

    def make_reader(split: Split, views: Views) -> ReadImages:
        size = (image_size, image_size)
        if views.copies:
            return CopyReader(split, size, views.copies)
        return ViewReader(split, size, views)

    return make_reader


def read_pixels(split: Split, image_size: int) -> np.ndarray:
    """Reads all images of a split as they are.

    Args:
        split: Small enough for memory.
        image_size: Side S of the images, pixels.

    Returns:
        uint8 [N, S, S, 3].
    """
    rows = np.arange(len(split))
    return reader_factory(image_size)(split, UNCHANGED)(
        rows, np.zeros_like(rows)
    )
