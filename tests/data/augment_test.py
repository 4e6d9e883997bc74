import numpy as np
import pytest
import tensorflow as tf

from tlkeras.data.augment import (
    augment_image,
    box_mask,
    mix_batch,
    random_crop,
)
from tlkeras.data.augmentation import Augmentation
from tlkeras.data.geometry import rotate
from tlkeras.data.randaugment import OPERATIONS, randaugment

SIZE = (16, 16)
PLAIN = {"crop_area": (1.0, 1.0), "horizontal_flip": False, "load_scale": 1.0}


def seed(number):
    return tf.constant([7, number], tf.int64)


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return tf.constant(rng.integers(0, 256, (20, 20, 3)), tf.uint8)


EVERYTHING = Augmentation(
    rotation_degrees=20.0,
    randaugment_layers=2,
    erasing_probability=0.5,
)


def test_the_same_seed_gives_the_same_pixels(picture):
    first, again, other = (
        augment_image(picture, seed(n), SIZE, EVERYTHING) for n in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).numpy().any()
    assert first.shape == (*SIZE, 3)
    assert first.dtype == tf.float32


def test_a_full_crop_at_the_same_size_changes_nothing(picture):
    spec = Augmentation(**{**PLAIN, "crop_area": (1.0, 1.0)})
    image = augment_image(picture, seed(1), (20, 20), spec)
    np.testing.assert_array_equal(image, tf.cast(picture, tf.float32))


def test_jittered_crops_are_parts_of_the_image(picture):
    values = tf.cast(picture, tf.float32)
    spec = Augmentation(**PLAIN)
    corners = set()
    for number in range(40):
        crop = random_crop(values, seed(number), SIZE, spec).numpy()
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if (values[y : y + 16, x : x + 16].numpy() == crop).all()
        ]
        assert len(found) == 1
        corners.add(found[0])
    assert {y for y, _ in corners} == set(range(5))


def test_crops_of_a_constant_image_stay_constant():
    image = tf.fill((20, 20, 3), tf.constant(77, tf.uint8))
    out = augment_image(image, seed(3), SIZE, Augmentation())
    np.testing.assert_allclose(out, 77.0, atol=1e-3)


def test_half_of_the_images_are_mirrored(picture):
    spec = Augmentation(**{**PLAIN, "horizontal_flip": True})
    mirrored = [
        bool(
            tf.reduce_all(
                augment_image(picture, seed(n), (20, 20), spec)
                == tf.cast(picture[:, ::-1], tf.float32)
            )
        )
        for n in range(100)
    ]
    assert 30 < sum(mirrored) < 70


def test_rotating_back_returns_the_middle():
    y, x = np.mgrid[:21, :21]
    smooth = np.repeat((5 * x + 3 * y)[..., None], 3, -1).astype(np.float32)
    turned = rotate(rotate(tf.constant(smooth), 0.3), -0.3).numpy()
    np.testing.assert_allclose(turned[7:14, 7:14], smooth[7:14, 7:14], atol=0.5)
    quarter = rotate(tf.constant(smooth), np.pi / 2).numpy()
    np.testing.assert_allclose(quarter, np.rot90(smooth), atol=0.5)


def test_erasing_blanks_one_box(picture):
    spec = Augmentation(**PLAIN, erasing_probability=1.0)
    out = augment_image(picture, seed(5), (20, 20), spec).numpy()
    changed = (out != picture.numpy()).any(-1)
    rows, columns = np.where(changed.any(1))[0], np.where(changed.any(0))[0]
    assert 0.01 < changed.mean() < 0.5
    box = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert box.mean() > 0.95


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.__name__)
def test_each_operation_keeps_the_range_and_does_something(operation, picture):
    image = tf.cast(picture, tf.float32)
    out = operation(image, tf.constant(0.6)).numpy()
    assert out.shape == image.shape
    assert out.min() >= 0
    assert out.max() <= 255
    if operation.__name__ != "autocontrast":
        assert (out != image.numpy()).any()


def test_randaugment_draws_different_operations(picture):
    image = tf.cast(picture, tf.float32)
    outcomes = {
        randaugment(image, seed(n), layers=1, magnitude=9.0).numpy().tobytes()
        for n in range(20)
    }
    assert len(outcomes) > 5


@pytest.mark.parametrize(
    "spec",
    [
        Augmentation(mixup_alpha=0.5),
        Augmentation(cutmix_alpha=1.0),
        Augmentation(mixup_alpha=0.5, cutmix_alpha=1.0),
    ],
)
def test_mixing_keeps_the_sum_of_targets_and_matches_the_pixels(spec):
    # Class 0 is black, class 1 is white: the target tells the mean colour.
    images = tf.stack([tf.zeros((32, 32, 3)), tf.fill((32, 32, 3), 255.0)])
    targets = tf.eye(2)
    for number in range(8):
        mixed, labels = mix_batch(images, targets, seed(number), spec)
        np.testing.assert_allclose(tf.reduce_sum(labels, -1), 1.0, rtol=1e-5)
        white = tf.reduce_mean(mixed, (1, 2, 3)) / 255.0
        np.testing.assert_allclose(white, labels[:, 1], atol=1e-4)


def test_a_box_mask_has_the_asked_for_area():
    mask = box_mask(40, 40, 0.25, 0.5, 0.5, 0.25)
    assert mask.numpy().mean() == pytest.approx(0.125)
