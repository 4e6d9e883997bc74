"""What must hold for a field of the config to have an effect.

A field that another one overrules, or that a phase never reads, would be
searched for nothing. The rows of `fields.py` name their conditions; a search
looks whether any of its trials meets them.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from tlkeras.config.solving import solve_obstacle


@dataclasses.dataclass(frozen=True)
class When:
    """What another field must be for a field to have an effect.

    Attributes:
        field: Dotted name of the other field. A `*` is the phase, or the
            group, of the field itself; where it has none, any phase that runs,
            or any group that trains.
        accepts: Says whether a value of the other field will do.
        problem: What is wrong where no value will do, after the other's name.
        example: A value that will do, as a flag takes it; "" = leave it out.
        is_inherited: Whether a group without a value of its own has the
            phase's.
        spares_head: Whether the head's group is free of it.
    """

    field: str
    accepts: Callable[[Any], bool]
    problem: str
    example: str = ""
    is_inherited: bool = False
    spares_head: bool = False


def never(
    field: str, accepts: Callable[[Any], bool], wanted: str, example: str
) -> When:
    """Returns a condition from the words for what will do."""
    return When(field, accepts, f"is never {wanted}", example)


def one_of(field: str, *values: str) -> When:
    """Returns the condition that a field is one of some words."""
    return never(field, values.__contains__, " or ".join(values), values[0])


def unset(field: str) -> When:
    """Returns the condition that a field, which would win, is None."""
    return When(field, lambda v: v is None, "overrules it")


def is_true(field: str) -> When:
    """Returns the condition that a field is True."""
    return never(field, lambda v: v is True, "True", "True")


WITH_MOMENTUM = ("sgd", "rmsprop")
SMOOTHED_HEADS = ("linear", "mlp", "multi_label")
SOLVED_HEADS = ("linear", "svm", "multi_label")

AUGMENTS = is_true("phases.*.augment")
# The phase trains layers of the backbone.
TRAINS = never(
    "phases.*.trainable_from",
    lambda v: v != "none",
    "other than none",
    "stage4",
)
# A group of the phase takes the phase's value, because it has none of its own.
LEFT_TO_PHASE = {
    name: (unset(f"phases.*.groups.*.{name}"),)
    for name in ("learning_rate", "weight_decay", "optimizer", "clipnorm")
}
HAS_MOMENTUM = dataclasses.replace(
    one_of("phases.*.groups.*.optimizer", *WITH_MOMENTUM), is_inherited=True
)
IN_GROUP = (
    dataclasses.replace(TRAINS, spares_head=True),
    unset("phases.*.layer_decay"),
)
HAS_TEACHER = never("phases.*.teacher", bool, "set", "RUN")
ON_PLATEAU = never(
    "phases.*.reduce_on_plateau_patience",
    lambda v: v is not None,
    "set",
    "2",
)
SOLVED = (
    one_of("phases.*.method", "solve", "auto"),
    never(
        "phases.*.trainable_from",
        lambda v: not solve_obstacle(trainable_from=v),
        "none",
        "none",
    ),
    never(
        "model.head",
        lambda v: not solve_obstacle(is_solvable=v in SOLVED_HEADS),
        " or ".join(SOLVED_HEADS),
        SOLVED_HEADS[0],
    ),
    never(
        "phases.*.augment",
        lambda v: not solve_obstacle(augment=v),
        "False",
        "False",
    ),
    never(
        "phases.*.teacher",
        lambda v: not solve_obstacle(teacher=v),
        "empty",
        "''",
    ),
)
