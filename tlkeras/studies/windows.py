"""Sliding windows: a classifier asked of many squares of an image.

Reference:
    Oquab et al., Learning and Transferring Mid-Level Image Representations,
    2014, section 3.2: a pixel's score is the sum over the windows that cover
    it, an image's score the sum over all of them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

WINDOW_SCALES = (1.0, 1.4, 2.0)
LARGEST_SCALE = 16.0
POWER = 5  # of the scores in an image's score that favours sure windows
RASTER = 64  # cells along the shorter side of an image


class Window(NamedTuple):
    """A square of an image, in pixels."""

    top: int
    left: int
    side: int


def place_windows(
    height: int, width: int, scales: Sequence[float]
) -> list[Window]:
    """Covers an image with squares that overlap by at least half.

    Args:
        height: Of the image, pixels.
        width: Of the image, pixels.
        scales: Each at least 1; the side is min(height, width) / scale.

    Example:
    >>> len(place_windows(100, 100, [2])), place_windows(100, 100, [1])
    (9, [Window(top=0, left=0, side=100)])
    """
    windows = []
    for scale in scales:
        side = max(round(min(height, width) / scale), 1)
        windows += [
            Window(top, left, side)
            for top in _starts(height, side)
            for left in _starts(width, side)
        ]
    return windows


def _starts(length: int, side: int) -> list[int]:
    free = length - side
    count = 1 + math.ceil(free / max(side // 2, 1))
    return np.linspace(0, free, count).round().astype(int).tolist()


def cover_with_windows(
    windows: Sequence[Window],
    scores: np.ndarray,
    *,
    height: int,
    width: int,
) -> np.ndarray:
    """Returns the mean score of the windows that cover each cell.

    The mean is the sum over the number of windows, which is larger in the
    middle of an image than at its border: an image of one colour gives an even
    map.

    Args:
        windows: [K] squares that cover the image.
        scores: [K, C].
        height: Of the image, pixels.
        width: Of the image, pixels.

    Returns:
        float64 [h, w, C], at most `RASTER` cells along the shorter side.
    """
    cells = min(RASTER, height, width) / min(height, width)
    rows, columns = max(round(height * cells), 1), max(round(width * cells), 1)
    sums = np.zeros((rows, columns, scores.shape[1]))
    covered = np.zeros((rows, columns, 1))
    for (top, left, side), score in zip(windows, scores, strict=True):
        place = (
            slice(
                math.floor(top * rows / height),
                math.ceil((top + side) * rows / height),
            ),
            slice(
                math.floor(left * columns / width),
                math.ceil((left + side) * columns / width),
            ),
        )
        sums[place] += score
        covered[place] += 1
    return sums / covered


def pool_windows(scores: np.ndarray) -> dict[str, np.ndarray]:
    """Returns an image's scores made of those of its windows.

    Args:
        scores: [K, C] in 0..1.

    Returns:
        `sum` and `sum_of_powers`, each [C].
    """
    return {
        "sum": scores.sum(0),
        "sum_of_powers": (scores**POWER).sum(0),
    }
