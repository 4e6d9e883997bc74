"""A space as keras-tuner knows it."""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tlkeras.tuning.space.space import SearchField, Space, ancestors

if TYPE_CHECKING:
    import keras_tuner

Values = dict[str, Any]  # of a trial: dotted field -> value


def to_hyperparameters(space: Space) -> "keras_tuner.HyperParameters":
    """Returns a space as keras-tuner knows it; names are the fields'."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    for field in space:
        register(hp, field, space)
    return hp


def register(
    hp: "keras_tuner.HyperParameters", field: SearchField, space: Space
) -> Any:
    """Declares one field; returns its value in `hp`, None if not active.

    Args:
        hp: Knows what the field depends on.
        field: Of the space.
        space: Whole.
    """
    with contextlib.ExitStack() as scopes:
        for name, values in ancestors(field, {f.name: f for f in space}):
            scopes.enter_context(hp.conditional_scope(name, list(values)))
        return _declare(hp, field)


def _declare(hp: "keras_tuner.HyperParameters", field: SearchField) -> Any:
    if isinstance(field.ends[0], bool):  # a choice would make it 1 or 0
        if len(field.options) == 1:
            return hp.Fixed(field.name, field.options[0])
        return hp.Boolean(field.name)
    if field.kind == "choice":
        return hp.Choice(field.name, list(field.options))
    make = hp.Int if field.kind == "int" else hp.Float
    low, high = (
        (int(field.low), int(field.high))
        if field.kind == "int"
        else (field.low, field.high)
    )
    return make(field.name, low, high, sampling=field.scale)


def searched_values(values: Mapping[str, Any]) -> Values:
    """Returns a trial's values without keras-tuner's own, `tuner/...`."""
    return {k: v for k, v in values.items() if not k.startswith("tuner/")}
