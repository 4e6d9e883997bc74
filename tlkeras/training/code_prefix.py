"""The network that gives a config's CNN codes, at work."""

from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.features.codes import build_code_model
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.models.graph import topological_layers
from tlkeras.models.split import split_classifier
from tlkeras.training.build import build_from_config
from tlkeras.training.reading import (
    build_views,
    feature_settings,
    reader_factory,
)


def build_code_prefix(
    config: ConfigDict,
    dataset: Dataset,
    *,
    layer: str,
    pooling: str,
    before_activation: bool,
    augmented_copies: int,
    console: Console,
) -> FrozenPrefix:
    """Builds the network of a config's codes, ready to work.

    Args:
        config: As for `compute_codes`.
        dataset: Its first split decides about the engine.
        layer: As for `compute_codes`.
        pooling: Likewise.
        before_activation: Likewise.
        augmented_copies: Likewise.
        console: For progress.

    Raises:
        InputError: For an unknown layer or pooling.
    """
    classifier = build_from_config(config, dataset)
    if not layer and not before_activation and pooling == config.model.pooling:
        # The network whose codes a linear head of this config is fitted on:
        # `train` finds what is computed here.
        num_layers = len(topological_layers(classifier.backbone))
        network = split_classifier(classifier, num_layers).prefix
    else:
        network = build_code_model(
            classifier,
            [layer],
            pooling=pooling,
            before_activation=before_activation,
        )
    views = build_views(
        config, augment=augmented_copies > 1, num_views=augmented_copies
    )
    return FrozenPrefix(
        network,
        next(iter(dataset.splits.values())),
        reader_factory(classifier.image_size),
        views,
        feature_settings(config),
        console,
    )
