"""RandAugment without TensorFlow: `randaugment.py` in NumPy.

Every operation takes and gives float32 [H, W, 3]; its level is a float32 in
[-1, 1]. Sums over an image are added in another order than TensorFlow adds
them, so that contrast and sharpness agree to rounding.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.ndimage import uniform_filter

from tlkeras.data import stateless
from tlkeras.data.resampling import rotate, warp

MAX_LEVEL = 30.0  # the paper's largest magnitude
GREYS = np.array([0.299, 0.587, 0.114], np.float32)
ONE = np.float32(1)

# (image, level) -> image
NumpyOperation = Callable[[np.ndarray, np.float32], np.ndarray]


def _blend(
    low: np.ndarray | np.float32, high: np.ndarray, level: np.float32
) -> np.ndarray:
    factor = ONE + np.float32(0.9) * level
    return np.clip(low + factor * (high - low), 0, 255)


def brightness(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Scales all values by 1 + 0.9 level: [H, W, 3]."""
    return _blend(np.float32(0), image, level)


def contrast(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Scales the distance from the mean grey by 1 + 0.9 level: [H, W, 3]."""
    return _blend((image * GREYS).sum(-1).mean(), image, level)


def color(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Scales the distance from a pixel's grey by 1 + 0.9 level: [H, W, 3]."""
    return _blend((image * GREYS).sum(-1, keepdims=True), image, level)


def sharpness(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Scales the distance from a 3 x 3 blur by 1 + 0.9 level: [H, W, 3]."""

    def mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values, (3, 3, 0), mode="constant")

    # At the border, the mean of what there is.
    blurred = mean(image) / mean(np.ones_like(image))
    return _blend(blurred, image, level)


def posterize(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Keeps 8 .. 4 bits of each value: [H, W, 3]."""
    step = np.float32(2 ** round(4 * abs(float(level))))
    return np.floor(image / step) * step


def solarize(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Inverts the values above 256 (1 - |level|): [H, W, 3]."""
    threshold = np.float32(256) * (ONE - abs(level))
    return np.where(image < threshold, image, np.float32(255) - image)


def autocontrast(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Stretches each channel to 0..255: [H, W, 3]."""
    del level
    low, high = image.min((0, 1)), image.max((0, 1))
    return (image - low) * np.float32(255) / np.maximum(high - low, ONE)


def rotation(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Rotates by up to 30 degrees: [H, W, 3]."""
    return rotate(image, float(level * np.float32(math.radians(30.0))))


def translation(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Shifts to the side by up to 0.45 of the width: [H, W, 3]."""
    height, width, _ = image.shape
    shift = np.float32(0.45 * width) * level
    matrix = np.array([1, 0, shift, 0, 1, 0, 0, 0], np.float32)
    return warp(image, matrix, (height, width))


def shear(image: np.ndarray, level: np.float32) -> np.ndarray:
    """Shears by up to 0.3 about the centre: [H, W, 3]."""
    height, width, _ = image.shape
    slope = np.float32(0.3) * level
    shift = -slope * np.float32(height - 1) / np.float32(2)
    matrix = np.array([1, slope, shift, 0, 1, 0, 0, 0], np.float32)
    return warp(image, matrix, (height, width))


# In the order of `randaugment.OPERATIONS`.
NUMPY_OPERATIONS: tuple[NumpyOperation, ...] = (
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
    images: np.ndarray, seeds: np.ndarray, *, layers: int, magnitude: float
) -> np.ndarray:
    """Applies `layers` random operations to each image.

    Args:
        images: float32 [n, H, W, 3] in 0..255.
        seeds: int64 [n, 2].
        layers: Operations an image (the paper's N).
        magnitude: 0 .. 30 (the paper's M); the sign of each is random.

    Returns:
        float32 [n, H, W, 3] in 0..255.
    """
    level = np.float32(magnitude / MAX_LEVEL)
    shown = images.copy()
    for layer in range(layers):
        layer_seeds = stateless.fold_in(seeds, layer, bits=32)
        draws = stateless.uniform(layer_seeds, 0.0, 1.0, count=2)
        chosen = draws[:, 1] * np.float32(len(NUMPY_OPERATIONS))
        for row, number in enumerate(chosen.astype(np.int32)):
            signed = -level if draws[row, 0] < 0.5 else level
            shown[row] = NUMPY_OPERATIONS[number](shown[row], signed)
    return shown
