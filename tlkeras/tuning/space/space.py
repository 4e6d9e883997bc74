"""The space of a search: fields of the config with a range and a scale.

A range is written `LOW:HIGH[:log|linear|int]` or `a|b|c`. Rates and strengths
are searched in log space by default, as the lecture does: lr = 10**uniform(-6,
-3), reg = 10**uniform(-5, 5).
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.dotted import get_value
from tlkeras.config.fields import row_of
from tlkeras.config.validate import validate
from tlkeras.errors import InputError
from tlkeras.tuning.space.conditions import Condition, conditions_of
from tlkeras.tuning.space.fields import (
    active_phases,
    apply_values,
    element_type,
    field_type,
    parse_value,
    require_searchable,
)

SCALES = ("log", "linear", "int")
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
    parent_values: tuple[Any, ...] = ()

    @property
    def ends(self) -> tuple[Any, ...]:
        """Options of a choice; of a number, `low` and `high`."""
        return self.options or (self.low, self.high)

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
    space = tuple(
        sorted(fields.values(), key=lambda f: len(ancestors(f, fields)))
    )
    _check_ends(space, config)
    return space


def ancestors(
    field: SearchField, fields: Mapping[str, SearchField]
) -> list[tuple[str, tuple[Any, ...]]]:
    """Returns (name, values) of all that a field depends on, parent last.

    Args:
        field: One of the fields.
        fields: Name -> field, of a whole space.
    """
    if not field.parent:
        return []
    above = ancestors(fields[field.parent], fields)
    return [*above, (field.parent, field.parent_values)]


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
    scale = parts[2].strip() if len(parts) == 3 else row_of(name).scale
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
    if is_int and not (low.is_integer() and high.is_integer()):
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
            f"as a|b, or LOW:HIGH: set --config.{name}={texts[0]} to fix it."
        )
    return SearchField(name, "choice", options=options)


def _with_parent(
    field: SearchField, fields: Mapping[str, SearchField], config: ConfigDict
) -> SearchField:
    """Makes a field depend on another that decides whether it counts.

    Raises:
        InputError: If the field never counts.
    """

    def values_of(name: str) -> Sequence[Any]:
        known = fields.get(name)
        return known.ends if known else [get_value(config, name)]

    active = active_phases(config)
    _check_phase(field.name, active, config.phases.phase_order)
    for alternatives in conditions_of(field.name, values_of, active):
        meeting = {
            condition.field: values
            for condition in alternatives
            if (
                values := tuple(
                    filter(condition.accepts, values_of(condition.field))
                )
            )
        }
        if not meeting:
            raise InputError(_describe_no_effect(field.name, alternatives))
        parent, values = next(iter(meeting.items()))
        decides = parent in fields and len(values) < len(fields[parent].options)
        # keras-tuner knows one parent.
        if len(meeting) == 1 and decides and not field.parent:
            field = dataclasses.replace(
                field, parent=parent, parent_values=values
            )
    return field


def _describe_no_effect(name: str, alternatives: Sequence[Condition]) -> str:
    problems = " and ".join(condition.problem for condition in alternatives)
    last = alternatives[-1]
    remedy = (
        f"set --config.{last.field}={last.example} or search it too"
        if last.example
        else "leave out one of them"
    )
    return (
        f"The field '{name}' has no effect, because {problems}; expected a "
        f"field that counts: {remedy}."
    )


def _check_phase(
    name: str, active: Sequence[str], order: Sequence[str]
) -> None:
    """Refuses fields of phases that do not run."""
    section, phase, *_ = name.split(".")
    if section != "phases" or phase in active:
        return
    problem, field = "has no epochs", f"{phase}.epochs"
    if phase not in order:
        problem, field = "is not in phases.phase_order", "phase_order"
    raise InputError(
        f"The field '{name}' has no effect, because the phase '{phase}' "
        f"{problem}; expected a phase that runs: set --config.phases.{field}."
    )


def corners(space: Sequence[SearchField]) -> Iterator[dict[str, Any]]:
    """Yields values of a space at which trials could fail.

    Every end of a range, or option, beside every one of every other field;
    as in a trial, without fields that do not count.
    """
    by_name = {field.name: field for field in space}
    first = {field.name: field.ends[0] for field in space}
    seen = []
    pairs = itertools.combinations_with_replacement(space, 2)
    for pair in pairs if space else [()]:
        for ends in itertools.product(*(field.ends for field in pair)):
            values = dict(first)
            for field in pair:
                for name, meeting in ancestors(field, by_name):
                    values[name] = meeting[0]
            chosen = zip(pair, ends, strict=True)
            values |= {field.name: end for field, end in chosen}
            for field in space:
                if not field.is_active(values):
                    del values[field.name]
            if values not in seen:
                seen.append(values)
                yield values


def _check_ends(space: Space, config: ConfigDict) -> None:
    """Validates the config at the corners of a space."""
    for field in space:
        if field.name == "model.head" and "multi_label" in field.options:
            raise InputError(
                "The field 'model.head' cannot be searched over multi_label "
                "and other heads, because their metrics differ; expected some "
                "of linear, svm and mlp: correct --space."
            )
    for values in corners(space):
        validate(apply_values(config, values))
