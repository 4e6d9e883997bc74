"""Cross-validated linear classifiers on codes."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tlkeras.evaluation.folds import stratified_folds
from tlkeras.evaluation.metrics import bootstrap_interval, per_image_scores
from tlkeras.linear.solvers import SOLVERS, standardize
from tlkeras.optim.losses import Loss

DROPOUT_RATE = 0.5  # DeCAF, section 4.1
DROPOUT_COPIES = 3


@dataclasses.dataclass(frozen=True)
class CrossValidated:
    """A classifier's answers on images that it was not fitted on.

    Attributes:
        accuracy: Top-1, or mean ranking average precision with several labels.
        interval: 95 %, over images.
        l2: The strength with the best accuracy; chosen on the same folds, so
            that the accuracy is a little optimistic.
        scores: [N] per image.
    """

    accuracy: float
    interval: tuple[float, float]
    l2: float
    scores: np.ndarray


def cross_validate(
    codes: np.ndarray,
    targets: np.ndarray,
    *,
    loss: Loss,
    log10_l2: tuple[float, float] = (0.0, 4.0),
    num_strengths: int = 5,
    num_folds: int = 3,
    dropout: bool = False,
    share: float = 1.0,
    seed: int = 0,
    groups: Sequence[str] = (),
    transform: Callable[[np.ndarray], np.ndarray] = lambda codes: codes,
) -> CrossValidated:
    """Fits a linear classifier on all folds but one, for each fold.

    Args:
        codes: float [N, d].
        targets: [N, C] multi-hot.
        loss: Row of `optim.losses.LOSSES`.
        log10_l2: Range of strengths in powers of ten, on standardised codes.
        num_strengths: How many, evenly spaced in log space.
        num_folds: At least 2; folds are stratified by each image's first class.
        dropout: Fit on copies of the codes with half of the components
            zeroed and the others doubled, as DeCAF's dropout columns do.
        share: Of the images of the other folds, even within classes, that a
            classifier is fitted on; for learning curves.
        seed: Of folds and dropout.
        groups: [N] of images that belong together, or empty; a group lies in
            one fold.
        transform: Applied to the codes first.
    """
    strengths = np.logspace(log10_l2[1], log10_l2[0], num_strengths).tolist()
    scores = np.zeros((num_strengths, len(codes)))
    multi_label = bool((targets.sum(-1) != 1).any())
    for out, row, logits in answer_held_out(
        transform(codes.astype(np.float32)),
        targets,
        strengths,
        loss=loss,
        num_folds=num_folds,
        dropout=dropout,
        share=share,
        seed=seed,
        groups=groups,
    ):
        scores[row, out] = per_image_scores(
            targets[out], logits, multi_label=multi_label
        )
    best = int(scores.mean(1).argmax())
    return CrossValidated(
        accuracy=float(scores[best].mean()),
        interval=bootstrap_interval(scores[best], num_samples=1000),
        l2=strengths[best],
        scores=scores[best],
    )


def answer_held_out(
    codes: np.ndarray,
    targets: np.ndarray,
    strengths: Sequence[float],
    *,
    loss: Loss,
    num_folds: int,
    dropout: bool = False,
    share: float = 1.0,
    seed: int = 0,
    groups: Sequence[str] = (),
) -> Iterator[tuple[np.ndarray, int, np.ndarray]]:
    """Fits on all folds but one, and answers that one, for each fold.

    Args:
        codes: float32 [N, d].
        targets: [N, C] multi-hot.
        strengths: Of L2, on standardised codes.
        loss: Row of `optim.losses.LOSSES`.
        num_folds: As the rest, see `cross_validate`.
        dropout: Likewise.
        share: Likewise.
        seed: Likewise.
        groups: Likewise.

    Yields:
        A fold's mask [N], the place of a strength, and logits [n, C].
    """
    fold = stratified_folds(targets, num_folds, seed, groups)
    for number in range(num_folds):
        fit = take_share(fold != number, targets, share, seed)
        train, mean, scale = standardize(codes[fit])
        out = fold == number
        held = ((codes[out] - mean) / scale).astype(np.float32)
        labels = targets[fit]
        if dropout:
            train, labels = _with_dropout(train, labels, seed + number)
        solutions = SOLVERS["batched"](
            train,
            labels,
            strengths,
            loss=loss,
            weights=np.ones(len(labels), np.float32),
        )
        for row, (kernel, bias) in enumerate(solutions):
            yield out, row, held @ kernel + bias


def take_share(
    chosen: np.ndarray, targets: np.ndarray, share: float, seed: int
) -> np.ndarray:
    """Returns a mask [N] of a share of the chosen images, even within classes.

    Each class keeps at least one image; a larger share holds a smaller one.

    Args:
        chosen: bool [N].
        targets: [N, C] multi-hot.
        share: In (0, 1].
        seed: Of what is kept.
    """
    if share == 1:
        return chosen
    rng = np.random.default_rng(seed)
    kept = np.zeros(len(chosen), bool)
    classes = targets.argmax(1)
    for label in np.unique(classes):
        order = rng.permutation(np.flatnonzero(classes == label))
        members = order[chosen[order]]
        kept[members[: max(1, round(share * len(members)))]] = True
    return kept


def _with_dropout(
    codes: np.ndarray, targets: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    keep = 1 - DROPOUT_RATE
    copies = [
        codes * (rng.random(codes.shape) < keep) / keep
        for _ in range(DROPOUT_COPIES)
    ]
    return (
        np.concatenate(copies).astype(np.float32),
        np.concatenate([targets] * DROPOUT_COPIES),
    )
