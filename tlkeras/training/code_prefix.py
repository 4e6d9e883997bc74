"""The network that gives a config's CNN codes, at work."""

import dataclasses

import keras
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.features.codes import build_code_model
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import topological_layers
from tlkeras.models.split import split_classifier
from tlkeras.training.build import build_from_config
from tlkeras.training.reading import (
    build_views,
    feature_settings,
    reader_factory,
)


@dataclasses.dataclass(frozen=True)
class CodePlace:
    """Where in a network codes are taken, and of which copies of an image.

    Attributes:
        layer: Of the backbone; "" is the top.
        pooling: average | max | flatten | class_token | spatial.
        before_activation: Take what goes into the layer's nonlinearity.
        augmented_copies: K >= 1; above 1, K copies augmented as
            `data.augment` says.
    """

    layer: str = ""
    pooling: str = "average"
    before_activation: bool = False
    augmented_copies: int = 1


def top_network(classifier: Classifier) -> keras.Model:
    """Returns images -> codes, by the whole backbone and its pooling.

    A linear head is fitted on these codes, so that what is computed of them
    serves the run too.
    """
    num_layers = len(topological_layers(classifier.backbone))
    return split_classifier(classifier, num_layers).prefix


def build_code_prefix(
    config: ConfigDict, dataset: Dataset, place: CodePlace, console: Console
) -> FrozenPrefix:
    """Builds the network of a config's codes, ready to work.

    Args:
        config: As for `compute_codes`.
        dataset: Its first split decides about the engine.
        place: Of the codes.
        console: For progress.

    Raises:
        InputError: For an unknown layer or pooling.
    """
    classifier = build_from_config(config, dataset)
    own = CodePlace(
        pooling=config.model.pooling, augmented_copies=place.augmented_copies
    )
    if place == own:
        network = top_network(classifier)
    else:
        network = build_code_model(
            classifier,
            [place.layer],
            pooling=place.pooling,
            before_activation=place.before_activation,
        )
    copies = place.augmented_copies
    views = build_views(config, augment=copies > 1, num_views=copies)
    return FrozenPrefix(
        network,
        next(iter(dataset.splits.values())),
        reader_factory(classifier.image_size),
        views,
        feature_settings(config),
        console,
    )
