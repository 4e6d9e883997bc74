"""Whether one value is what its field may hold, and the sentence if not."""

import math
from collections.abc import Sequence
from typing import Any

from tlkeras.config.field import INFINITY, Field, Range
from tlkeras.errors import InputError
from tlkeras.tables import suggest


def check_value(row: Field, name: str, value: Any) -> None:
    """Makes sure that a value obeys the row of its field.

    Args:
        row: Of the table of fields.
        name: Dotted name of the field.
        value: It has the field's type.

    Raises:
        InputError: Naming the field, what it may be, and the flag.
    """
    if row.choices and not (value is None and row.may_be_none):
        _check_choice(name, value, row.choices)
    if row.limits and not (row.word and value == row.word):
        if row.word:
            _check_number(name, value, row.word)
        _check_range(name, value, row.limits)
    if row.check:
        row.check(name, value)


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InputError(
            f"{name}='{value}' is unknown.{suggest(str(value), choices)} "
            f"Expected one of: {', '.join(choices)}; set --config.{name}."
        )


def _check_number(name: str, value: Any, word: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(
            f"{name}={value!r} is no number; expected one above 0, or {word}: "
            f"set --config.{name}."
        )


def _check_range(name: str, value: Any, limits: Range) -> None:
    low, high, closed = limits
    if value is None:
        return
    is_inside = low <= value <= high and (closed or value > low)
    if not is_inside or not math.isfinite(value):
        least = f"{'at least' if closed else 'above'} {low:g}"
        most = "" if high == INFINITY else f" and at most {high:g}"
        raise InputError(
            f"{name}={value} is out of range; expected {least}{most}: set "
            f"--config.{name}."
        )


def check_pair(name: str, value: Any, *, low: float, high: float) -> None:
    """Refuses what is not two increasing numbers from `low` to `high`."""
    check_length(name, value, length=2)
    first, second = value
    are_numbers = all(isinstance(x, (int, float)) for x in (first, second))
    if not are_numbers or not low <= first <= second <= high:
        raise InputError(
            f"{name}={(first, second)} is no range; expected two increasing "
            f"numbers between {low:g} and {high:g}."
        )


def check_length(name: str, value: Any, *, length: int) -> None:
    """Refuses a tuple of another length."""
    if len(value) != length:
        raise InputError(
            f"{name}={tuple(value)} has {len(value)} entries; expected "
            f"{length}."
        )


def check_shares(name: str, value: Any) -> None:
    """Refuses what does not divide the images into three splits."""
    good = (
        len(value) == 3
        and all(isinstance(share, (int, float)) for share in value)
        and all(share >= 0 for share in value)
        and abs(sum(value) - 1) < 1e-6
        and value[0] > 0
    )
    if not good:
        raise InputError(
            f"{name}={tuple(value)} is no division; expected three shares "
            "for train, validation and test that sum to 1, such as "
            "(0.7, 0.15, 0.15)."
        )


def check_start_of_head(name: str, value: Any) -> None:
    """Refuses to let the new layers' group start anywhere else."""
    if value != "head":
        raise InputError(
            f"{name}='{value}' would move the new layers' group; expected "
            "'head': let another group, such as upper, start there."
        )
