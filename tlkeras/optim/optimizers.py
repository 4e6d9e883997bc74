"""The table of optimizers that a layer group can name."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from tlkeras.optim.schedules import PhaseSchedule
from tlkeras.tables import lookup

OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "sgd": lambda momentum, **rest: keras.optimizers.SGD(
        momentum=momentum, nesterov=momentum > 0, **rest
    ),
    "rmsprop": lambda momentum, **rest: keras.optimizers.RMSprop(
        momentum=momentum, **rest
    ),
    "adam": lambda momentum, **rest: keras.optimizers.Adam(**rest),
    "adamw": lambda momentum, **rest: keras.optimizers.AdamW(**rest),
    "adagrad": lambda momentum, **rest: keras.optimizers.Adagrad(**rest),
    "lion": lambda momentum, **rest: keras.optimizers.Lion(**rest),
}


@dataclasses.dataclass(frozen=True)
class OptimizerSpec:
    """One group's optimizer.

    Attributes:
        optimizer: Key of `OPTIMIZERS`.
        learning_rate: A number or a schedule.
        weight_decay: Decoupled, a step: w -= rate * decay * w.
        momentum: Of sgd and rmsprop.
        clipnorm: Bound of each variable's gradient norm, or None.
    """

    optimizer: str
    learning_rate: float | PhaseSchedule
    weight_decay: float = 0.0
    momentum: float = 0.9
    clipnorm: float | None = None


def is_decayed(variable: keras.Variable) -> bool:
    """Says whether weight decay applies: kernels yes, biases and gains no."""
    return len(variable.shape) > 1


def build_optimizer(
    spec: OptimizerSpec, *, name: str, variables: list[keras.Variable]
) -> keras.optimizers.Optimizer:
    """Builds a group's optimizer with its exclusions from weight decay.

    Args:
        spec: What to build.
        name: Of the group; names the optimizer's slots.
        variables: The group's variables.

    Raises:
        InputError: If the optimizer is unknown.
    """
    make = lookup(OPTIMIZERS, spec.optimizer, what="optimizer")
    arguments: dict[str, Any] = {
        "learning_rate": spec.learning_rate,
        "clipnorm": spec.clipnorm,
        "name": name,
    }
    # AdamW insists on a number, the others skip decay when it is None.
    decay = spec.weight_decay
    arguments["weight_decay"] = (
        decay if spec.optimizer == "adamw" else decay or None
    )
    optimizer = make(momentum=spec.momentum, **arguments)
    if decay:
        optimizer.exclude_from_weight_decay(
            var_list=[v for v in variables if not is_decayed(v)]
        )
    return optimizer
