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
    index = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
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

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3.

    Example:
    >>> correct = np.array([1, 1, 0, 0])
    >>> expected_calibration_error(np.ones(4), correct, num_bins=5)
    0.5
    """
    return float(
        sum(
            b["share"] * abs(b["accuracy"] - b["confidence"])
            for b in calibration_bins(confidence, correct, num_bins=num_bins)
        )
    )
