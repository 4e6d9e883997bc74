"""When training is hopeless: NaN, or a loss above 3x the initial one."""

import dataclasses
import math
from typing import TypeVar

import numpy as np

# An overfitted model may well pass the bound on validation.
VALIDATION_SLACK = 10.0

Losses = TypeVar("Losses", float, np.ndarray)


@dataclasses.dataclass(frozen=True)
class Divergence:
    """Ends training whose loss is not finite or has passed a bound.

    The initial loss is that of the first step, but at least that of a fresh
    head (ln C): after a fitted probe the first batch may be all right, and
    three times almost nothing would end a healthy phase.

    Attributes:
        factor: Bound as a multiple of the initial loss, above 1.
        fresh_loss: Loss of a head that knows nothing.

    Reference:
        CS5670, Training CNNs: "quit early when loss > 3x the original loss".

    Example:
    >>> Divergence(3.0, 0.7).describe(4.0, initial=1.0)
    'the loss 4 passed 3x the initial loss 1'
    """

    factor: float
    fresh_loss: float

    def initial_loss(self, first: float) -> float:
        """Returns what the bound is a multiple of.

        Args:
            first: Loss of the first step; one that is not finite counts as
                that of a fresh head.
        """
        if not math.isfinite(first):
            return self.fresh_loss
        return max(first, self.fresh_loss)

    def bound(self, initial: Losses) -> Losses:
        """Returns the loss above which training ends, of one head or of all."""
        return self.factor * initial

    def describe(self, loss: float, *, initial: float) -> str:
        """Returns why a training loss ends training, or ""."""
        if not math.isfinite(loss):
            return f"the loss became {loss}"
        if loss > self.bound(initial):
            return (
                f"the loss {loss:.3g} passed {self.factor:g}x the initial loss "
                f"{initial:.3g}"
            )
        return ""

    def describe_validation(self, loss: float, *, initial: float) -> str:
        """Returns why a validation loss ends training, or ""."""
        if math.isfinite(loss) and loss <= VALIDATION_SLACK * self.bound(
            initial
        ):
            return ""
        return f"the validation loss became {loss:.3g}"
