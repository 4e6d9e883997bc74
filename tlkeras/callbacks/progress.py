"""What a person sees while a phase runs: rate, and time left."""

import time

import keras

from tlkeras.console import Console


class Progress(keras.callbacks.Callback):
    """Shows a bar with images a second and time left; plain lines elsewhere.

    Args:
        phase: Name of the phase.
        metric: Primary metric without prefix.
        num_epochs: Of the phase.
        steps_per_epoch: Steps of an epoch.
        batch_size: Images a step.
        console: Where to show it.
    """

    def __init__(
        self,
        phase: str,
        metric: str,
        *,
        num_epochs: int,
        steps_per_epoch: int,
        batch_size: int,
        console: Console,
    ) -> None:
        super().__init__()
        self.phase = phase
        self.metric = metric
        self.num_epochs = num_epochs
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size
        self.console = console
        self._epoch = 0
        self._epoch_started = 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Opens the bar."""
        self.console.start(self.phase, self.num_epochs * self.steps_per_epoch)

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Notes where training stands."""
        self._epoch = epoch
        self._epoch_started = time.perf_counter()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Moves the bar."""
        self.console.advance_to(self._epoch * self.steps_per_epoch + batch + 1)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Prints one line an epoch."""
        logs = logs or {}
        seconds = time.perf_counter() - self._epoch_started
        images = self.steps_per_epoch * self.batch_size
        left = seconds * (self.num_epochs - epoch - 1)
        self.console.line(
            f"{self.phase} {epoch + 1}/{self.num_epochs}  "
            f"train/loss {logs.get('loss', float('nan')):.4f}  "
            f"val/loss {logs.get('val_loss', float('nan')):.4f}  "
            f"val/{self.metric} {logs.get(f'val_{self.metric}', 0.0):.4f}  "
            f"{images / seconds:.0f} images/s  {left:.0f} s left"
        )

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the bar."""
        self.console.stop()
