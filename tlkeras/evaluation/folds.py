"""Dividing images into folds."""

import warnings
from collections.abc import Sequence

import numpy as np


def stratified_folds(
    targets: np.ndarray,
    num_folds: int,
    seed: int,
    groups: Sequence[str] = (),
) -> np.ndarray:
    """Returns each image's fold, int [N], even within every class.

    Args:
        targets: [N, C] multi-hot; an image's first class counts.
        num_folds: At least 2.
        seed: Of the order within a class.
        groups: [N] of images that belong together, or empty; a group lies in
            one fold, and classes are as even as groups allow.
    """
    rng = np.random.default_rng(seed)
    fold = np.empty(len(targets), np.int64)
    classes = targets.argmax(1)
    # Scikit-learn wants a class with as many images as there are folds.
    most = min(num_folds, int(np.bincount(classes).max()))
    if groups and most > 1:
        from sklearn.model_selection import StratifiedGroupKFold

        folds = StratifiedGroupKFold(most, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            # Another class may have fewer.
            warnings.simplefilter("ignore", UserWarning)
            divided = list(folds.split(classes, classes, groups))
        for number, (_, members) in enumerate(divided):
            fold[members] = number
        return fold
    for label in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == label))
        fold[members] = (np.arange(len(members)) + label) % num_folds
    return fold


def belong_to(chosen: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Returns a mask [N] of the images of a group with a chosen one.

    Args:
        chosen: bool [N].
        groups: [N], or empty: nothing belongs to anything.
    """
    if not groups:
        return np.zeros(len(chosen), bool)
    names = np.asarray(groups)
    return np.isin(names, names[chosen])
