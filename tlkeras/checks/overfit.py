"""A small portion of the data can be overfitted (CS5670).

"Overfit a small portion: 20 examples, regularisation 0, vanilla full-batch
SGD, 200 epochs, constant rate: must reach near-zero loss and accuracy 1."
"""

import dataclasses
import time
from typing import Any

import keras
import numpy as np

from tlkeras.checks.result import FAIL, PASS, WARN, CheckResult
from tlkeras.models.regularization import penalties_replaced, without_dropout
from tlkeras.models.snapshot import restored
from tlkeras.optim.losses import Loss

NUM_IMAGES = 20
MAX_EPOCHS = 200
NEAR_ZERO = 0.05  # of the loss of knowing nothing
SLOW = 0.25  # likewise; below, the images are being learnt
MAX_SECONDS = 20.0  # all rates together; large networks get fewer epochs
VANILLA_RATES = (1e-2, 1e-1, 1.0, 1e-3)  # tried in turn


@dataclasses.dataclass(frozen=True)
class Overfitted:
    """How far a few images were learnt by heart.

    Attributes:
        loss: The lowest one, of the data alone.
        expected: Loss of knowing nothing.
        accuracy: Share of right answers with that loss.
        epochs: Until both were reached, or all of them.
        rate: Constant learning rate; None = the optimizer's own.
        is_complete: False where `MAX_SECONDS` ended it.
    """

    loss: float
    accuracy: float
    expected: float
    epochs: int
    rate: float | None
    is_complete: bool = True

    @property
    def is_near_zero(self) -> bool:
        """Whether the images were learnt."""
        return self.accuracy == 1 and self.loss <= NEAR_ZERO * self.expected


def overfit(
    model: keras.Model,
    inputs: Any,
    targets: np.ndarray,
    *,
    loss: Loss,
    expected: float,
    optimizer: keras.optimizers.Optimizer,
    rates: tuple[float | None, ...] = (None,),
    max_epochs: int = MAX_EPOCHS,
) -> Overfitted:
    """Trains on a few images, full batch, regularisation off; leaves no trace.

    Args:
        model: What trains: inputs -> logits.
        inputs: Of all images, [n, ...] or a tuple of such.
        targets: [n, C].
        loss: Row of `optim.losses.LOSSES`.
        expected: Loss of knowing nothing.
        optimizer: Used once.
        rates: Constant rates tried in turn; None leaves the optimizer's own.
        max_epochs: Steps a rate; it ends early near zero, or above 10 times
            the loss of knowing nothing.

    Returns:
        The first attempt that succeeds, or the one with the lowest loss.
    """
    attempts = []
    layers = model.layers
    until = time.perf_counter() + MAX_SECONDS
    with (
        restored(model),
        without_dropout(layers),
        penalties_replaced(layers, None),
    ):
        model.compile(
            optimizer=optimizer,
            loss=loss.build(0.0),
            metrics=[loss.accuracy()],
            jit_compile=False,
            auto_scale_loss=False,
        )
        for rate in rates:
            with restored(model):
                if rate is not None:
                    optimizer.learning_rate = rate
                attempts.append(
                    _descend(
                        model,
                        inputs,
                        targets,
                        expected,
                        max_epochs=max_epochs,
                        rate=rate,
                        until=until,
                    )
                )
            if attempts[-1].is_near_zero:
                break
    return min(attempts, key=lambda attempt: attempt.loss)


def vanilla_rates(loss: Loss, num_classes: int) -> tuple[float, ...]:
    """Returns constant rates to try in turn.

    Args:
        loss: Row of `optim.losses.LOSSES`; those that are means over classes
            have gradients smaller by their number.
        num_classes: C.
    """
    factor = num_classes if loss.is_class_mean else 1
    return tuple(factor * rate for rate in VANILLA_RATES)


def _descend(
    model: keras.Model,
    inputs: Any,
    targets: np.ndarray,
    expected: float,
    *,
    max_epochs: int,
    rate: float | None,
    until: float,
) -> Overfitted:
    best, epochs = (float("inf"), 0.0), 0
    while epochs < max_epochs and time.perf_counter() < until:
        model.reset_metrics()
        value, accuracy = map(float, model.train_on_batch(inputs, targets))
        if np.isfinite(value):
            best = min(best, (value, accuracy))
        epochs += 1
        result = Overfitted(*best, expected, epochs, rate)
        if not value <= 10 * expected or result.is_near_zero:
            return result
    is_complete = epochs == max_epochs
    return Overfitted(*best, expected, epochs, rate, is_complete)


def check_overfit(vanilla: Overfitted, num_images: int) -> CheckResult:
    """Vanilla gradient descent learns a few images by heart.

    Args:
        vanilla: From `overfit` with plain SGD at `VANILLA_RATES`.
        num_images: That were learnt.
    """
    return _check(
        "overfit_20",
        vanilla,
        f"Vanilla gradient descent at rate {vanilla.rate:g} takes "
        f"{num_images} images",
        FAIL if vanilla.is_complete else WARN,
        "what trains cannot even learn these by heart",
    )


def check_own_optimizer(own: Overfitted, num_images: int) -> CheckResult:
    """The phase's own optimizer learns them too.

    Args:
        own: From `overfit` with the phase's optimizer and rates.
        num_images: That were learnt.
    """
    return _check(
        "overfit_20_own_optimizer",
        own,
        f"The phase's own optimizer takes {num_images} images",
        WARN,
        "its rate may be far off; tlkeras find_lr suggests one",
    )


def _check(
    name: str, result: Overfitted, subject: str, worst: str, reason: str
) -> CheckResult:
    if result.is_near_zero:
        verdict, end = PASS, "."
    elif result.loss <= SLOW * result.expected:
        verdict, end = WARN, ": it learns them, but slowly."
    elif result.is_complete:
        verdict, end = worst, f": {reason}."
    else:
        verdict, end = worst, f" and {MAX_SECONDS:g} s, not yet near zero."
    return CheckResult(
        name,
        verdict,
        float(f"{result.loss:.4g}"),
        f"at most {NEAR_ZERO * result.expected:.3g}",
        f"{subject} to a loss of {result.loss:.3g} and {result.accuracy:.0%} "
        f"right answers in {result.epochs} epochs"
        f"{end}",
    )
