"""Losses of many heads at once, with their slopes.

The same losses as `optim.losses`, for logits with an axis of heads: the mean
over a batch of what Keras computes for each image.
"""

from collections.abc import Callable

import numpy as np

# (logits [B, T, C], targets [B, T or 1, C]) -> each image's loss [B, T], and
# its slope by the logits [B, T, C].
HeadLoss = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def softmax_loss(
    logits: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Softmax: log sum exp(z) - z y, for targets that sum to 1."""
    shifted = logits - logits.max(-1, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(-1, keepdims=True)
    losses = np.log(total)[..., 0] - (shifted * targets).sum(-1)
    powers /= total
    powers -= targets
    return losses, powers


def squared_hinge_loss(
    logits: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """SVM: mean over classes of max(0, 1 - y z)^2, with y = 2 target - 1."""
    signs = 2 * targets - 1
    margins = np.maximum(1 - signs * logits, 0)
    return np.square(margins).mean(-1), -2 / logits.shape[-1] * signs * margins


def binary_loss(
    logits: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Multi-label: mean over classes of log(1 + exp(z)) - z y."""
    losses = np.logaddexp(0, logits) - logits * targets
    probabilities = 0.5 * (1 + np.tanh(0.5 * logits))
    return losses.mean(-1), (probabilities - targets) / logits.shape[-1]


HEAD_LOSSES: dict[str, HeadLoss] = {
    "softmax": softmax_loss,
    "squared_hinge": squared_hinge_loss,
    "binary": binary_loss,
}
# What label smoothing draws targets to; margins know no smoothing.
SMOOTH_TARGET = {
    "softmax": lambda num_classes: 1 / num_classes,
    "binary": lambda num_classes: 0.5,
}


def smooth_targets(
    targets: np.ndarray, smoothing: np.ndarray, loss: str
) -> np.ndarray:
    """Returns targets [B, T, C], or [B, 1, C] where no head smooths.

    Args:
        targets: [B, C] multi-hot.
        smoothing: [T] in 0..1, of each head.
        loss: Key of `HEAD_LOSSES`.
    """
    wanted = targets[:, None, :]
    if loss not in SMOOTH_TARGET or not smoothing.any():
        return wanted
    share = smoothing[None, :, None]
    return wanted * (1 - share) + share * SMOOTH_TARGET[loss](targets.shape[1])
