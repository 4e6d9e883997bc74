"""How an image of any shape fills the target: `data.geometry`.

All arithmetic is on integers, so that clients in other languages can repeat it.
`h`, `w` are the image's sides, `height`, `width` the target's, in pixels; they
are numbers here, and tensors inside a graph (`framing.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Sides = tuple[Any, Any]  # (height, width), integers
Clip = Callable[[Any, Any, Any], Any]  # (value, low, high) -> value


@dataclass(frozen=True)
class Geometry:
    """How an image fills the target.

    Attributes:
        source: (h, w, height, width, clip) -> sides of the part that is shown.
        filled: (h, w, height, width, clip) -> sides of what it fills.
    """

    source: Callable[..., Sides]
    filled: Callable[..., Sides]


def clip_integer(value: int, low: int, high: int) -> int:
    """Returns the nearest number from `low` to `high`, 1 <= low <= high."""
    return min(max(value, low), high)


def _whole_image(h: Any, w: Any, height: int, width: int, clip: Clip) -> Sides:
    return h, w


def _whole_target(h: Any, w: Any, height: int, width: int, clip: Clip) -> Sides:
    return height, width


def _same_aspect_within_image(
    h: Any, w: Any, height: int, width: int, clip: Clip
) -> Sides:
    return (
        clip(_divide(w * height, width), 1, h),
        clip(_divide(h * width, height), 1, w),
    )


def _same_aspect_within_target(
    h: Any, w: Any, height: int, width: int, clip: Clip
) -> Sides:
    return (
        clip(_divide(h * width, w), 1, height),
        clip(_divide(w * height, h), 1, width),
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


def place(
    h: int, w: int, height: int, width: int, geometry: str
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the sides of what is shown, and of what it fills, pixels.

    Args:
        h: Height of the upright image.
        w: Its width.
        height: Of the target.
        width: Of the target.
        geometry: Key of `GEOMETRIES`.
    """
    row = GEOMETRIES[geometry]
    numbers = (h, w, height, width, clip_integer)
    return row.source(*numbers), row.filled(*numbers)


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
    shown, filled = place(h, w, height, width, geometry)
    spans = []
    for side, seen, full, target in zip(
        (w, h), shown[::-1], filled[::-1], (width, height), strict=True
    ):
        pixels = seen / full  # of the image, in one of the target
        start = (side - seen) // 2 - (target - full) // 2 * pixels
        spans.append((start, start + target * pixels))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom
