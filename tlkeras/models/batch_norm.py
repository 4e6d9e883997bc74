"""Re-estimating BatchNormalization statistics on the user's own images."""

from collections.abc import Iterable

import keras
import numpy as np

from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import batch_norm_layers, topological_layers
from tlkeras.models.regularization import without_dropout


def adapt_batch_norm(
    classifier: Classifier, batches: Iterable[np.ndarray]
) -> int:
    """Replaces the moving statistics by those of the given images.

    Each batch is normalised by its own statistics; the means over all batches
    become the moving ones (Li et al. 2016, Revisiting Batch Normalization For
    Practical Domain Adaptation). Gamma and beta stay.

    Args:
        classifier: Changed in place.
        batches: Training images, [n, S, S, 3] in 0..255, shuffled: each batch
            stands for all.

    Returns:
        Number of layers that were adapted.
    """
    norms = batch_norm_layers(topological_layers(classifier.backbone))
    estimate_statistics(classifier.model, norms, batches)
    return len(norms)


def estimate_statistics(
    model: keras.Model,
    norms: list[keras.layers.BatchNormalization],
    batches: Iterable[np.ndarray],
) -> None:
    """Replaces the moving statistics of some layers by those of images.

    The other layers normalise by what they have, if they do not train.

    Args:
        model: Changed in place.
        norms: Layers of it; with none nothing is computed.
        batches: Images, [n, S, S, 3] in 0..255, shuffled.
    """
    if not norms:
        return
    saved = [(norm, norm.trainable, norm.momentum) for norm in norms]
    try:
        for norm in norms:
            norm.trainable, norm.momentum = True, 0.0
        with without_dropout(model.layers):
            sums, count = _sum_statistics(model, batches, norms)
    finally:
        for norm, trainable, momentum in saved:
            norm.trainable, norm.momentum = trainable, momentum
    for norm, (mean, variance) in zip(norms, sums, strict=True):
        norm.moving_mean.assign(mean / count)
        norm.moving_variance.assign(variance / count)


def _sum_statistics(
    model: keras.Model,
    batches: Iterable[np.ndarray],
    norms: list[keras.layers.BatchNormalization],
) -> tuple[list[list[np.ndarray]], int]:
    """Sums each layer's batch mean and variance, weighted by images."""
    sums = [
        [np.zeros(n.moving_mean.shape), np.zeros(n.moving_mean.shape)]
        for n in norms
    ]
    count = 0
    for batch in batches:
        model(batch.astype(np.float32), training=True)
        for total, norm in zip(sums, norms, strict=True):
            total[0] += len(batch) * keras.ops.convert_to_numpy(
                norm.moving_mean
            )
            total[1] += len(batch) * keras.ops.convert_to_numpy(
                norm.moving_variance
            )
        count += len(batch)
    return sums, count
