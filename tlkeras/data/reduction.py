"""Reduction by powers of two, as a JPEG decoder does it for other formats."""

import tensorflow as tf

from tlkeras.data.apart import apart


def average_squares(pixels: tf.Tensor, power: tf.Tensor) -> tf.Tensor:
    """Averages squares of 2**power pixels, halves rounded up.

    Squares at the right and lower edge are completed by repeating the last
    column and row, as JPEG encoders do.

    Args:
        pixels: uint8 [h, w, channels].
        power: int32 scalar, at least 0.

    Returns:
        uint8 [ceil(h / 2**power), ceil(w / 2**power), channels].
    """
    return tf.cond(power > 0, lambda: _average(pixels, power), lambda: pixels)


@apart(tf.TensorSpec((None, None, None), tf.uint8), tf.TensorSpec((), tf.int32))
def _average(pixels: tf.Tensor, power: tf.Tensor) -> tf.Tensor:
    side = tf.bitwise.left_shift(1, power)
    sides = tf.shape(pixels)[:2]
    target = (sides + side - 1) // side
    for axis in (0, 1):
        missing = target[axis] * side - sides[axis]
        # A large image is not copied where nothing is missing.
        pixels = tf.cond(
            missing > 0,
            lambda pixels=pixels, missing=missing, axis=axis: _lengthen(
                pixels, missing, axis
            ),
            lambda pixels=pixels: pixels,
        )
    # Whole squares: each mean is a sum of integers times a power of two.
    mean = tf.raw_ops.ResizeArea(images=pixels[None], size=target)[0]
    return tf.cast(tf.floor(mean + 0.5), tf.uint8)


def _lengthen(pixels: tf.Tensor, missing: tf.Tensor, axis: int) -> tf.Tensor:
    last = pixels[-1:] if axis == 0 else pixels[:, -1:]
    return tf.concat([pixels, tf.repeat(last, missing, axis=axis)], axis)
