"""Classification metrics with bootstrap intervals."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tlkeras.evaluation.calibration_error import expected_calibration_error
from tlkeras.optim.losses import Loss, compute_losses, compute_probabilities

TOP_1 = "top_1_accuracy"
MEAN_AP = "mean_average_precision"
LABEL_THRESHOLD = 0.5  # of a label, where images may carry several


def primary_metric(multi_label: bool) -> str:
    """Returns the metric that models are chosen by."""
    return MEAN_AP if multi_label else TOP_1


def average_precisions(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns each class's average precision, [C]; NaN without positives."""
    from sklearn.metrics import average_precision_score

    return np.array(
        [
            average_precision_score(target, score) if target.any() else np.nan
            for target, score in zip(targets.T, scores.T, strict=True)
        ]
    )


def per_image_scores(
    targets: np.ndarray, logits: np.ndarray, *, multi_label: bool
) -> np.ndarray:
    """Returns what paired comparisons average, float64 [N].

    1 or 0 for a right or wrong top-1 label; where images may carry several
    labels, an image's ranking average precision (mean over its labels of the
    precision at them).

    Args:
        targets: [N, C] multi-hot.
        logits: [N, C], or any scores that rank the classes.
        multi_label: Of the whole data set, whatever is in these images.
    """
    if not multi_label:
        hits = targets[np.arange(len(targets)), logits.argmax(-1)]
        return hits.astype(np.float64)
    order = np.argsort(-logits, axis=-1, kind="stable")
    ranked = np.take_along_axis(targets, order, axis=-1)
    precision = ranked.cumsum(-1) / np.arange(1, targets.shape[1] + 1)
    return (precision * ranked).sum(-1) / np.maximum(ranked.sum(-1), 1)


def bootstrap_interval(
    values: np.ndarray, *, num_samples: int, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Returns the percentile interval of a mean.

    Args:
        values: [N] per-image values.
        num_samples: Resamples with replacement.
        seed: Of the resampling.
        level: Coverage in (0, 1).

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13.
    """
    means = resampled_means(values, num_samples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resampled_means(
    values: np.ndarray, num_samples: int, seed: int
) -> np.ndarray:
    """Returns means of images drawn with replacement.

    Args:
        values: [N, ...] of the images.
        num_samples: S, how often.
        seed: Of the draws; the same one draws the same images.

    Returns:
        [S, ...].
    """
    rng = np.random.default_rng(seed)
    size = len(values)
    return np.array(
        [
            values[rng.integers(size, size=size)].mean(0)
            for _ in range(num_samples)
        ]
    )


@dataclasses.dataclass(frozen=True)
class PairedComparison:
    """Whether one model is better than another on the same images.

    Attributes:
        difference: Mean of (new - old).
        interval: 95 % bootstrap interval of the difference.
        p_value: One-sided: how often a resampled difference is not positive.
        num_better: Images that only the new model has right (or better).
        num_worse: Images that only the old model has right (or better).
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    num_better: int
    num_worse: int


def format_change(difference: float, interval: tuple[float, float]) -> str:
    """Returns a difference with its interval, for people.

    Example:
    >>> format_change(0.0123, (-0.004, 0.03))
    '+0.0123 [-0.0040, +0.0300]'
    """
    low, high = interval
    return f"{difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def compare_paired(
    old: np.ndarray, new: np.ndarray, *, num_samples: int, seed: int = 0
) -> PairedComparison:
    """Compares two models by their per-image scores on the same images.

    Args:
        old: [N] scores of the model that is there.
        new: [N] scores of the one that would replace it.
        num_samples: Bootstrap resamples.
        seed: Of the resampling.
    """
    differences = np.asarray(new, np.float64) - np.asarray(old, np.float64)
    means = resampled_means(differences, num_samples, seed)
    low, high = np.quantile(means, [0.025, 0.975])
    return PairedComparison(
        difference=float(differences.mean()),
        interval=(float(low), float(high)),
        p_value=float((means <= 0).mean()),
        num_better=int((differences > 0).sum()),
        num_worse=int((differences < 0).sum()),
    )


