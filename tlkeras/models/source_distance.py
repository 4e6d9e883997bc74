"""How far images are from those that a backbone was trained on.

The moving statistics of BatchNormalization are statistics of the source: what
the training images were like there, channel by channel. With mu and sigma of
the source and m and s of the target, at the input of a layer,

    d = mean over channels of ((m - mu) / sigma)^2 + (s / sigma - 1)^2,

where both variances have the layer's epsilon added, so that d is 0 for the
source itself, and a channel that is silent in both counts for nothing.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import graph_nodes, layer_stages, topological_layers


@dataclasses.dataclass(frozen=True)
class NormDistance:
    """The distance at the input of one BatchNormalization.

    Attributes:
        layer: Its name.
        stage: log2 of its output stride.
        distance: Mean over its channels; 0 = as in the source.
    """

    layer: str
    stage: int
    distance: float


def norm_calls(classifier: Classifier) -> list[Any]:
    """Returns the backbone's calls of BatchNormalization, in order.

    Those of the functional graph itself: no network of `keras.applications`
    has one inside a nested model.
    """
    return [
        node
        for node in graph_nodes(classifier.backbone)
        if isinstance(node.operation, keras.layers.BatchNormalization)
    ]


def build_moments_model(classifier: Classifier) -> keras.Model:
    """Builds images -> moments at each BatchNormalization, in source units.

    Args:
        classifier: Its backbone has at least one BatchNormalization.

    Returns:
        Images [N, S, S, 3] in 0..255 -> for each layer the means over
        positions of z and of z^2, z = (x - mu) / sigma, each [N, channels].
    """
    moments = []
    for node in norm_calls(classifier):
        mean, variance = _source_statistics(node.operation)
        scaled = (node.input_tensors[0] - mean) / np.sqrt(variance)
        for value in (scaled, scaled * scaled):
            axes = tuple(range(1, len(value.shape) - 1))
            moments.append(keras.ops.mean(value, axis=axes))
    (call,) = [
        node
        for node in graph_nodes(classifier.model)
        if node.operation is classifier.backbone
    ]
    images = classifier.model.inputs[0]
    contract = keras.Model(images, call.input_tensors[0], name="contract")
    lower = keras.Model(classifier.backbone.inputs[0], moments, name="layers")
    outputs = lower(contract(images), training=False)
    return keras.Model(images, outputs, name="moments")


def _source_statistics(
    norm: keras.layers.BatchNormalization,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and variance + epsilon of the source, float32 [channels]."""
    mean = keras.ops.convert_to_numpy(norm.moving_mean)
    variance = keras.ops.convert_to_numpy(norm.moving_variance)
    return np.asarray(mean), np.asarray(variance + norm.epsilon, np.float32)


def measure_distances(
    classifier: Classifier, batches: Iterable[list[np.ndarray]]
) -> list[NormDistance]:
    """Reads the distances off the moments of some images.

    Args:
        classifier: As for `build_moments_model`.
        batches: Of what that model gives: float [n, channels] for each moment
            of each layer. 256 images are enough.

    Returns:
        One for each BatchNormalization, from the stem to the top.
    """
    calls = norm_calls(classifier)
    sums = [np.zeros(())] * (2 * len(calls))
    count = 0
    for batch in batches:
        sums = [
            total + moment.sum(0, dtype=np.float64)
            for total, moment in zip(sums, batch, strict=True)
        ]
        count += len(batch[0])
    layers = topological_layers(classifier.backbone)
    stages = dict(
        zip(
            (layer.name for layer in layers),
            layer_stages(classifier.backbone),
            strict=True,
        )
    )
    found = []
    for index, node in enumerate(calls):
        norm = node.operation
        mean, square = (sums[2 * index + i] / count for i in (0, 1))
        epsilon = norm.epsilon / _source_statistics(norm)[1]
        deviation = np.sqrt(np.maximum(square - mean**2, 0) + epsilon)
        distance = float(np.mean(mean**2 + (deviation - 1) ** 2))
        found.append(NormDistance(norm.name, stages[norm.name], distance))
    return found
