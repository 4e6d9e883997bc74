"""Cranking regularisation up raises the loss (CS5670: "check the loss")."""

import numpy as np

from tlkeras.checks.result import FAIL, PASS, CheckResult
from tlkeras.models.classifier import Classifier
from tlkeras.models.heads import kernel_penalty
from tlkeras.models.regularization import penalties_replaced

STRENGTH = 1e3  # the lecture's


def check_regularization(
    classifier: Classifier, loss: float, *, l1: float = 0.0, l2: float = 0.0
) -> CheckResult:
    """Compares the loss with and without a strong L2 penalty on the head.

    Args:
        classifier: Whole; left as it was.
        loss: Of the data alone, on some images.
        l1: Strength that the head was asked to have.
        l2: Likewise, lambda of lambda / 2 ||W||^2.
    """
    model = classifier.model
    configured = sum(float(value) for value in model.losses)
    with penalties_replaced(classifier.head_layers, None):
        without = [float(value) for value in model.losses]
    with penalties_replaced(
        classifier.head_layers, kernel_penalty(0.0, STRENGTH)
    ):
        with_penalty = [float(value) for value in model.losses]
        kernels = [
            np.asarray(layer.kernel)
            for layer in classifier.head_layers
            if hasattr(layer, "kernel")
        ]
    penalty = sum(with_penalty) - sum(without)
    expected = STRENGTH / 2 * sum(float((k**2).sum()) for k in kernels)
    is_right = expected > 0 and abs(penalty - expected) <= 0.01 * expected
    is_right &= len(with_penalty) - len(without) == len(kernels)
    asked = sum(
        l1 * float(np.abs(k).sum()) + l2 / 2 * float((k**2).sum())
        for k in kernels
    )
    if abs(configured - sum(without) - asked) > 0.01 * asked:
        return CheckResult(
            "regularization",
            FAIL,
            float(f"{configured - sum(without):.4g}"),
            float(f"{asked:.4g}"),
            "The penalty that the config asks for is not in the loss.",
        )
    return CheckResult(
        "regularization",
        PASS if is_right else FAIL,
        round(loss + penalty, 4),
        round(loss + expected, 4),
        f"An L2 strength of {STRENGTH:g} raises the loss from {loss:.3f} to "
        f"{loss + penalty:.3f}; the head's weights ask for "
        f"{loss + expected:.3f}.",
    )
