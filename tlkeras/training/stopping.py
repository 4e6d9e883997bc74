"""What ends a training early, or slows it down: guard and patience."""

import keras

from tlkeras.callbacks.divergence_guard import DivergenceGuard
from tlkeras.callbacks.early_stopping import EarlyStopping
from tlkeras.callbacks.reduce_on_plateau import ReduceLROnPlateau
from tlkeras.optim.losses import Loss
from tlkeras.training.phases import Phase


def build_guard(phase: Phase, loss: Loss, num_classes: int) -> DivergenceGuard:
    """Returns what ends a phase whose loss grows beyond its bound.

    Args:
        phase: Its `divergence_factor` counts.
        loss: That the head learns with.
        num_classes: C.
    """
    fresh_loss = loss.expected_at_zero(num_classes)
    return DivergenceGuard(phase.divergence_factor, fresh_loss)


def plateau_callbacks(
    phase: Phase, metric: str
) -> list[keras.callbacks.Callback]:
    """Returns what a phase does where validation gets no better.

    Args:
        phase: Its patiences; None leaves a callback out.
        metric: That is watched, without prefix; higher is better.
    """
    monitor = {"monitor": f"val_{metric}", "mode": "max"}
    callbacks: list[keras.callbacks.Callback] = []
    if phase.reduce_on_plateau_patience is not None:
        callbacks.append(
            ReduceLROnPlateau(
                patience=phase.reduce_on_plateau_patience,
                factor=phase.reduce_on_plateau_factor,
                **monitor,
            )
        )
    if phase.early_stopping_patience is not None:
        callbacks.append(
            EarlyStopping(patience=phase.early_stopping_patience, **monitor)
        )
    return callbacks
