"""Rows of `history.csv` and TensorBoard scalars, after each epoch."""

import time
from collections.abc import Callable
from typing import Any

import keras

from tlkeras.optim.multi_optimizer import current_rates

# Takes one row: column -> value.
WriteRow = Callable[[dict[str, Any]], None]


class EpochWriter(keras.callbacks.Callback):
    """Turns the epoch's logs into one row and hands it to every writer.

    Args:
        phase: Name of the phase.
        metric: Primary metric without prefix.
        writers: Functions that take the row.
    """

    def __init__(
        self, phase: str, metric: str, writers: list[WriteRow]
    ) -> None:
        super().__init__()
        self.phase = phase
        self.metric = metric
        self.writers = writers
        self._started = 0.0

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Notes the time."""
        self._started = time.perf_counter()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Writes the row."""
        logs = logs or {}
        optimizer = self.model.optimizer
        row = {
            "phase": self.phase,
            "epoch": epoch + 1,
            "step": int(keras.ops.convert_to_numpy(optimizer.iterations)),
            "train/loss": logs.get("loss"),
            f"train/{self.metric}": logs.get(self.metric),
            "train/loss_noise": logs.get("loss_noise"),
            "val/loss": logs.get("val_loss"),
            f"val/{self.metric}": logs.get(f"val_{self.metric}"),
            **{
                f"learning_rate/{name}": rate
                for name, rate in current_rates(optimizer).items()
            },
            **{k: v for k, v in logs.items() if k.startswith("update_ratio/")},
            "seconds": round(time.perf_counter() - self._started, 3),
        }
        for write in self.writers:
            write(row)
