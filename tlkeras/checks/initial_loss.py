"""The loss of a fresh head is ln C (CS5670: "check the loss")."""

import numpy as np

from tlkeras.checks.result import FAIL, PASS, WARN, CheckResult
from tlkeras.optim.losses import Loss, mean_loss

TOLERANCE = 0.25  # relative
FAILURE = 3.0  # times the expected loss


def check_initial_loss(
    targets: np.ndarray,
    logits: np.ndarray,
    *,
    loss: Loss,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
) -> CheckResult:
    """Compares the loss of an untrained head with that of knowing nothing.

    Knowing nothing means scores of zero: the loss's `expected_at_zero`, times
    the mean class weight of these images.

    Args:
        targets: [N, C] of some training images.
        logits: [N, C] of the fresh model.
        loss: Row of `optim.losses.LOSSES`.
        label_smoothing: Of the phase.
        class_weights: [C], or None.
    """

    def loss_of(values: np.ndarray) -> float:
        return mean_loss(
            targets,
            values,
            loss,
            label_smoothing=label_smoothing,
            weights=class_weights,
        )

    expected, value = loss_of(np.zeros_like(logits)), loss_of(logits)
    if not np.isfinite(value) or value > FAILURE * expected:
        verdict = FAIL
    else:
        near = abs(value - expected) <= TOLERANCE * expected
        verdict = PASS if near else WARN
    return CheckResult(
        "initial_loss",
        verdict,
        round(value, 4),
        round(expected, 4),
        f"The fresh head's loss is {value:.3f}; knowing nothing gives "
        f"{expected:.3f}.",
    )
