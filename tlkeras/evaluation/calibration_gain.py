"""What calibration gains: log loss and calibration error, before and after."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tlkeras.evaluation.calibration_error import bin_gaps
from tlkeras.evaluation.metrics import (
    LABEL_THRESHOLD,
    per_image_scores,
    resampled_means,
)
from tlkeras.optim.losses import (
    Loss,
    compute_log_losses,
    compute_probabilities,
)

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class BeforeAfter:
    """A figure before and after a change of the model, on the same images.

    Attributes:
        before: Its value.
        after: Likewise.
        before_interval: 95 % bootstrap interval.
        after_interval: Likewise.
        difference_interval: Likewise, of after - before.
    """

    before: float
    after: float
    before_interval: Interval
    after_interval: Interval
    difference_interval: Interval

    @property
    def difference(self) -> float:
        """After - before; below 0 is a gain."""
        return self.after - self.before

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "BeforeAfter":
        """Reads the same names.

        Raises:
            KeyError: If one is missing.
            TypeError: If one is no number, or no pair of numbers.
        """

        def read(name: str) -> Interval:
            low, high = values[name]
            return float(low), float(high)

        return cls(
            before=float(values["before"]),
            after=float(values["after"]),
            before_interval=read("before_interval"),
            after_interval=read("after_interval"),
            difference_interval=read("difference_interval"),
        )


@dataclasses.dataclass(frozen=True)
class CalibrationGain:
    """What calibration changes on one split.

    On validation, where it was fitted, each image is calibrated by others.

    Attributes:
        log_loss: Mean over the images; where they may carry several labels,
            over labels too.
        expected_calibration_error: Of the answers; where images may carry
            several labels, of all of them.
        num_changed: Answers that are others now: of images, or, with several
            labels, of all labels' yes or no.
    """

    log_loss: BeforeAfter
    expected_calibration_error: BeforeAfter
    num_changed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        error = self.expected_calibration_error
        return {
            "log_loss": self.log_loss.as_dict(),
            "expected_calibration_error": error.as_dict(),
            "num_changed": self.num_changed,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "CalibrationGain":
        """Reads what `as_dict` gave."""
        return cls(
            BeforeAfter.from_dict(values["log_loss"]),
            BeforeAfter.from_dict(values["expected_calibration_error"]),
            int(values["num_changed"]),
        )


def measure_gain(
    targets: np.ndarray,
    trained: np.ndarray,
    calibrated: np.ndarray,
    *,
    loss: Loss,
    num_bins: int,
    num_samples: int,
) -> CalibrationGain:
    """Compares logits before and after calibration.

    Args:
        targets: [N, C] multi-hot.
        trained: float [N, C], before.
        calibrated: float [N, C], after.
        loss: Row of `optim.losses.LOSSES`.
        num_bins: Of the calibration error.
        num_samples: Bootstrap resamples of the intervals.
    """
    both = (trained, calibrated)
    answers = [_answers(z, loss) for z in both]
    losses = [compute_log_losses(targets, z, loss)[:, None] for z in both]
    gaps = [_gaps(targets, z, loss, num_bins) for z in both]
    return CalibrationGain(
        _compare(losses, num_samples),
        _compare(gaps, num_samples),
        num_changed=int((answers[0] != answers[1]).sum()),
    )


def _answers(logits: np.ndarray, loss: Loss) -> np.ndarray:
    """Returns the classes of the images, [N], or their labels, bool [N, C]."""
    if loss.multi_label:
        return compute_probabilities(logits, loss) >= LABEL_THRESHOLD
    return logits.argmax(-1)


def _gaps(
    targets: np.ndarray, logits: np.ndarray, loss: Loss, num_bins: int
) -> np.ndarray:
    """Returns what each image adds to the gap of each bin, [N, bins]."""
    confidence = compute_probabilities(logits, loss)
    if loss.multi_label:
        return bin_gaps(confidence, targets, num_bins=num_bins)
    hits = per_image_scores(targets, logits, multi_label=False)
    return bin_gaps(confidence.max(-1), hits, num_bins=num_bins)


def _compare(values: list[np.ndarray], num_samples: int) -> BeforeAfter:
    """Compares sums of |mean over images| of two arrays [N, k].

    Their intervals are reflected at the value ("basic"): noise alone moves a
    sum of absolute values up, in a resample once more.

    Reference:
        Davison and Hinkley, Bootstrap Methods and Their Application, 1997,
        section 5.2.
    """
    before, after = (float(np.abs(v.mean(0)).sum()) for v in values)
    resampled = [
        # The same images in both.
        np.abs(resampled_means(v, num_samples, seed=0)).sum(-1)
        for v in values
    ]
    return BeforeAfter(
        before,
        after,
        _reflect(before, resampled[0], least=0.0),
        _reflect(after, resampled[1], least=0.0),
        _reflect(after - before, resampled[1] - resampled[0]),
    )


def _reflect(
    value: float, samples: np.ndarray, least: float = -np.inf
) -> Interval:
    low, high = np.quantile(samples, [0.025, 0.975])
    return (
        max(2 * value - float(high), least),
        max(2 * value - float(low), least),
    )
