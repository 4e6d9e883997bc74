"""How an image fills the target, without TensorFlow: `framing.py` in NumPy.

The arithmetic is TensorFlow's, operation by operation, so that the bytes are.
"""

import numpy as np

from tlkeras.data.definition import GREY, ImageDefinition
from tlkeras.data.placement import place


def frame_pixels(
    pixels: np.ndarray, size: tuple[int, int], definition: ImageDefinition
) -> np.ndarray:
    """Makes of decoded pixels what `decode_numpy` makes of them as a PNG.

    Args:
        pixels: uint8 [h, w, 3], RGB, upright.
        size: (height, width) of the result, pixels.
        definition: What the pixels of an image are.

    Returns:
        uint8 [height, width, 3].
    """
    if definition.is_upright:
        h, w, _ = pixels.shape
        power = largest_power(h, w, size, definition)
        pixels = average_squares(pixels, power)
    return fill_target(pixels, size, definition.geometry)


def largest_power(
    h: int, w: int, size: tuple[int, int], definition: ImageDefinition
) -> int:
    """Returns how often both sides can be halved and still cover the target.

    Args:
        h: Of the upright image, pixels.
        w: Likewise.
        size: (height, width) of the target.
        definition: What the pixels of an image are.
    """
    shown, filled = place(h, w, *size, definition.geometry)
    times = min(s // f for s, f in zip(shown, filled, strict=True))
    return max(times.bit_length() - 1, 0)


def average_squares(pixels: np.ndarray, power: int) -> np.ndarray:
    """Averages squares of 2**power pixels, halves rounded up.

    Squares at the right and lower edge are completed by repeating the last
    column and row.

    Args:
        pixels: uint8 [h, w, channels].
        power: At least 0.

    Returns:
        uint8 [ceil(h / 2**power), ceil(w / 2**power), channels].
    """
    if not power:
        return pixels
    side = 1 << power
    for axis in (0, 1):
        missing = -pixels.shape[axis] % side
        if missing:
            last = pixels.take([-1], axis).repeat(missing, axis)
            pixels = np.concatenate([pixels, last], axis)
    h, w, channels = pixels.shape
    squares = pixels.reshape(h // side, side, w // side, side, channels)
    sums = squares.sum((1, 3), dtype=np.int64)
    return ((sums + (1 << 2 * power >> 1)) >> 2 * power).astype(np.uint8)


def fill_target(
    pixels: np.ndarray, size: tuple[int, int], geometry: str
) -> np.ndarray:
    """Crops, resizes and pads an image to the target.

    Args:
        pixels: uint8 [h, w, 3].
        size: (height, width) of the target.
        geometry: Key of `placement.GEOMETRIES`.

    Returns:
        uint8 [height, width, 3].
    """
    h, w, _ = pixels.shape
    (crop_h, crop_w), filled = place(h, w, *size, geometry)
    top, left = (h - crop_h) // 2, (w - crop_w) // 2
    cropped = pixels[top : top + crop_h, left : left + crop_w]
    resized = resize(cropped, filled)
    if filled == size:
        return resized
    image = np.full((*size, 3), GREY, np.uint8)
    top, left = (
        (side - full) // 2 for side, full in zip(size, filled, strict=True)
    )
    image[top : top + filled[0], left : left + filled[1]] = resized
    return image


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes bilinearly with half-pixel centres, in TensorFlow's order.

    Args:
        pixels: uint8 [h, w, 3].
        size: (height, width) of the result.

    Returns:
        uint8 [height, width, 3], halves rounded to even.
    """
    (above, below, down), (left, right, along) = (
        _neighbours(side, target)
        for side, target in zip(pixels.shape, size, strict=False)
    )
    height, width, channels = pixels.shape
    flat = np.ascontiguousarray(pixels).reshape(height, width * channels)
    every = np.arange(channels)
    first, mixed = (
        flat.take((channels * places[:, None] + every).ravel(), axis=1).astype(
            np.float32
        )
        for places in (left, right)
    )
    _interpolate(first, mixed, along.repeat(channels))
    above, mixed = mixed.take(above, axis=0), mixed.take(below, axis=0)
    _interpolate(above, mixed, down[:, None])
    return np.rint(mixed, out=mixed).astype(np.uint8).reshape(*size, channels)


def _interpolate(
    first: np.ndarray, second: np.ndarray, share: np.ndarray
) -> None:
    """Puts first + (second - first) share into the second, float32 [h, w]."""
    second -= first
    second *= share
    second += first


def _neighbours(
    side: int, target: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each target pixel two places in a side, and the share.

    Returns:
        Places before and after, int64 [target], and the share of the latter,
        float32 [target].
    """
    scale = np.float32(side) / np.float32(target)
    places = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * scale
    places -= np.float32(0.5)
    before = np.floor(places)
    lower = before.astype(np.int64).clip(0)
    upper = np.ceil(places).astype(np.int64).clip(None, side - 1)
    return np.minimum(lower, upper), upper, places - before
