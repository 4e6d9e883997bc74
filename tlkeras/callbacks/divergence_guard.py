"""Quitting a hopeless phase: NaN, or a loss above 3x the initial one."""

import math

from tlkeras.callbacks.stateful import StatefulCallback

VALIDATION_SLACK = 10.0


class DivergenceGuard(StatefulCallback):
    """Ends training when the loss is not finite or has passed a bound.

    The initial loss is that of the first step, but at least that of a fresh
    head (ln C): after a fitted probe the first batch may be all right, and
    three times almost nothing would end a healthy phase.

    Args:
        factor: Bound as a multiple of the initial loss.
        fresh_loss: Loss of a head that knows nothing.

    Attributes:
        reason: Why training was ended, or "".

    Reference:
        CS5670, Training CNNs: "quit early when loss > 3x the original loss".
    """

    state_names = ("initial_loss", "reason")

    def __init__(self, factor: float, fresh_loss: float) -> None:
        super().__init__()
        self.factor = factor
        self.fresh_loss = fresh_loss
        self.initial_loss: float | None = None
        self.reason = ""

    def on_train_batch_end(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Looks at the running mean of the epoch's loss."""
        loss = float((logs or {})["loss"])
        if self.initial_loss is None and math.isfinite(loss):
            self.initial_loss = max(loss, self.fresh_loss)
        bound = self.factor * (self.initial_loss or self.fresh_loss)
        if not math.isfinite(loss):
            self.reason = f"the loss became {loss} at step {batch + 1}"
        elif loss > bound:
            self.reason = (
                f"the loss {loss:.3g} passed {self.factor:g}x the initial loss "
                f"{bound / self.factor:.3g} at step {batch + 1}"
            )
        if self.reason:
            self.model.stop_training = True

    def check_validation(self, loss: float) -> None:
        """Ends training when the last step of an epoch broke the weights.

        The bound is wider than in training: an overfitted model may well pass
        three times the initial loss on validation.
        """
        initial = self.initial_loss or self.fresh_loss
        bound = VALIDATION_SLACK * self.factor * initial
        if not math.isfinite(loss) or loss > bound:
            self.reason = f"the validation loss became {loss:.3g}"
            self.model.stop_training = True
