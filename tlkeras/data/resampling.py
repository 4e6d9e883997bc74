"""Projective resampling of one image, and the rotation made of it, in NumPy.

The float32 arithmetic of `geometry.py`, operation by operation.
"""

import math

import numpy as np


def warp(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Samples an image bilinearly where a projective matrix points.

    Args:
        image: float32 [H, W, 3].
        matrix: float32 [8], output (x, y) -> input coordinates, row-major.
        size: (height, width) of the result.

    Returns:
        float32 [height, width, 3]; the border pixel repeats outside.
    """
    m = np.asarray(matrix, np.float32)
    y = np.arange(size[0], dtype=np.float32)[:, None]
    x = np.arange(size[1], dtype=np.float32)[None, :]
    divisor = m[6] * x + m[7] * y + np.float32(1)
    height, width, _ = image.shape
    low_x, share_x = _place((m[0] * x + m[1] * y + m[2]) / divisor, width)
    low_y, share_y = _place((m[3] * x + m[4] * y + m[5]) / divisor, height)
    high_x = np.minimum(low_x + 1, width - 1)
    high_y = np.minimum(low_y + 1, height - 1)
    rest_x = np.float32(1) - share_x
    upper = rest_x * image[low_y, low_x] + share_x * image[low_y, high_x]
    lower = rest_x * image[high_y, low_x] + share_x * image[high_y, high_x]
    return (np.float32(1) - share_y) * upper + share_y * lower


def _place(values: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns whole places int64 [h, w], and the rest float32 [h, w, 1]."""
    values = np.clip(values, 0, np.float32(side - 1))
    low = np.floor(values)
    return low.astype(np.int64), (values - low)[..., None]


def rotate(image: np.ndarray, angle: float) -> np.ndarray:
    """Rotates about the centre, counter-clockwise.

    Args:
        image: float32 [H, W, 3].
        angle: Radians.

    Returns:
        float32 [H, W, 3]; the border pixel repeats outside.
    """
    height, width, _ = image.shape
    # Rounded from double precision, as a scalar is in TensorFlow.
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    x, y = np.float32((width - 1) / 2), np.float32((height - 1) / 2)
    matrix = [
        cos,
        -sin,
        x - cos * x + sin * y,
        sin,
        cos,
        y - sin * x - cos * y,
        np.float32(0),
        np.float32(0),
    ]
    return warp(image, np.array(matrix, np.float32), (height, width))
