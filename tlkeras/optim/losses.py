"""Losses on logits: one row says all that is known about a loss.

Keras trains with `build`; linear classifiers in NumPy, evaluation and checks
read the rest of the same row, and import no framework for it. `y` is a
multi-hot target, `z` a logit.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_softmax, logsumexp, softmax

if TYPE_CHECKING:
    import keras

# (logits [..., C], targets that broadcast to them) -> array.
OfLogits = Callable[[np.ndarray, np.ndarray], np.ndarray]
ValuesAndSlopes = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss on logits.

    Attributes:
        name: Its key in `LOSSES`, and what `result.json` calls it.
        build: Label smoothing in [0, 1) -> the Keras loss.
        value: (logits [..., C], targets [..., C]) -> loss [...], in the
            logits' precision, without smoothing.
        slope: Likewise, its derivative by the logits [..., C], *summed* over
            classes where the loss is a mean over them.
        fused: Likewise, value and slope in one pass; None where that saves
            nothing.
        curvature: Upper bound of the second derivative of that sum.
        expected_at_zero: Number of classes -> loss of a fresh head, whose
            logits are all zero.
        probabilities: float64 logits [..., C] -> scores in 0..1.
        log_loss: As `value`: minus the logarithm of `probabilities` of the
            targets, what calibration makes small.
        average: float64 logits [V, ..., C] of V answers to the same images ->
            logits [..., C] whose `probabilities` are the mean of theirs.
        activation: What Keras and TensorFlow call `probabilities`.
        accuracy: Builds the metric that is 1 when training data are learnt.
        smooth_target: Number of classes -> what smoothing draws targets to;
            None where smoothing has no meaning.
        is_class_mean: Whether it is a mean over classes, with slopes smaller
            by their number.
        multi_label: Whether an image may carry several labels.
    """

    name: str
    build: Callable[[float], "keras.losses.Loss"]
    value: OfLogits
    slope: OfLogits
    fused: Callable[[np.ndarray, np.ndarray], ValuesAndSlopes] | None
    curvature: float
    expected_at_zero: Callable[[int], float]
    probabilities: Callable[[np.ndarray], np.ndarray]
    log_loss: OfLogits
    average: Callable[[np.ndarray], np.ndarray]
    activation: str
    accuracy: Callable[[], "keras.metrics.Metric"]
    smooth_target: Callable[[int], float] | None
    is_class_mean: bool
    multi_label: bool

    @property
    def is_log_loss(self) -> bool:
        """Whether what it trains is the log loss of its probabilities."""
        return self.value is self.log_loss

    def value_and_slope(
        self, logits: np.ndarray, targets: np.ndarray
    ) -> ValuesAndSlopes:
        """Returns the loss [...] and its own slope [..., C], to descend by.

        Args:
            logits: float [..., C].
            targets: That broadcast to them.
        """
        if self.fused:
            return self.fused(logits, targets)
        slopes = self.slope(logits, targets)
        if self.is_class_mean:
            slopes *= 1 / logits.shape[-1]
        return self.value(logits, targets), slopes


def _softmax_value(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Log sum exp(z) - sum(y z), for targets that sum to 1."""
    # scipy's logsumexp differs in the last bit, and result.json holds this.
    log_sum = np.logaddexp.reduce(logits, axis=-1)
    return log_sum - (targets * logits).sum(-1)


def _softmax_slope(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    powers = logits - logits.max(-1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= powers.sum(-1, keepdims=True)
    powers -= targets
    return powers


def _softmax_fused(logits: np.ndarray, targets: np.ndarray) -> ValuesAndSlopes:
    """The slope's own powers give the value: a third of `logaddexp`'s time."""
    shifted = logits - logits.max(-1, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(-1, keepdims=True)
    values = np.log(total)[..., 0] - (shifted * targets).sum(-1)
    powers /= total
    powers -= targets
    return values, powers


def _softmax_average(logits: np.ndarray) -> np.ndarray:
    """Log of the mean softmax, that no small probability makes infinite."""
    return logsumexp(log_softmax(logits, axis=-1), axis=0) - np.log(len(logits))


def _binary_value(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean over classes of log(1 + exp(z)) - y z."""
    return (np.logaddexp(0.0, logits) - targets * logits).mean(-1)


def _binary_slope(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    # In the logits' precision; expit is slower and rounds otherwise.
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60))) - targets


def _binary_average(logits: np.ndarray) -> np.ndarray:
    """Log of the mean sigmoid over the mean of what it leaves to 1."""
    on, off = (-np.logaddexp(0.0, sign * logits) for sign in (-1, 1))
    return logsumexp(on, axis=0) - logsumexp(off, axis=0)


