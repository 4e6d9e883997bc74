"""How an image fills the target, inside a graph: `placement.py` for tensors."""

from typing import Any

import tensorflow as tf

from tlkeras.data.definition import GREY
from tlkeras.data.placement import GEOMETRIES, Sides


def _place(
    sides: tf.Tensor, height: int, width: int, geometry: str
) -> tuple[Sides, Sides]:
    """Returns sides, int64 scalars, of what is shown and of what it fills."""
    row = GEOMETRIES[geometry]
    target = (tf.constant(side, tf.int64) for side in (height, width))
    numbers = (sides[0], sides[1], *target, tf.clip_by_value)
    return row.source(*numbers), row.filled(*numbers)


def largest_reduction(
    sides: tf.Tensor, height: int, width: int, geometry: str
) -> tf.Tensor:
    """Returns how many times both sides can shrink and still cover the target.

    Args:
        sides: int64 [2], (h, w) of the upright image.
        height: Of the target.
        width: Of the target.
        geometry: Key of `GEOMETRIES`.

    Returns:
        int64 scalar; 0 where the image is smaller than the target.
    """
    shown, filled = _place(sides, height, width, geometry)
    return tf.minimum(shown[0] // filled[0], shown[1] // filled[1])


def fill_target(
    pixels: tf.Tensor, height: int, width: int, geometry: str
) -> tf.Tensor:
    """Crops, resizes and pads an image to the target.

    float32 bilinear resize with half-pixel centres, without antialiasing.

    Args:
        pixels: uint8 [h, w, 3].
        height: Of the target.
        width: Of the target.
        geometry: Key of `GEOMETRIES`.

    Returns:
        uint8 [height, width, 3].
    """
    if geometry == "squash":
        return _resize(pixels, (height, width))
    sides = tf.shape(pixels, tf.int64)
    h, w = sides[0], sides[1]
    (crop_h, crop_w), filled = _place(sides, height, width, geometry)
    top, left = (h - crop_h) // 2, (w - crop_w) // 2
    pixels = pixels[top : top + crop_h, left : left + crop_w]
    resized = _resize(pixels, tf.cast(tf.stack(filled), tf.int32))
    free = tf.stack([height - filled[0], width - filled[1]])
    before = free // 2
    borders = tf.concat(
        [tf.stack([before, free - before], axis=1), [[0, 0]]], axis=0
    )
    return tf.pad(resized, borders, constant_values=GREY)


def _resize(pixels: tf.Tensor, size: Any) -> tf.Tensor:
    resized = tf.image.resize(pixels, size, method="bilinear")
    return tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 255.0)), tf.uint8)
