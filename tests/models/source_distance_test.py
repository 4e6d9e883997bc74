"""The distance of images from the source of a backbone's weights."""

import keras
import numpy as np
import pytest

from tlkeras.models.batch_norm import adapt_batch_norm
from tlkeras.models.classifier import build_classifier
from tlkeras.models.source_distance import (
    build_moments_model,
    measure_distances,
    norm_calls,
)


def distances(classifier, images, batch_size=16):
    model = build_moments_model(classifier)
    batches = (
        [
            keras.ops.convert_to_numpy(moment)
            for moment in model(images[i : i + batch_size])
        ]
        for i in range(0, len(images), batch_size)
    )
    return [row.distance for row in measure_distances(classifier, batches)]


def test_images_that_the_statistics_come_from_have_no_distance(
    small_classifier, batch
):
    images, _ = batch
    assert np.mean(distances(small_classifier, images)) > 0.05
    adapt_batch_norm(small_classifier, [images])
    assert max(distances(small_classifier, images)) < 1e-4
    assert distances(small_classifier, 255 - images / 2)[0] > 0.1


def test_the_distance_is_that_of_the_formula(small_classifier, batch):
    """At the first layer, by hand: z has other means and deviations."""
    images, _ = batch
    adapt_batch_norm(small_classifier, [images])
    norm = norm_calls(small_classifier)[0].operation
    sigma = keras.ops.sqrt(norm.moving_variance + norm.epsilon)
    norm.moving_mean.assign(norm.moving_mean - 2 * sigma)
    first, *rest = distances(small_classifier, images)
    assert first == pytest.approx(4, rel=1e-3)
    # What follows sees other inputs, for the layer now gives others.
    assert rest[0] > 0.01


def test_batches_add_up(small_classifier, batch):
    images, _ = batch
    whole = distances(small_classifier, images)
    np.testing.assert_allclose(
        distances(small_classifier, images, batch_size=5), whole, rtol=1e-4
    )


def test_stages_rise_from_the_stem_to_the_top(small_classifier, batch):
    model = build_moments_model(small_classifier)
    moments = [np.asarray(m) for m in model(batch[0])]
    rows = measure_distances(small_classifier, [moments])
    stages = [row.stage for row in rows]
    assert stages == sorted(stages)
    assert set(stages) == {1, 2, 3, 4, 5}


def test_a_network_without_batch_normalization_has_no_calls():
    vgg = build_classifier(
        "VGG16", class_names=("a", "b"), weights="none", image_size=32
    )
    assert norm_calls(vgg) == []
