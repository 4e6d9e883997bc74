"""Whether one value is what its field may hold, and the sentence if not."""

from collections.abc import Sequence
from typing import Any

from tlkeras.config.field import Field, Range
from tlkeras.errors import InputError, quote
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
            f"{name}='{quote(value)}' is unknown."
            f"{suggest(quote(value), choices)} "
            f"Expected one of: {', '.join(choices)}; set --config.{name}."
        )


def _check_number(name: str, value: Any, word: str) -> None:
    if not _is_number(value):
        shown = quote(repr(value))
        raise InputError(
            f"{name}={shown} is no number; expected one above 0, or {word}: "
            f"set --config.{name}."
        )


def _check_range(name: str, value: Any, limits: Range) -> None:
    low, high, closed = limits
    if value is None:
        return
    is_inside = low <= value <= high and (closed or value > low)
    if not is_inside or isinstance(value, bool):
        least = f"{'at least' if closed else 'above'} {low:g}"
        raise InputError(
            f"{name}={quote(value)} is out of range; expected {least} and at "
            f"most {high:.10g}: set --config.{name}."
        )


def check_pair(name: str, value: Any, *, low: float, high: float) -> None:
    """Refuses what is not two increasing numbers from `low` to `high`."""
    check_length(name, value, length=2)
    first, second = value
    are_numbers = all(map(_is_number, (first, second)))
    if not are_numbers or not low <= first <= second <= high:
        raise InputError(
            f"{name}={quote(tuple(value))} is no range; expected two "
            f"increasing numbers between {low:g} and {high:g}."
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_words(
    name: str,
    value: Any,
    *,
    length: int | None = None,
    choices: Sequence[str] = (),
) -> None:
    """Refuses a tuple of anything but words, or of others than the choices."""
    for word in value:
        if not isinstance(word, str):
            raise InputError(
                f"{name}={quote(tuple(value))} holds {quote(repr(word))}; "
                f"expected words only: set --config.{name}."
            )
        if choices:
            _check_choice(name, word, choices)
    if length is not None:
        check_length(name, value, length=length)


def check_widths(name: str, value: Any, *, high: int) -> None:
    """Refuses what is not a tuple of whole numbers from 1 to `high`."""
    for width in value:
        is_whole = isinstance(width, int) and not isinstance(width, bool)
        if not is_whole or not 1 <= width <= high:
            raise InputError(
                f"{name}={quote(tuple(value))} is no mlp head; expected one or "
                f"two positive widths of at most {high}, such as (256,)."
            )


def check_length(name: str, value: Any, *, length: int) -> None:
    """Refuses a tuple of another length."""
    if len(value) != length:
        raise InputError(
            f"{name}={quote(tuple(value))} has {len(value)} entries; expected "
            f"{length}."
        )


def check_shares(name: str, value: Any) -> None:
    """Refuses what does not divide the images into three splits."""
    good = (
        len(value) == 3
        and all(map(_is_number, value))
        and all(0 <= share <= 1 for share in value)
        and abs(sum(value) - 1) < 1e-6
        and value[0] > 0
    )
    if not good:
        raise InputError(
            f"{name}={quote(tuple(value))} is no division; expected three "
            "shares for train, validation and test that sum to 1, such as "
            "(0.7, 0.15, 0.15)."
        )


def check_start_of_head(name: str, value: Any) -> None:
    """Refuses to let the new layers' group start anywhere else."""
    if value != "head":
        raise InputError(
            f"{name}='{quote(value)}' would move the new layers' group; "
            "expected 'head': let another group, such as upper, start there."
        )
