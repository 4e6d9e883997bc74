"""The loss of a fresh head is ln C (CS5670: "check the loss")."""

import numpy as np

from tlkeras.checks.result import FAIL, PASS, WARN, CheckResult
from tlkeras.optim.losses import compute_losses, expected_initial_loss

TOLERANCE = 0.25  # relative
FAILURE = 3.0  # times the expected loss


def check_initial_loss(
    targets: np.ndarray, logits: np.ndarray, *, loss: str
) -> CheckResult:
    """Compares the loss of an untrained head with that of knowing nothing.

    Args:
        targets: [N, C] of some training images.
        logits: [N, C] of the fresh model.
        loss: Key of `optim.losses.LOSSES`.
    """
    expected = expected_initial_loss(loss, targets.shape[1])
    value = float(compute_losses(targets, logits, loss).mean())
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
