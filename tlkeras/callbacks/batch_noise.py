"""How much the loss differs from one batch to the next."""

import math

import keras
import numpy as np


class BatchNoise(keras.callbacks.Callback):
    """Adds `loss_noise` to the epoch's logs.

    The standard deviation of the loss from batch to batch, as a share of its
    mean: the width of the loss curve, which shrinks with the root of the batch
    size. From differences of neighbours, so that a falling loss is no noise.

    Reference:
        CS231n notes, Neural Networks Part 3, "Loss function".
    """

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Forgets the epoch before."""
        self._means: list[float] = []

    def on_train_batch_end(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Notes the running mean, of which batch losses follow."""
        self._means.append(float((logs or {})["loss"]))

    def on_epoch_end(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Writes the noise; leaves it out below three batches."""
        totals = np.array(self._means) * np.arange(1, len(self._means) + 1)
        losses = np.diff(totals, prepend=0.0)
        if logs is None or len(losses) < 3 or not np.isfinite(losses).all():
            return
        deviation = np.diff(losses).std() / math.sqrt(2)
        logs["loss_noise"] = float(deviation / max(losses.mean(), 1e-12))
