"""A frozen network at work as a config says."""

import keras
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.views import UNCHANGED, Views
from tlkeras.features.freezing import freeze_network
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.training.reading import feature_settings, reader_factory


def open_prefix(
    network: keras.Model,
    train: Split,
    config: ConfigDict,
    console: Console,
    *,
    views: Views = UNCHANGED,
) -> FrozenPrefix:
    """Returns a frozen network at work.

    Args:
        network: Images [N, S, S, 3] -> activations.
        train: Images that decide about the engine.
        config: Of the run.
        console: For progress.
        views: How images are shown; as they are.
    """
    return freeze_network(
        network,
        train,
        reader_factory(network.inputs[0].shape[1]),
        views,
        feature_settings(config),
        console,
    )
