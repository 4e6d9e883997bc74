"""Views without TensorFlow are the same pictures as with it."""

import numpy as np
import pytest
import tensorflow as tf

from tlkeras.data import augment_numpy, geometry, randaugment, resampling
from tlkeras.data.augment import compile_augmenter
from tlkeras.data.augmentation import Augmentation
from tlkeras.data.randaugment_numpy import NUMPY_OPERATIONS
from tlkeras.data.views import Views

SIZE = (48, 40)
ROUNDING = 0.01  # of 255


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def image(rng):
    return rng.uniform(0, 255, (60, 50, 3)).astype(np.float32)


def test_a_warped_image_has_the_same_bits(rng, image):
    for _ in range(5):
        matrix = np.array(
            [
                *rng.uniform((0.5, -0.2, -9), (1.1, 0.2, 9)),
                *rng.uniform((-0.2, 0.5, -9), (0.2, 1.1, 9)),
                *(0, 0),
            ],
            np.float32,
        )
        np.testing.assert_array_equal(
            resampling.warp(image, matrix, SIZE),
            geometry.warp(tf.constant(image), tf.constant(matrix), SIZE),
        )


def test_a_rotated_image_has_the_same_bits(image):
    for angle in np.float32([-1, -0.2, 0, 0.3, 2]):
        np.testing.assert_array_equal(
            resampling.rotate(image, float(angle)),
            geometry.rotate(tf.constant(image), tf.constant(angle)),
        )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"crop_area": (1.0, 1.0)},
        {"horizontal_flip": False, "rotation_degrees": 20.0},
        {"erasing_probability": 0.7},
    ],
)
def test_views_are_the_same_pictures(rng, fields):
    spec = Augmentation(**fields)
    images = rng.integers(0, 256, (24, *spec.load_size(SIZE), 3), np.uint8)
    keys, views = rng.integers(0, 2**60, 24), rng.integers(0, 2**16, 24)
    found = augment_numpy.augment_images(
        images, augment_numpy.view_seeds(7, keys, views), SIZE, spec
    )
    shown = Views(spec, None, 7)
    expected = compile_augmenter(SIZE, shown)(images, keys, views).numpy()
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


@pytest.mark.parametrize("number", range(len(NUMPY_OPERATIONS)))
@pytest.mark.parametrize("level", [-0.8, 0.3])
def test_operations_are_the_same(image, number, level):
    one, other = randaugment.OPERATIONS[number], NUMPY_OPERATIONS[number]
    assert one.__name__ == other.__name__
    level = np.float32(level)
    np.testing.assert_allclose(
        other(image, level),
        one(tf.constant(image), tf.constant(level)),
        atol=ROUNDING,
    )


def test_the_same_operations_are_drawn(rng):
    spec = Augmentation(randaugment_layers=2)
    images = rng.integers(0, 256, (24, *spec.load_size(SIZE), 3), np.uint8)
    keys, views = rng.integers(0, 2**60, 24), rng.integers(0, 2**16, 24)
    found = augment_numpy.augment_images(
        images, augment_numpy.view_seeds(7, keys, views), SIZE, spec
    )
    shown = Views(spec, None, 7)
    expected = compile_augmenter(SIZE, shown)(images, keys, views).numpy()
    # Where a value stands at the edge of a step, rounding moves it by one.
    assert (np.abs(found - expected) < ROUNDING).mean() > 0.999


@pytest.mark.parametrize(
    "fields",
    [
        {"mixup_alpha": 0.4},
        {"cutmix_alpha": 1.0},
        {"mixup_alpha": 0.4, "cutmix_alpha": 1.0},
    ],
)
def test_mixed_targets_are_the_shares_of_the_pixels(fields):
    images = np.stack([np.full((20, 20, 3), v, np.float32) for v in (0, 1)])
    targets = np.eye(2, dtype=np.float32)
    spec, drawn = Augmentation(**fields), set()
    for step in range(20):
        mixed, labels = augment_numpy.mix_images(
            images, targets, (3, step), spec
        )
        again, _ = augment_numpy.mix_images(images, targets, (3, step), spec)
        np.testing.assert_array_equal(mixed, again)
        np.testing.assert_allclose(
            mixed.mean((1, 2, 3)), labels[:, 1], atol=1e-5
        )
        assert mixed.dtype == labels.dtype == np.float32
        drawn.add(float(labels[0, 0]))
    assert len(drawn) > 10
