"""The loss of linear support vector machines, for Keras."""

from typing import Any

import keras
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
