"""Dividing images into folds."""

import numpy as np


def stratified_folds(
    targets: np.ndarray, num_folds: int, seed: int
) -> np.ndarray:
    """Returns each image's fold, int [N], even within every class.

    Args:
        targets: [N, C] multi-hot; an image's first class counts.
        num_folds: At least 2.
        seed: Of the order within a class.
    """
    rng = np.random.default_rng(seed)
    fold = np.empty(len(targets), np.int64)
    classes = targets.argmax(1)
    for label in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == label))
        fold[members] = (np.arange(len(members)) + label) % num_folds
    return fold