def largest_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference, relative to the largest value.

    Args:
        found: float [N, C].
        expected: float [N, C].
    """
    scale = max(float(np.abs(expected).max()), 1e-6)
    return float(np.abs(found - expected).max()) / scale


def compute_summary(
    targets: np.ndarray, logits: np.ndarray, *, loss: Loss
) -> dict[str, float]:
    """Returns the loss and the primary metric, the numbers of each epoch.

    Args:
        targets: [N, C] multi-hot.
        logits: [N, C].
        loss: Row of `optim.losses.LOSSES`; mAP replaces top-1 where it is for
            several labels.
    """
    if loss.multi_label:
        value = float(np.nanmean(average_precisions(targets, logits)))
    else:
        value = float(
            per_image_scores(targets, logits, multi_label=False).mean()
        )
    return {
        "loss": float(compute_losses(targets, logits, loss).mean()),
        primary_metric(loss.multi_label): value,
    }


def compute_metrics(
    targets: np.ndarray,
    logits: np.ndarray,
    *,
    loss: Loss,
    class_names: Sequence[str],
    bootstrap_samples: int = 1000,
    calibration_bins: int = 15,
) -> dict[str, Any]:
    """Returns everything that is known about predictions on one split.

    Args:
        targets: [N, C] multi-hot.
        logits: [N, C].
        loss: Row of `optim.losses.LOSSES`.
        class_names: [C].
        bootstrap_samples: Resamples for the interval.
        calibration_bins: Of the expected calibration error.

    Returns:
        JSON-ready values: `loss`, the primary metric with its 95 % interval,
        `per_class` (None for a class that the split lacks), `macro_f1` over
        the classes that occur, and for single labels `top_5_accuracy`,
        `confusion_matrix` (rows true, columns predicted),
        `expected_calibration_error`.
    """
    from sklearn.metrics import (
        confusion_matrix,
        precision_recall_fscore_support,
    )

    scores = compute_probabilities(logits, loss)
    multi_label = loss.multi_label
    predicted = scores >= LABEL_THRESHOLD if multi_label else _one_hot(logits)
    precision, recall, f1, support = precision_recall_fscore_support(
        targets > 0, predicted, average=None, zero_division=0
    )
    result: dict[str, Any] = {
        "num_examples": len(targets),
        **compute_summary(targets, logits, loss=loss),
        "macro_f1": float(f1[support > 0].mean()),
    }
    result["per_class"] = {
        name: {
            "precision": float(precision[i]) if support[i] else None,
            "recall": float(recall[i]) if support[i] else None,
            "f1": float(f1[i]) if support[i] else None,
            "num_examples": int(support[i]),
        }
        for i, name in enumerate(class_names)
    }
    if multi_label:
        for name, value in zip(
            class_names, average_precisions(targets, logits), strict=True
        ):
            result["per_class"][name]["average_precision"] = (
                None if np.isnan(value) else float(value)
            )
        return result
    correct = per_image_scores(targets, logits, multi_label=False)
    result[f"{TOP_1}_interval"] = bootstrap_interval(
        correct, num_samples=bootstrap_samples
    )
    result["top_5_accuracy"] = top_k_accuracy(targets, logits, 5)
    result["expected_calibration_error"] = expected_calibration_error(
        scores.max(-1), correct, num_bins=calibration_bins
    )
    result["confusion_matrix"] = confusion_matrix(
        targets.argmax(-1), logits.argmax(-1), labels=range(len(class_names))
    ).tolist()
    return result


def top_k_accuracy(targets: np.ndarray, logits: np.ndarray, k: int) -> float:
    """Returns how often the true class is among the k highest logits.

    Args:
        targets: [N, C] one-hot.
        logits: [N, C].
        k: At least 1; of fewer classes, all.
    """
    k = min(k, logits.shape[1])
    top = np.argpartition(-logits, k - 1, axis=-1)[:, :k]
    return float(np.take_along_axis(targets, top, -1).max(-1).mean())


def _one_hot(logits: np.ndarray) -> np.ndarray:
    return np.arange(logits.shape[1]) == logits.argmax(-1)[:, None]