def _squared_hinge_value(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean over classes of max(0, 1 - s z)^2, with s = 2 y - 1."""
    margins = np.maximum(1.0 - (2.0 * targets - 1.0) * logits, 0.0)
    return np.square(margins).mean(-1)


def _squared_hinge_slope(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    signs = 2 * targets - 1
    return -2 * signs * np.maximum(1 - signs * logits, 0)


def _build_softmax(smoothing: float) -> "keras.losses.Loss":
    import keras

    return keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing
    )


def _build_binary(smoothing: float) -> "keras.losses.Loss":
    import keras

    return keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=smoothing
    )


def _build_squared_hinge(smoothing: float) -> "keras.losses.Loss":
    """Of margins, which are not smoothed."""
    from tlkeras.optim.squared_hinge import OneVsRestSquaredHinge

    return OneVsRestSquaredHinge()


def _build_categorical_accuracy() -> "keras.metrics.Metric":
    import keras

    return keras.metrics.CategoricalAccuracy()


def _build_binary_accuracy() -> "keras.metrics.Metric":
    import keras

    return keras.metrics.BinaryAccuracy(threshold=0.0)


_ROWS = (
    Loss(
        name="softmax",
        build=_build_softmax,
        value=_softmax_value,
        slope=_softmax_slope,
        fused=_softmax_fused,
        curvature=0.5,  # Boehning 1992
        # Whatever the smoothing: the targets sum to 1.
        expected_at_zero=lambda num_classes: float(np.log(num_classes)),
        probabilities=lambda logits: softmax(logits, axis=-1),
        log_loss=_softmax_value,
        average=_softmax_average,
        activation="softmax",
        accuracy=_build_categorical_accuracy,
        smooth_target=lambda num_classes: 1 / num_classes,
        is_class_mean=False,
        multi_label=False,
    ),
    Loss(
        name="binary",
        build=_build_binary,
        value=_binary_value,
        slope=_binary_slope,
        fused=None,
        curvature=0.25,
        expected_at_zero=lambda num_classes: float(np.log(2.0)),
        probabilities=expit,
        log_loss=_binary_value,
        average=_binary_average,
        activation="sigmoid",
        accuracy=_build_binary_accuracy,
        smooth_target=lambda num_classes: 0.5,
        is_class_mean=True,
        multi_label=True,
    ),
    Loss(
        name="squared_hinge",
        build=_build_squared_hinge,
        value=_squared_hinge_value,
        slope=_squared_hinge_slope,
        fused=None,
        curvature=2.0,
        expected_at_zero=lambda num_classes: 1.0,
        # A ranking of the margins until they are calibrated.
        probabilities=lambda logits: softmax(logits, axis=-1),
        log_loss=_softmax_value,
        average=_softmax_average,
        activation="softmax",
        accuracy=_build_categorical_accuracy,
        smooth_target=None,  # of margins
        is_class_mean=True,
        multi_label=False,
    ),
)
LOSSES = {row.name: row for row in _ROWS}


def mean_loss(
    targets: np.ndarray,
    logits: np.ndarray,
    loss: Loss,
    *,
    label_smoothing: float = 0.0,
    weights: np.ndarray | None = None,
) -> float:
    """Returns the mean loss as a phase trains with it, penalties aside.

    Args:
        targets: [N, C] multi-hot.
        logits: float [N, C].
        loss: Row of `LOSSES`.
        label_smoothing: In [0, 1).
        weights: [C] of the classes, or None.
    """
    import keras

    of_images = None if weights is None else targets @ weights
    value = loss.build(label_smoothing)(
        targets, np.asarray(logits, np.float32), sample_weight=of_images
    )
    return float(keras.ops.convert_to_numpy(value))


def compute_probabilities(logits: np.ndarray, loss: Loss) -> np.ndarray:
    """Turns logits into scores in 0..1.

    Args:
        logits: float [N, C].
        loss: Row of `LOSSES`.

    Returns:
        float64 [N, C].
    """
    return loss.probabilities(np.asarray(logits, np.float64))


def compute_losses(
    targets: np.ndarray, logits: np.ndarray, loss: Loss
) -> np.ndarray:
    """Returns each image's loss without smoothing or penalties, float64 [N].

    Args:
        targets: [N, C] multi-hot.
        logits: float [N, C].
        loss: Row of `LOSSES`.
    """
    return loss.value(np.asarray(logits, np.float64), targets)


def compute_log_losses(
    targets: np.ndarray, logits: np.ndarray, loss: Loss
) -> np.ndarray:
    """Returns each image's log loss of its scores, float64 [N].

    Where images may carry several labels, the mean over labels.

    Args:
        targets: [N, C] multi-hot.
        logits: float [N, C].
        loss: Row of `LOSSES`.
    """
    return loss.log_loss(np.asarray(logits, np.float64), targets)
