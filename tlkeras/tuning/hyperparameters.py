"""A space as keras-tuner knows it."""

from typing import TYPE_CHECKING, Any

from tlkeras.tuning.space import SearchField, Space

if TYPE_CHECKING:
    import keras_tuner


def to_hyperparameters(space: Space) -> "keras_tuner.HyperParameters":
    """Returns a space as keras-tuner knows it; names are the fields'."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    for field in space:
        register(hp, field)
    return hp


def register(hp: "keras_tuner.HyperParameters", field: SearchField) -> Any:
    """Declares one field; returns its value in `hp`, None if not active."""
    rest: dict[str, Any] = {}
    if field.parent:
        rest = {
            "parent_name": field.parent,
            "parent_values": list(field.parent_values),
        }
    if isinstance(field.ends[0], bool):  # a choice would make it 1 or 0
        if len(field.options) == 1:
            return hp.Fixed(field.name, field.options[0], **rest)
        return hp.Boolean(field.name, **rest)
    if field.kind == "choice":
        return hp.Choice(field.name, list(field.options), **rest)
    make = hp.Int if field.kind == "int" else hp.Float
    low, high = (
        (int(field.low), int(field.high))
        if field.kind == "int"
        else (field.low, field.high)
    )
    return make(field.name, low, high, sampling=field.scale, **rest)
