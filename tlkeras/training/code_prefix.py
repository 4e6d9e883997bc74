"""The network that gives a config's CNN codes, at work."""

import keras
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.features.code_place import CodePlace
from tlkeras.features.codes import build_code_model
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import topological_layers
from tlkeras.models.split import split_classifier
from tlkeras.training.build import build_from_config
from tlkeras.training.prefixes import open_prefix
from tlkeras.training.reading import (
    build_views,
)


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
    first = next(iter(dataset.splits.values()))
    return open_prefix(network, first, config, console, views=views)
