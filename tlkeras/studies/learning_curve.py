"""Whether more images would help: accuracy on a quarter, a half, and all."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tlkeras.evaluation.metrics import compare_paired
from tlkeras.optim.losses import Loss
from tlkeras.studies.cross_validation import CrossValidated, cross_validate
from tlkeras.studies.depth_profile import NUM_STRENGTHS, STRENGTHS

SHARES = (0.25, 0.5, 1.0)


@dataclasses.dataclass(frozen=True)
class LearningCurve:
    """Accuracy of one classifier by how much it learns from.

    Attributes:
        shares: Of the images of the other folds.
        accuracies: One a share, on the same held-out images.
        slope: What the last doubling of the images brought.
        interval: 95 % of the slope, paired over images.
    """

    shares: tuple[float, ...]
    accuracies: tuple[float, ...]
    slope: float
    interval: tuple[float, float]

    @property
    def still_rises(self) -> bool:
        """Whether the last doubling helped beyond chance."""
        return self.interval[0] > 0


def measure_learning_curve(
    codes: np.ndarray,
    targets: np.ndarray,
    whole: CrossValidated,
    *,
    loss: Loss,
    num_folds: int,
    seed: int,
    groups: Sequence[str] = (),
) -> LearningCurve:
    """Measures a learning curve.

    Args:
        codes: float [N, d].
        targets: [N, C] multi-hot.
        whole: What all images give on these codes and folds.
        loss: Row of `optim.losses.LOSSES`.
        num_folds: Of the cross-validation.
        seed: Of folds and shares.
        groups: [N] of images that belong together, or empty; a group lies in
            one fold.
    """
    parts = [
        cross_validate(
            codes,
            targets,
            loss=loss,
            log10_l2=STRENGTHS,
            num_strengths=NUM_STRENGTHS,
            num_folds=num_folds,
            share=share,
            seed=seed,
            groups=groups,
        )
        for share in SHARES[:-1]
    ]
    last = compare_paired(parts[-1].scores, whole.scores, num_samples=1000)
    return LearningCurve(
        SHARES,
        tuple(answer.accuracy for answer in (*parts, whole)),
        last.difference,
        last.interval,
    )
