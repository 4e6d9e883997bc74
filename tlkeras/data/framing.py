"""How an image of any shape fills the target: `data.geometry`.

All arithmetic is on integers, so that clients in other languages can repeat it.
`h`, `w` are the image's sides, `height`, `width` the target's, in pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tlkeras.data.definition import GREY

Sides = tuple[Any, Any]  # (height, width), int64 scalars


@dataclass(frozen=True)
class Geometry:
    """How an image fills the target.

    Attributes:
        source: (h, w, height, width) -> sides of the part that is shown.
        filled: (h, w, height, width) -> sides of what it fills.
    """

    source: Callable[..., Sides]
    filled: Callable[..., Sides]


def _whole_image(h: Any, w: Any, height: int, width: int) -> Sides:
    return h, w


def _whole_target(h: Any, w: Any, height: int, width: int) -> Sides:
    return tf.constant(height, tf.int64), tf.constant(width, tf.int64)


def _same_aspect_within_image(h: Any, w: Any, height: int, width: int) -> Sides:
    return (
        tf.clip_by_value(_divide(w * height, width), 1, h),
        tf.clip_by_value(_divide(h * width, height), 1, w),
    )


def _same_aspect_within_target(
    h: Any, w: Any, height: int, width: int
) -> Sides:
    return (
        tf.clip_by_value(_divide(h * width, w), 1, height),
        tf.clip_by_value(_divide(w * height, h), 1, width),
    )


def _divide(a: Any, b: Any) -> Any:
    """Rounds a / b to the nearest integer, halves up."""
    return (2 * a + b) // (2 * b)


# squash: each side is scaled by itself; center_crop: the middle, in the
# target's aspect ratio; letterbox: all of the image, grey bars beside it.
GEOMETRIES = {
    "squash": Geometry(_whole_image, _whole_target),
    "center_crop": Geometry(_same_aspect_within_image, _whole_target),
    "letterbox": Geometry(_whole_image, _same_aspect_within_target),
}


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
    h, w = sides[0], sides[1]
    shown = GEOMETRIES[geometry].source(h, w, height, width)
    filled = GEOMETRIES[geometry].filled(h, w, height, width)
    return tf.minimum(shown[0] // filled[0], shown[1] // filled[1])


def seen_area(
    h: int, w: int, height: int, width: int, geometry: str
) -> tuple[float, float, float, float]:
    """Returns where the target lies on the image, in the image's pixels.

    Args:
        h: Height of the upright image.
        w: Its width.
        height: Of the target.
        width: Of the target.
        geometry: Key of `GEOMETRIES`.

    Returns:
        (left, top, right, bottom): inside the image for `center_crop`, beyond
        it for `letterbox`, whose bars show nothing.
    """
    shown = GEOMETRIES[geometry].source(h, w, height, width)
    filled = GEOMETRIES[geometry].filled(h, w, height, width)
    spans = []
    for side, seen, full, target in zip(
        (w, h),
        map(int, shown[::-1]),
        map(int, filled[::-1]),
        (width, height),
        strict=True,
    ):
        pixels = seen / full  # of the image, in one of the target
        start = (side - seen) // 2 - (target - full) // 2 * pixels
        spans.append((start, start + target * pixels))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


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
    crop_h, crop_w = GEOMETRIES[geometry].source(h, w, height, width)
    top, left = (h - crop_h) // 2, (w - crop_w) // 2
    pixels = pixels[top : top + crop_h, left : left + crop_w]
    filled = GEOMETRIES[geometry].filled(h, w, height, width)
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
