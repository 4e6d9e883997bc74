"""Quitting a hopeless phase: NaN, or a loss above 3x the initial one."""

import math
from typing import Any

from tlkeras.callbacks.stateful import StatefulCallback
from tlkeras.optim.divergence import Divergence


class DivergenceGuard(StatefulCallback):
    """Ends training by the rule of `optim.divergence`.

    Args:
        factor: Bound as a multiple of the initial loss.
        fresh_loss: Loss of a head that knows nothing.

    Attributes:
        reason: Why training was ended, or "".
    """

    state_names = ("initial_loss", "reason")

    def __init__(self, factor: float, fresh_loss: float) -> None:
        super().__init__()
        self.rule = Divergence(factor, fresh_loss)
        self.initial_loss: float | None = None
        self.reason = ""

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Looks at the running mean of the epoch's loss."""
        loss = float((logs or {})["loss"])
        if self.initial_loss is None and math.isfinite(loss):
            self.initial_loss = self.rule.initial_loss(loss)
        reason = self.rule.describe(loss, initial=self._initial)
        if reason:
            self._stop(f"{reason} at step {batch + 1}")

    def check_validation(self, loss: float) -> None:
        """Ends training when the last step of an epoch broke the weights."""
        reason = self.rule.describe_validation(loss, initial=self._initial)
        if reason:
            self._stop(reason)

    @property
    def _initial(self) -> float:
        return self.initial_loss or self.rule.fresh_loss

    def _stop(self, reason: str) -> None:
        self.reason = reason
        self.model.stop_training = True
