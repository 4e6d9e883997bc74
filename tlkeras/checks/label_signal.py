"""The labels say something about the images, and shuffled ones nothing."""

import math

from tlkeras.checks.result import FAIL, PASS, CheckResult

# Standard errors beside chance: a leak must be certain, a signal likely.
LEAK_ERRORS, SIGNAL_ERRORS = 3.0, 2.0


def _above(chance: float, count: int, errors: float) -> float:
    deviation = math.sqrt(max(chance * (1 - chance), 1e-6) / count)
    return min(chance + errors * deviation, 1 - 1e-9)


def check_shuffled_labels(
    accuracy: float, chance: float, count: int
) -> CheckResult:
    """With shuffled labels a probe is at chance; above it, something leaks.

    Args:
        accuracy: Cross-validated, on shuffled labels.
        chance: Share of the largest class.
        count: Images.
    """
    limit = _above(chance, count, LEAK_ERRORS)
    leaks = accuracy > limit
    return CheckResult(
        "shuffled_labels",
        FAIL if leaks else PASS,
        round(accuracy, 4),
        f"at most {limit:.3f}",
        f"On shuffled labels the probe has {accuracy:.1%} right; the largest "
        f"class has {chance:.1%}"
        + (": the evaluation knows what it should not." if leaks else "."),
    )


def check_label_signal(
    accuracy: float, chance: float, count: int
) -> CheckResult:
    """With the labels as they are, the same probe is better than chance.

    Args:
        accuracy: Cross-validated, on the true labels.
        chance: Share of the largest class.
        count: Images.
    """
    limit = _above(chance, count, SIGNAL_ERRORS)
    is_lost = accuracy <= limit
    return CheckResult(
        "label_signal",
        FAIL if is_lost else PASS,
        round(accuracy, 4),
        f"above {limit:.3f}",
        f"On the labels as they are the probe has {accuracy:.1%} right; the "
        f"largest class has {chance:.1%}"
        + (": labels and images do not belong together." if is_lost else "."),
    )
