"""Projective resampling of one image, and the rotation made of it."""

import tensorflow as tf


def warp(
    image: tf.Tensor, matrix: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """Samples an image bilinearly where a projective matrix points.

    Args:
        image: float32 [H, W, 3].
        matrix: float32 [8], output (x, y) -> input coordinates, row-major.
        size: (height, width) of the result.

    Returns:
        float32 [height, width, 3]; the border pixel repeats outside.
    """
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=matrix[None],
        output_shape=tf.constant(size, tf.int32),
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )[0]


def rotate(image: tf.Tensor, angle: tf.Tensor) -> tf.Tensor:
    """Rotates about the centre, counter-clockwise.

    Args:
        image: float32 [H, W, 3].
        angle: float32 scalar, radians.

    Returns:
        float32 [H, W, 3]; the border pixel repeats outside.
    """
    height, width, _ = image.shape
    cos, sin = tf.cos(angle), tf.sin(angle)
    x, y = (width - 1) / 2, (height - 1) / 2
    matrix = tf.stack(
        [
            cos,
            -sin,
            x - cos * x + sin * y,
            sin,
            cos,
            y - sin * x - cos * y,
            0.0,
            0.0,
        ]
    )
    return warp(image, matrix, (height, width))
