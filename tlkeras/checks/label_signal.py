"""The labels say something about the images, and shuffled ones nothing."""

import math

import numpy as np

from tlkeras.checks.result import FAIL, PASS, WARN, CheckResult

# Standard errors beside chance: a leak must be certain, a signal likely.
LEAK_ERRORS, SIGNAL_ERRORS = 3.0, 2.0
FEW = 10  # images a class; below, a missing signal is no proof


def class_balanced(
    scores: np.ndarray, targets: np.ndarray
) -> tuple[float, float]:
    """Returns the mean over classes of the mean score, and its error.

    Frequent classes count no more than rare ones, so that always naming the
    largest class scores 1 / C.

    Args:
        scores: [N] of the images, in 0..1.
        targets: [N, C] multi-hot.
    """
    counts = np.maximum(targets.sum(0), 1.0)
    means = scores @ targets / counts
    spread = np.square(scores[:, None] - means) * targets
    error = math.sqrt(float((spread.sum(0) / counts**2).sum()))
    present = float((targets.sum(0) > 0).sum())
    return float(means.sum()) / present, error / present


def check_shuffled_labels(
    shuffled: np.ndarray, targets: np.ndarray, chance: float
) -> CheckResult:
    """With shuffled labels a probe is at chance; above it, something leaks.

    Args:
        shuffled: [N] cross-validated scores on shuffled labels.
        targets: [N, C], shuffled likewise.
        chance: Balanced score of knowing nothing.
    """
    value, error = class_balanced(shuffled, targets)
    limit = chance + LEAK_ERRORS * error
    leaks = value > limit
    return CheckResult(
        "shuffled_labels",
        FAIL if leaks else PASS,
        round(value, 4),
        f"at most {limit:.3f}",
        f"On shuffled labels the probe scores {value:.3f}, the mean over "
        f"classes; chance is {chance:.3f}"
        + (": the evaluation knows what it should not." if leaks else "."),
    )


def check_label_signal(
    scores: np.ndarray, targets: np.ndarray, chance: float
) -> CheckResult:
    """With the labels as they are, the same probe is better than chance.

    Args:
        scores: [N] cross-validated scores on the true labels.
        targets: [N, C].
        chance: Balanced score of knowing nothing.
    """
    value, error = class_balanced(scores, targets)
    limit = chance + SIGNAL_ERRORS * error
    is_lost = value <= limit
    few = targets.sum(0).min() < FEW
    message = (
        f"On the labels as they are the probe scores {value:.3f}, the mean "
        f"over classes; chance is {chance:.3f}"
    )
    if is_lost:
        message += (
            f"; with fewer than {FEW} images of a class that proves little"
            if few
            else ": labels and images do not belong together"
        )
    verdict = PASS if not is_lost else WARN if few else FAIL
    return CheckResult(
        "label_signal",
        verdict,
        round(value, 4),
        f"above {limit:.3f}",
        f"{message}.",
    )
