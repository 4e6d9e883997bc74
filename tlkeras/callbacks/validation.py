"""Validation after each epoch, on logits that later steps can use."""

from collections.abc import Callable

import keras
import numpy as np

from tlkeras.callbacks.divergence_guard import DivergenceGuard

# Returns (metrics of the split, per-image scores [N]).
Evaluate = Callable[[], tuple[dict[str, float], np.ndarray]]


class Validation(keras.callbacks.Callback):
    """Adds `val_loss` and the primary metric to the epoch's logs.

    Args:
        evaluate: Runs the model over the validation split.
        guard: Told of the loss; after a divergence nothing is evaluated.

    Attributes:
        scores: Per-image scores of the last epoch, [N], for paired tests.
        metrics: Metrics of the last epoch, without prefix.
    """

    def __init__(self, evaluate: Evaluate, guard: DivergenceGuard) -> None:
        super().__init__()
        self.evaluate = evaluate
        self.guard = guard
        self.scores = np.zeros(0)
        self.metrics: dict[str, float] = {}

    def on_epoch_end(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Evaluates, and writes into the logs that later callbacks read."""
        if self.guard.reason:
            return
        self.metrics, self.scores = self.evaluate()
        self.guard.check_validation(self.metrics["loss"])
        if logs is not None:
            logs.update({f"val_{k}": v for k, v in self.metrics.items()})
