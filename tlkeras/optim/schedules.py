"""Learning-rate schedules: each a formula of the training progress.

A formula gives the fraction of the initial (peak) rate at epoch t, a real
number that grows by 1 / steps_per_epoch each step; T is the phase's length.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tlkeras.tables import lookup


@dataclasses.dataclass(frozen=True)
class ScheduleArgs:
    """Constants of the schedules, in epochs unless the name says otherwise."""

    total_epochs: float
    warmup_epochs: float = 1.0
    drop_every_epochs: float = 10.0
    drop_factor: float = 0.1
    decay_per_epoch: float = 0.97
    time_constant_epochs: float = 5.0
    final_fraction: float = 0.01


# Fraction of the peak rate at epoch t; t is a float32 tensor.
Formula = Callable[[Any, ScheduleArgs], Any]


def constant(t: Any, args: ScheduleArgs) -> Any:
    """1."""
    return ops.ones_like(t)


def step(t: Any, args: ScheduleArgs) -> Any:
    """drop_factor ** floor(t / drop_every_epochs): x0.1 every N."""
    drops = ops.floor(t / args.drop_every_epochs)
    return ops.power(args.drop_factor, drops)


def exponential(t: Any, args: ScheduleArgs) -> Any:
    """decay_per_epoch ** t: x0.97 an epoch."""
    return ops.power(args.decay_per_epoch, t)


def square_root(t: Any, args: ScheduleArgs) -> Any:
    """sqrt(1 - t / T)."""
    return ops.sqrt(ops.maximum(1.0 - t / args.total_epochs, 0.0))


def inverse_time(t: Any, args: ScheduleArgs) -> Any:
    """1 / (1 + t / tau): the lecture's 1/t."""
    return 1.0 / (1.0 + t / args.time_constant_epochs)


def natural_exp(t: Any, args: ScheduleArgs) -> Any:
    """exp(-t / tau)."""
    return ops.exp(-t / args.time_constant_epochs)


def cosine(t: Any, args: ScheduleArgs) -> Any:
    """Linear warm-up, then half a cosine down to final_fraction."""
    warm = min(args.warmup_epochs, args.total_epochs / 2)
    rest = max(args.total_epochs - warm, 1e-9)
    wave = _half_cosine(ops.clip((t - warm) / rest, 0.0, 1.0))
    decayed = args.final_fraction + (1 - args.final_fraction) * wave
    # Not from zero: with one step an epoch, the first would do nothing.
    rising = ops.maximum(t / max(warm, 1e-9), args.final_fraction)
    return ops.where(t < warm, rising, decayed)


def one_cycle(t: Any, args: ScheduleArgs) -> Any:
    """Cosine from 1/25 up to 1 over 30 %, then down (Smith and Topin 2018)."""
    share = ops.clip(t / args.total_epochs, 0.0, 1.0)
    up = 1.0 - _half_cosine(ops.clip(share / 0.3, 0.0, 1.0))
    down = _half_cosine(ops.clip((share - 0.3) / 0.7, 0.0, 1.0))
    rising = 0.04 + 0.96 * up
    falling = args.final_fraction + (1 - args.final_fraction) * down
    return ops.where(share < 0.3, rising, falling)


def _half_cosine(share: Any) -> Any:
    return 0.5 * (1.0 + ops.cos(math.pi * share))


SCHEDULES: dict[str, Formula] = {
    "constant": constant,
    "step": step,
    "exponential": exponential,
    "sqrt": square_root,
    "inverse_time": inverse_time,
    "natural_exp": natural_exp,
    "cosine": cosine,
    "one_cycle": one_cycle,
}


@keras.saving.register_keras_serializable("tlkeras")
class PhaseSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of one layer group during one phase.

    Args:
        name: Key of `SCHEDULES`.
        peak_rate: The group's rate where the formula is 1.
        steps_per_epoch: Steps in which t grows by 1.
        args: `ScheduleArgs`, or its fields as a dict.
        first_step: Optimizer iterations before the phase began; not 0 where
            the optimizer's slots were carried over from an earlier phase.

    Example:
    >>> args = ScheduleArgs(2, drop_every_epochs=1, drop_factor=0.5)
    >>> halving = PhaseSchedule("step", 0.1, 10, args)
    >>> round(float(halving(10)), 3)
    0.05
    """

    def __init__(
        self,
        name: str,
        peak_rate: float,
        steps_per_epoch: int,
        args: ScheduleArgs | dict[str, float],
        first_step: int = 0,
    ) -> None:
        super().__init__()
        lookup(SCHEDULES, name, what="schedule")
        self.name = name
        self.peak_rate = peak_rate
        self.steps_per_epoch = steps_per_epoch
        self.args = ScheduleArgs(**args) if isinstance(args, dict) else args
        self.first_step = first_step

    def __call__(self, step: Any) -> Any:
        """Returns the float32 rate at an optimizer iteration."""
        steps = ops.cast(step, "float32") - float(self.first_step)
        t = steps / float(self.steps_per_epoch)
        return self.peak_rate * SCHEDULES[self.name](t, self.args)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain values."""
        return {
            "name": self.name,
            "peak_rate": self.peak_rate,
            "steps_per_epoch": self.steps_per_epoch,
            "args": dataclasses.asdict(self.args),
            "first_step": self.first_step,
        }


def make_learning_rate(
    name: str, peak_rate: float, steps_per_epoch: int, args: ScheduleArgs
) -> float | PhaseSchedule:
    """Returns what an optimizer takes; a plain rate for `constant`.

    A plain rate can be changed by `ReduceLROnPlateau`, a schedule cannot.
    """
    if name == "constant":
        return peak_rate
    return PhaseSchedule(name, peak_rate, steps_per_epoch, args)
