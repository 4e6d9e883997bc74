"""Labels that are probably wrong, by confident learning.

An image counts as mislabelled if another class than its label is predicted with
at least the confidence that images of that class usually get. So many images
are suspected, those with the lowest margins: which they are, the margin says
better than the threshold does (docs/measurements.md).

Reference:
    Northcutt et al., Confident Learning: Estimating Uncertainty in Dataset
    Labels, 2021, sections 3.1 and 3.2.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Suspects:
    """Images whose label is doubted, the most doubtful first.

    Attributes:
        rows: Their places, int [S].
        likely: The class that each more likely is, int [S].
        confidence: Probability of that class, float [S].
    """

    rows: np.ndarray
    likely: np.ndarray
    confidence: np.ndarray


def find_suspects(labels: np.ndarray, probabilities: np.ndarray) -> Suspects:
    """Finds labels that confident predictions contradict.

    The threshold of a class is the mean probability that images of it get for
    it, so that a class that is seldom sure is not suspected as a whole. What
    lies off the diagonal of the confident joint is counted; the margin, by
    which images are ranked, is the probability of the label less that of the
    likeliest other class.

    Args:
        labels: int [N], as given.
        probabilities: float [N, C], of classifiers that were not fitted on
            the image.

    Example:
    >>> sure = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.05, 0.95]])
    >>> find_suspects(np.array([0, 0, 1, 0]), sure).rows
    array([3])
    """
    images = np.arange(len(labels))
    own = probabilities[images, labels]
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    sums = np.bincount(labels, own, minlength=probabilities.shape[1])
    # Of a class without images nobody knows what is usual.
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -np.inf)
    best = confident.argmax(1)
    count = np.sum(np.isfinite(confident[images, best]) & (best != labels))
    others = probabilities.copy()
    others[images, labels] = -np.inf
    likely = others.argmax(1)
    confidence = others[images, likely]
    margins = own - confidence
    rows = np.argsort(margins, kind="stable")[:count]
    rows = rows[margins[rows] < 0]
    return Suspects(rows, likely[rows], confidence[rows])
