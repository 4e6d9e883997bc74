"""What networks say of the validation images, and how it compares."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tlkeras.data.dataset import Dataset, Split
from tlkeras.evaluation.metrics import (
    compare_paired,
    compute_summary,
    per_image_scores,
    primary_metric,
)
from tlkeras.evaluation.phase_details import PhaseComparison
from tlkeras.evaluation.run import Run
from tlkeras.optim.losses import Loss, compute_probabilities
from tlkeras.ranking import rank_key


@dataclasses.dataclass(frozen=True)
class Answers:
    """Of one network, on validation.

    Attributes:
        logits: float32 [N, C].
        scores: float64 [N], as weights are compared by.
        metrics: The loss, as it was trained, and the primary metric.
        rank: Of these metrics; the larger one is better.
    """

    logits: np.ndarray
    scores: np.ndarray
    metrics: dict[str, float]
    rank: tuple[float, float]


def answer(run: Run, dataset: Dataset) -> Answers:
    """Asks the model of a run."""
    split = dataset.splits["validation"]
    return judge(run, split, run.compute_logits(split))


def judge(run: Run, split: Split, logits: np.ndarray) -> Answers:
    """Judges what the model of a run says.

    Args:
        run: Its loss and calibration count.
        split: N images.
        logits: float32 [N, C], as served.
    """
    metrics = compute_summary(
        split.targets, run.calibration.undo(logits), loss=run.loss
    )
    metric = metrics[primary_metric(run.loss.multi_label)]
    return Answers(
        logits,
        per_image_scores(
            split.targets, logits, multi_label=run.loss.multi_label
        ),
        metrics,
        rank_key(metric, metrics["loss"]),
    )


def average_scores(answers: Sequence[Answers]) -> np.ndarray:
    """Returns what one of the networks, drawn at random, scores: [N]."""
    return np.mean([one.scores for one in answers], axis=0)


def score_ensemble(
    answers: Sequence[Answers], dataset: Dataset, loss: Loss
) -> np.ndarray:
    """Returns the scores [N] of the mean of the networks' probabilities."""
    probabilities = [compute_probabilities(a.logits, loss) for a in answers]
    return per_image_scores(
        dataset.splits["validation"].targets,
        np.mean(probabilities, axis=0),
        multi_label=loss.multi_label,
    )


def compare(
    old: np.ndarray, new: np.ndarray, against: str, run: Run
) -> PhaseComparison:
    """Compares scores of two networks, image by image.

    Args:
        old: [N].
        new: [N].
        against: What the old ones are of, in words.
        run: Whose config says how many resamples are drawn.
    """
    paired = compare_paired(
        old, new, num_samples=run.config.evaluation.bootstrap_samples
    )
    return PhaseComparison(against=against, **vars(paired))
