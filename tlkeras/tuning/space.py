"""The space of a search: fields of the config with a range and a scale.

A range is written `LOW:HIGH[:log|linear|int]` or `a|b|c`. Rates and strengths
are searched in log space by default, as the lecture does: lr = 10**uniform(-6,
-3), reg = 10**uniform(-5, 5).
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

from tlkeras.config.validate import validate
from tlkeras.errors import InputError
from tlkeras.tuning.fields import (
    apply_values,
    condition_of,
    element_type,
    field_type,
    get_value,
    parse_value,
    require_searchable,
)

if TYPE_CHECKING:
    import keras_tuner

SCALES = ("log", "linear", "int")
# Last parts of the names of rates and strengths.
LOG_FIELDS = (
    "learning_rate",
    "learning_rate_multiplier",
    "weight_decay",
    "head_l1",
    "head_l2",
    "head_max_norm",
    "clipnorm",
    "global_clipnorm",
)
NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


@dataclasses.dataclass(frozen=True)
class SearchField:
    """One dimension of the space.

    Attributes:
        name: Dotted name of the field.
        kind: `float`, `int` or `choice`.
        low: Of a number, included.
        high: Of a number, included.
        scale: `log` or `linear`: where numbers are drawn uniformly.
        options: Of a choice.
        parent: Another field of the space on which this one depends, or "".
        parent_values: Of the parent, at which this one counts.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    scale: str = "linear"
    options: tuple[Any, ...] = ()
    parent: str = ""
    parent_values: tuple[str, ...] = ()

    def to_unit(self, value: float) -> float:
        """Returns where a number lies: 0 at `low`, 1 at `high`.

        Example:
        >>> SearchField("x", "float", 1e-4, 1.0, "log").to_unit(0.01)
        0.5
        """
        if self.low == self.high:
            return 0.5
        if self.scale == "log":
            span = math.log(self.high / self.low)
            return math.log(value / self.low) / span
        return (value - self.low) / (self.high - self.low)

    def from_unit(self, unit: float) -> float:
        """Returns the number at a place; outside of 0..1 beyond the range."""
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** unit
        else:
            value = self.low + unit * (self.high - self.low)
        return round(value) if self.kind == "int" else value

    def as_text(self) -> str:
        """Returns the range as it is written."""
        if self.kind == "choice":
            return "|".join(map(str, self.options))
        scale = self.scale
        if self.kind == "int":
            scale = "int" if scale == "linear" else "log"
        return f"{self.low:g}:{self.high:g}:{scale}"

    @classmethod
    def from_text(cls, name: str, text: str) -> "SearchField":
        """Returns a field from what `as_text` wrote.

        Options stay strings, and an int on a log scale becomes a float.

        Example:
        >>> SearchField.from_text("model.head_l2", "1e-05:0.1:log").scale
        'log'
        """
        low, high, scale = (*text.split(":"), "", "")[:3]
        if not (NUMBER.fullmatch(low) and NUMBER.fullmatch(high)):
            return cls(name, "choice", options=tuple(text.split("|")))
        kind = "int" if scale == "int" else "float"
        scale = "log" if scale == "log" else "linear"
        return cls(name, kind, float(low), float(high), scale)

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Says whether the field counts among the values of a trial."""
        return not self.parent or values.get(self.parent) in self.parent_values


Space = tuple[SearchField, ...]


def parse_space(texts: Mapping[str, str], config: ConfigDict) -> Space:
    """Reads a space and makes sure that each field of it can have an effect.

    Args:
        texts: Dotted field -> range.
        config: That the trials change.

    Returns:
        Fields, parents before those that depend on them.

    Raises:
        InputError: For an unknown field, an empty or inverted range, a log
            range that includes zero, a choice of one, a value that the field
            does not take, or a field that has no effect in this config.
    """
    fields = {
        name: _parse_field(name, str(text), config)
        for name, text in texts.items()
    }
    fields = {
        name: _with_parent(field, fields, config)
        for name, field in fields.items()
    }
    _check_ends(list(fields.values()), config)
    return tuple(sorted(fields.values(), key=lambda f: bool(f.parent)))


def _parse_field(name: str, text: str, config: ConfigDict) -> SearchField:
    require_searchable(config, name)
    parts = text.split(":")
    if "|" in text or len(parts) not in (2, 3):
        return _parse_choice(name, text, config)
    if not all(NUMBER.fullmatch(part) for part in parts[:2]):
        raise InputError(
            f"The range '{text}' of '{name}' is no pair of numbers; expected "
            "LOW:HIGH[:log|linear|int] or a|b|c: correct --space."
        )
    if field_type(config, name) in (str, bool):
        raise InputError(
            f"The field '{name}' holds {get_value(config, name)!r} and takes "
            "no range of numbers; expected options such as a|b|c: correct "
            "--space."
        )
    return _parse_range(name, text, parts, config)


def _parse_range(
    name: str, text: str, parts: list[str], config: ConfigDict
) -> SearchField:
    low, high = float(parts[0]), float(parts[1])
    is_int = element_type(config, name) is int
    default = "log" if name.rsplit(".", 1)[-1] in LOG_FIELDS else "linear"
    scale = parts[2].strip() if len(parts) == 3 else default
    if scale not in SCALES:
        raise InputError(
            f"The scale '{scale}' of '{name}' is unknown; expected one of: "
            f"{', '.join(SCALES)}: correct --space."
        )
    if low >= high:
        problem = "is empty" if low == high else "is inverted"
        raise InputError(
            f"The range '{text}' of '{name}' {problem}; expected LOW below "
            "HIGH: correct --space."
        )
    if scale == "log" and low <= 0:
        raise InputError(
            f"The log range '{text}' of '{name}' includes zero; expected LOW "
            "above 0, or the scale linear: correct --space."
        )
    is_int = is_int or scale == "int"
    if is_int and (low != int(low) or high != int(high)):
        raise InputError(
            f"The range '{text}' of '{name}' has broken numbers; expected "
            "whole ones: correct --space."
        )
    return SearchField(
        name,
        "int" if is_int else "float",
        low,
        high,
        "log" if scale == "log" else "linear",
    )


def _parse_choice(name: str, text: str, config: ConfigDict) -> SearchField:
    texts = [part.strip() for part in text.split("|")]
    options = tuple(
        dict.fromkeys(parse_value(config, name, part) for part in texts)
    )
    if len(options) < 2:
        raise InputError(
            f"'{text}' gives '{name}' one choice only; expected at least two, "
            f"as a|b, or LOW:HIGH: set --config.{name}={text} to fix it."
        )
    return SearchField(name, "choice", options=options)


def _with_parent(
    field: SearchField, fields: Mapping[str, SearchField], config: ConfigDict
) -> SearchField:
    """Makes a field depend on its condition, or checks that it is met."""
    _check_phase(field.name, config)
    condition = condition_of(field.name)
    if condition is None:
        return field
    parent, values = condition
    if parent in fields:
        meeting = tuple(v for v in fields[parent].options if v in values)
        if meeting:
            return dataclasses.replace(
                field, parent=parent, parent_values=meeting
            )
    elif get_value(config, parent) in values:
        return field
    raise InputError(
        f"The field '{field.name}' has no effect, because {parent} is never "
        f"{' or '.join(values)}; expected a field that counts: set "
        f"--config.{parent}={values[0]} or search it too."
    )


def _check_phase(name: str, config: ConfigDict) -> None:
    """Refuses fields of phases that do not run, or do not augment."""
    phases = config.phases
    active = [n for n in phases.phase_order if phases[n].epochs > 0]
    parts = name.split(".")
    if parts[0] == "phases" and parts[1] not in active:
        raise InputError(
            f"The field '{name}' has no effect, because the phase "
            f"'{parts[1]}' has no epochs; expected a phase that runs: set "
            f"--config.phases.{parts[1]}.epochs."
        )
    if name.startswith("data.augment") and not any(
        phases[phase].augment for phase in active
    ):
        raise InputError(
            f"The field '{name}' has no effect, because no phase augments; "
            "expected a phase with augment=True: set "
            f"--config.phases.{active[-1]}.augment=True."
        )


def _check_ends(fields: Iterable[SearchField], config: ConfigDict) -> None:
    """Validates the config at both ends of each range, and at each option."""
    for field in fields:
        if field.name == "model.head" and "multi_label" in field.options:
            raise InputError(
                "The field 'model.head' cannot be searched over multi_label "
                "and other heads, because their metrics differ; expected some "
                "of linear, svm and mlp: correct --space."
            )
        ends = field.options or (field.low, field.high)
        parent = {field.parent: field.parent_values[0]} if field.parent else {}
        for end in ends:
            validate(apply_values(config, {**parent, field.name: end}))


def flatten_space(section: ConfigDict, prefix: str = "") -> dict[str, str]:
    """Returns `tuning.space`, nested like the config, as field -> range."""
    flat: dict[str, str] = {}
    for name in section:
        value = section[name]
        if isinstance(value, ConfigDict):
            flat |= flatten_space(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat


def parse_space_flags(flags: Iterable[str]) -> dict[str, str]:
    """Reads `FIELD=RANGE` texts of the command line.

    Raises:
        InputError: For a text without `=`, or a field that is named twice.

    Example:
    >>> parse_space_flags(["model.head_l2=1e-5:1:log"])
    {'model.head_l2': '1e-5:1:log'}
    """
    texts: dict[str, str] = {}
    for flag in flags:
        name, equals, text = flag.partition("=")
        name = name.strip().removeprefix("config.")
        if not equals or not name or not text.strip():
            raise InputError(
                f"--space='{flag}' is no FIELD=RANGE; expected "
                "--space=FIELD=LOW:HIGH[:log|linear|int] or "
                "--space='FIELD=a|b|c'."
            )
        if name in texts:
            raise InputError(
                f"--space names the field '{name}' twice; expected each once: "
                "remove one."
            )
        texts[name] = text.strip()
    return texts


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
    if field.kind == "choice":
        return hp.Choice(field.name, list(field.options), **rest)
    make = hp.Int if field.kind == "int" else hp.Float
    low, high = (
        (int(field.low), int(field.high))
        if field.kind == "int"
        else (field.low, field.high)
    )
    return make(field.name, low, high, sampling=field.scale, **rest)
