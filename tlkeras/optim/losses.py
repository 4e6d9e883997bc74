"""Losses on logits, and the per-image log loss used for evaluation."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("tlkeras")
class OneVsRestSquaredHinge(keras.losses.Loss):
    """mean over classes of max(0, 1 - y s)^2, with y = 2 target - 1.

    The loss of scikit-learn's `LinearSVC`, one class against the rest; soft
    targets (MixUp) interpolate y. Equal to 1 at zero scores.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each image, [N]."""
        signs = 2.0 * ops.cast(y_true, y_pred.dtype) - 1.0
        margins = ops.maximum(1.0 - signs * y_pred, 0.0)
        return ops.mean(ops.square(margins), axis=-1)


LossBuilder = Callable[[float], keras.losses.Loss]

LOSSES: dict[str, LossBuilder] = {
    "softmax": lambda smoothing: keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing
    ),
    "binary": lambda smoothing: keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=smoothing
    ),
    # Label smoothing has no meaning for margins.
    "squared_hinge": lambda smoothing: OneVsRestSquaredHinge(),
}


def expected_initial_loss(loss: str, num_classes: int) -> float:
    """Returns the loss of a fresh head, whose scores are all zero.

    ln C for softmax (whatever the smoothing: the targets sum to 1), ln 2 for
    independent binary classes, 1 for the squared hinge.

    Example:
    >>> round(expected_initial_loss("softmax", 10), 2)
    2.3
    """
    if loss == "softmax":
        return float(np.log(num_classes))
    return float(np.log(2.0)) if loss == "binary" else 1.0


def mean_loss(
    targets: np.ndarray,
    logits: np.ndarray,
    loss: str,
    *,
    label_smoothing: float = 0.0,
    weights: np.ndarray | None = None,
) -> float:
    """Returns the mean loss as a phase trains with it, penalties aside.

    Args:
        targets: [N, C] multi-hot.
        logits: float [N, C].
        loss: Key of `LOSSES`.
        label_smoothing: In [0, 1).
        weights: [C] of the classes, or None.
    """
    of_images = None if weights is None else targets @ weights
    value = LOSSES[loss](label_smoothing)(
        targets, np.asarray(logits, np.float32), sample_weight=of_images
    )
    return float(ops.convert_to_numpy(value))


def compute_probabilities(logits: np.ndarray, loss: str) -> np.ndarray:
    """Turns logits into scores in 0..1.

    Softmax over classes; for `binary` an independent sigmoid of each. An SVM's
    margins go through the softmax too: a ranking, not calibrated.

    Args:
        logits: float [N, C].
        loss: Key of `LOSSES`.

    Returns:
        float64 [N, C].
    """
    logits = np.asarray(logits, np.float64)
    if loss == "binary":
        return 0.5 * (1.0 + np.tanh(0.5 * logits))
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def compute_losses(
    targets: np.ndarray, logits: np.ndarray, loss: str
) -> np.ndarray:
    """Returns each image's loss without smoothing or penalties, float64 [N]."""
    logits = np.asarray(logits, np.float64)
    if loss == "softmax":
        log_sum = np.logaddexp.reduce(logits, axis=-1)
        return log_sum - (targets * logits).sum(-1)
    if loss == "binary":
        return (np.logaddexp(0.0, logits) - targets * logits).mean(-1)
    margins = np.maximum(1.0 - (2.0 * targets - 1.0) * logits, 0.0)
    return np.square(margins).mean(-1)
