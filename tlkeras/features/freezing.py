"""A Keras network as a frozen prefix at work."""

import dataclasses

import keras

from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.views import Views
from tlkeras.features.engine_choice import CheckedEngine
from tlkeras.features.frozen import (
    FeatureSettings,
    FrozenPrefix,
    MakeReader,
    pixel_dtype,
)


def freeze_network(
    network: keras.Model,
    train: Split,
    make_reader: MakeReader,
    views: Views,
    settings: FeatureSettings,
    console: Console,
) -> FrozenPrefix:
    """Returns a network at work, whose engine is chosen at the first use.

    Args:
        network: Images [N, S, S, 3] -> frontier; its weights must be final.
        train: The training split: its images decide about the engine.
        make_reader: (split, views) -> reader of its images.
        views: Of the training images.
        settings: Engine, precision and cache.
        console: For people.
    """
    plain = dataclasses.replace(views, augmentation=None, copies=())
    choice = CheckedEngine(
        network,
        train,
        make_reader(train, plain),
        pixel_dtype(views),
        engine=settings.engine,
        precision=settings.precision,
        num_streams=settings.num_workers,
        remembers=settings.cache != "off",
        console=console,
    )
    return FrozenPrefix(choice, make_reader, views, settings, console)
