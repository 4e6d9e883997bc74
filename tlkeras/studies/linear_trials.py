"""Linear recipes on folds that no choice has seen.

Every fold is held out once. What is left of the images is divided for all
recipes alike: most are learnt from, and some choose the strength, the depth and
the best epoch. So no recipe is chosen by the images that judge it.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from tlkeras.evaluation.folds import belong_to, stratified_folds
from tlkeras.evaluation.metrics import compute_summary, per_image_scores
from tlkeras.linear.solvers import fit_linear_classifier
from tlkeras.optim.losses import Loss
from tlkeras.ranking import rank_key

CHOOSING = 6  # one in so many of the images that are not held out chooses
FITTED_LOG10_L2 = (1.0, 3.0)
FITTED_STRENGTHS = 5


@dataclasses.dataclass(frozen=True)
class Fold:
    """How the images are used while one fold is held out.

    Attributes:
        learn: int [n] places of the images that are learnt from.
        choose: int [m] of those that choose among epochs and strengths.
        held: int [k] of those that judge.
    """

    learn: np.ndarray
    choose: np.ndarray
    held: np.ndarray


def divide(
    targets: np.ndarray,
    fold: np.ndarray,
    seed: int,
    groups: Sequence[str] = (),
) -> list[Fold]:
    """Returns each fold's division, even within every class.

    Args:
        targets: [N, C] multi-hot.
        fold: int [N] in which each image is held out.
        seed: Of what chooses.
        groups: [N] of images that belong together, or empty; a group learns,
            chooses, or is held out as a whole.
    """
    divided = []
    for number in range(fold.max() + 1):
        rest = np.flatnonzero(fold != number)
        theirs = np.asarray(groups)[rest].tolist() if groups else ()
        chooses = stratified_folds(targets[rest], CHOOSING, seed, theirs) == 0
        # A class that has one image left learns from it.
        labels = targets[rest].argmax(1)
        lone = np.bincount(labels[~chooses], minlength=targets.shape[1]) == 0
        moved = chooses & lone[labels]
        chooses &= ~(moved | belong_to(moved, theirs))
        divided.append(
            Fold(rest[~chooses], rest[chooses], np.flatnonzero(fold == number))
        )
    return divided


def score_linear(
    codes: Mapping[str, np.ndarray],
    targets: np.ndarray,
    folds: list[Fold],
    loss: Loss,
) -> np.ndarray:
    """Scores linear classifiers, on the depth that suits the choosing images.

    Args:
        codes: Depth -> float [N, d].
        targets: [N, C] multi-hot.
        folds: From `divide`.
        loss: Row of `optim.losses.LOSSES`.

    Returns:
        [N] scores of the held-out images.
    """
    scores = np.empty(len(targets))
    for fold in folds:
        best = None
        for values in codes.values():
            fit = fit_linear_classifier(
                values[fold.learn],
                targets[fold.learn],
                functools.partial(
                    _rank, values[fold.choose], targets[fold.choose], loss
                ),
                loss=loss,
                log10_l2=FITTED_LOG10_L2,
                num_strengths=FITTED_STRENGTHS,
            )
            if best is None or fit.score > best[0].score:
                best = fit, values
        assert best is not None
        fit, values = best
        scores[fold.held] = per_image_scores(
            targets[fold.held],
            values[fold.held] @ fit.kernel + fit.bias,
            multi_label=loss.multi_label,
        )
    return scores


def _rank(
    codes: np.ndarray,
    targets: np.ndarray,
    loss: Loss,
    kernel: np.ndarray,
    bias: np.ndarray,
) -> tuple[float, float]:
    """Returns what fits are chosen by, of the images that choose."""
    logits = codes @ kernel + bias
    value, metric = compute_summary(targets, logits, loss=loss).values()
    return rank_key(metric, value)
