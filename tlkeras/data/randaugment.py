"""RandAugment: a few random operations at one magnitude (Cubuk et al. 2020).

The set is the paper's without the ones that change what a class means for
photographs of things (invert, shear are kept mild); colour operations act on
0..255 floats.

Every operation takes and gives float32 [H, W, 3]; its level is a scalar in
[-1, 1].
"""

import math
from collections.abc import Callable

import tensorflow as tf

from tlkeras.data.geometry import rotate, warp

MAX_MAGNITUDE = 30.0
GREY_WEIGHTS = (0.299, 0.587, 0.114)

# (image, level) -> image
Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _blend(low: tf.Tensor, high: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(low + factor * (high - low), 0.0, 255.0)


def brightness(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Scales all values by 1 + 0.9 level."""
    return _blend(tf.zeros_like(image), image, 1.0 + 0.9 * level)


def contrast(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Scales the distance from the mean grey by 1 + 0.9 level."""
    grey = tf.reduce_mean(tf.reduce_sum(image * GREY_WEIGHTS, -1))
    return _blend(tf.fill(tf.shape(image), grey), image, 1.0 + 0.9 * level)


def color(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Scales the distance from the pixel's own grey by 1 + 0.9 level."""
    grey = tf.reduce_sum(image * GREY_WEIGHTS, -1, keepdims=True)
    return _blend(tf.repeat(grey, 3, -1), image, 1.0 + 0.9 * level)


def sharpness(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Scales the distance from a 3 x 3 blur by 1 + 0.9 level."""
    blurred = tf.nn.avg_pool2d(image[None], 3, 1, "SAME")[0]
    return _blend(blurred, image, 1.0 + 0.9 * level)


def posterize(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Keeps 8 .. 4 bits of each value."""
    step = tf.pow(2.0, tf.round(4.0 * tf.abs(level)))
    return tf.floor(image / step) * step


def solarize(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Inverts the values above 256 (1 - |level|)."""
    threshold = 256.0 * (1.0 - tf.abs(level))
    return tf.where(image < threshold, image, 255.0 - image)


def autocontrast(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to 0..255."""
    del level
    low = tf.reduce_min(image, (0, 1), keepdims=True)
    high = tf.reduce_max(image, (0, 1), keepdims=True)
    return (image - low) * 255.0 / tf.maximum(high - low, 1.0)


def rotation(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Rotates by up to 30 degrees."""
    return rotate(image, level * math.radians(30.0))


def translation(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Shifts to the side by up to 0.45 of the width."""
    height, width, _ = image.shape
    shift = 0.45 * width * level
    matrix = tf.stack([1.0, 0.0, shift, 0.0, 1.0, 0.0, 0.0, 0.0])
    return warp(image, matrix, (height, width))


def shear(image: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Shears by up to 0.3 about the centre."""
    height, width, _ = image.shape
    slope = 0.3 * level
    shift = -slope * (height - 1) / 2
    matrix = tf.stack([1.0, slope, shift, 0.0, 1.0, 0.0, 0.0, 0.0])
    return warp(image, matrix, (height, width))


OPERATIONS: tuple[Operation, ...] = (
    brightness,
    contrast,
    color,
    sharpness,
    posterize,
    solarize,
    autocontrast,
    rotation,
    translation,
    shear,
)


def randaugment(
    image: tf.Tensor, seed: tf.Tensor, *, layers: int, magnitude: float
) -> tf.Tensor:
    """Applies `layers` random operations.

    Args:
        image: float32 [H, W, 3] in 0..255.
        seed: int64 [2].
        layers: Operations per image (the paper's N).
        magnitude: 0 .. 30 (the paper's M); the sign of each is random.

    Returns:
        float32 [H, W, 3] in 0..255.
    """
    shape = image.shape
    for layer in range(layers):
        draw = tf.random.stateless_uniform(
            (2,), tf.random.experimental.stateless_fold_in(seed, layer)
        )
        sign = tf.where(draw[0] < 0.5, -1.0, 1.0)
        level = sign * magnitude / MAX_MAGNITUDE
        index = tf.cast(draw[1] * len(OPERATIONS), tf.int32)
        image = tf.switch_case(
            index,
            [
                lambda op=op, image=image, level=level: op(image, level)
                for op in OPERATIONS
            ],
        )
        image = tf.ensure_shape(image, shape)
    return image
