"""How far confidence and accuracy are apart."""

import numpy as np


def calibration_bins(
    confidence: np.ndarray, correct: np.ndarray, *, num_bins: int
) -> list[dict[str, float]]:
    """Groups predictions by confidence into bins of equal width.

    Args:
        confidence: [N] highest probability of each image, in 0..1.
        correct: [N] 1 where the prediction is right, else 0.
        num_bins: Bins over 0..1.

    Returns:
        For each bin that is not empty `confidence`, `accuracy`, `share`.
    """
    index = _bin_index(confidence, num_bins)
    bins = []
    for number in np.unique(index):
        inside = index == number
        bins.append(
            {
                "confidence": float(confidence[inside].mean()),
                "accuracy": float(correct[inside].mean()),
                "share": float(inside.mean()),
            }
        )
    return bins


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, *, num_bins: int
) -> float:
    """Returns the mean of |accuracy - confidence| over bins, by their share.

    Args:
        confidence: [N], or [N, C] of each label of an image.
        correct: Of the same shape, 1 where it came true, else 0.
        num_bins: Bins over 0..1.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3.

    Example:
    >>> correct = np.array([1, 1, 0, 0])
    >>> expected_calibration_error(np.ones(4), correct, num_bins=5)
    0.5
    """
    gaps = bin_gaps(confidence, correct, num_bins=num_bins)
    return float(np.abs(gaps.mean(0)).sum())


def bin_gaps(
    confidence: np.ndarray, correct: np.ndarray, *, num_bins: int
) -> np.ndarray:
    """Returns what each image adds to the gap of each bin, float64 [N, bins].

    The calibration error is the sum over bins of |mean over images|.

    Args:
        confidence: [N], or [N, C] of each label of an image.
        correct: Of the same shape.
        num_bins: Bins over 0..1.
    """
    num_images = len(confidence)
    index = _bin_index(confidence, num_bins).reshape(num_images, -1)
    gaps = (correct - confidence).reshape(num_images, -1) / index.shape[1]
    places = index + num_bins * np.arange(num_images)[:, None]
    sums = np.bincount(places.ravel(), gaps.ravel(), num_images * num_bins)
    return sums.reshape(num_images, num_bins)


def _bin_index(confidence: np.ndarray, num_bins: int) -> np.ndarray:
    return np.minimum((confidence * num_bins).astype(int), num_bins - 1)
