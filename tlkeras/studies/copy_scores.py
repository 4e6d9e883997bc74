"""Linear classifiers on copies of images, whose scores are summed.

What is divided is images: all copies of an image are fitted on, or all of them
are held out. Each image counts once in a fit, so that a strength of L2 means
what it means without copies.
"""

from collections.abc import Sequence

import numpy as np

from tlkeras.evaluation.folds import stratified_folds
from tlkeras.evaluation.metrics import bootstrap_interval, per_image_scores
from tlkeras.linear.solvers import SOLVERS, standardize
from tlkeras.optim.losses import Loss
from tlkeras.studies.cross_validation import CrossValidated


def score_held_out(
    copies: np.ndarray,
    targets: np.ndarray,
    fit: np.ndarray,
    *,
    loss: Loss,
    l2: float,
) -> np.ndarray:
    """Fits on all copies of some images and answers the others.

    Args:
        copies: float [K, N, d], the codes of K copies of each image.
        targets: [N, C] multi-hot.
        fit: bool [N], the images to fit on.
        loss: Row of `optim.losses.LOSSES`.
        l2: Strength on standardised codes.

    Returns:
        [n, C] for the n other images: the mean over an image's copies of the
        linear scores, which ranks as their sum does (Razavian et al. 2014).
    """
    num_copies, _, size = copies.shape
    train, mean, scale = standardize(copies[:, fit].reshape(-1, size))
    ((kernel, bias),) = SOLVERS["batched"](
        train,
        np.tile(targets[fit], (num_copies, 1)),
        [l2],
        loss=loss,
        weights=np.full(len(train), 1 / num_copies, np.float32),
    )
    # The scores are linear: their mean is the score of the mean code.
    codes = copies[:, ~fit].mean(0)
    return (codes - mean) / scale @ kernel + bias


def cross_validate_copies(
    copies: np.ndarray,
    targets: np.ndarray,
    *,
    loss: Loss,
    l2: float,
    num_folds: int,
    seed: int,
    groups: Sequence[str] = (),
) -> CrossValidated:
    """Fits on the copies of all folds but one, for each fold of images.

    Args:
        copies: float [K, N, d].
        targets: [N, C] multi-hot.
        loss: Row of `optim.losses.LOSSES`.
        l2: Strength, best that of `cross_validate` on the whole images.
        num_folds: At least 2; the folds of `cross_validate` with this seed.
        seed: Of the folds.
        groups: [N] of images that belong together, or empty; a group lies in
            one fold.
    """
    fold = stratified_folds(targets, num_folds, seed, groups)
    scores = np.zeros(len(targets))
    multi_label = bool((targets.sum(-1) != 1).any())
    for number in range(num_folds):
        out = fold == number
        scores[out] = per_image_scores(
            targets[out],
            score_held_out(copies, targets, ~out, loss=loss, l2=l2),
            multi_label=multi_label,
        )
    return CrossValidated(
        accuracy=float(scores.mean()),
        interval=bootstrap_interval(scores, num_samples=1000),
        l2=l2,
        scores=scores,
    )
