"""Whether one value is what its field may hold, and the sentence if not."""

import functools
from collections.abc import Sequence
from typing import Any

from tlkeras.config.defaults import get_config
from tlkeras.config.dotted import walk
from tlkeras.config.field import Field, Range, patterns_of
from tlkeras.errors import InputError, quote
from tlkeras.tables import suggest

# Of files, on every system.
LONGEST_NAME = 255  # bytes
LONGEST_PATH = 4000

HUB = "hub:"  # before the name or directory of a preset of KerasHub

# Of tables that the config does not know.
EXPORT_FORMATS = (
    "saved_model",
    "tflite",
    "float32",
    "float16",
    "dynamic",
    "int8",
    "int16x8",
    "onnx",
    "openvino",
)
OPTIMIZER_NAMES = ("sgd", "rmsprop", "adam", "adamw", "adagrad", "lion")
CONTRACT_NAMES = (
    "auto",
    "none",
    "minus_one_one",
    "zero_one",
    "caffe",
    "torch",
)


def check_value(row: Field, name: str, value: Any) -> None:
    """Makes sure that a value obeys the row of its field.

    Args:
        row: Of the table of fields.
        name: Dotted name of the field.
        value: It has the field's type.

    Raises:
        InputError: Naming the field, what it may be, and the flag.
    """
    if value is None and row.name in _required():
        raise InputError(
            f"{name}=None is no value of this field; expected one such as "
            f"{quote(_required()[row.name], form=repr)}: set --config.{name}."
        )
    if isinstance(value, str):
        _check_text(name, value)
    if row.choices and value is not None:
        _check_choice(name, value, row.choices)
    if row.limits and not (row.word and value == row.word):
        if row.word:
            _check_number(name, value, row.limits, row.word)
        _check_range(name, value, row.limits)
    if row.check:
        row.check(name, value)


@functools.cache
def _required() -> dict[str, Any]:
    """Returns name of a row -> its default, where that is not None."""
    return {
        pattern: value
        for name, value in walk(get_config())
        for pattern in patterns_of(name)
        if value is not None
    }


def _check_text(name: str, value: str) -> None:
    """Refuses what no file, layer or word can be called.

    A text that names no file is looked for as one all the same.
    """
    parts = value.encode(errors="surrogatepass").split(b"/")
    is_name = max(map(len, parts)) <= LONGEST_NAME and "\0" not in value
    if not is_name or len(value) > LONGEST_PATH:
        raise InputError(
            f"{name}='{quote(value)}' is no name; expected at most "
            f"{LONGEST_NAME} bytes between slashes, {LONGEST_PATH} characters "
            f"in all, and no zero byte: set --config.{name}."
        )


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InputError(
            f"{name}='{quote(value)}' is unknown."
            f"{suggest(quote(value), choices)} "
            f"Expected one of: {', '.join(choices)}; set --config.{name}."
        )


def _check_number(name: str, value: Any, limits: Range, word: str) -> None:
    if not _is_number(value):
        shown = quote(value, form=repr)
        raise InputError(
            f"{name}={shown} is no number; expected one {_least(limits)}, or "
            f"{word}: set --config.{name}."
        )


def _check_range(name: str, value: Any, limits: Range) -> None:
    low, high, closed = limits
    if value is None:
        return
    is_inside = low <= value <= high and (closed or value > low)
    if not is_inside or isinstance(value, bool):
        raise InputError(
            f"{name}={quote(value)} is out of range; expected "
            f"{_least(limits)} and at most {high:.10g}: set --config.{name}."
        )


def _least(limits: Range) -> str:
    low, _, closed = limits
    return f"{'at least' if closed else 'above'} {low:g}"


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
            shown = quote(word, form=repr)
            raise InputError(
                f"{name}={quote(tuple(value))} holds {shown}; "
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


def check_fractions(name: str, value: Any) -> None:
    """Refuses what is not increasing numbers between 0 and 1."""
    inside = all(_is_number(share) and 0 < share < 1 for share in value)
    if not inside or list(value) != sorted(set(value)):
        raise InputError(
            f"{name}={quote(tuple(value))} is no list of shares; expected "
            "increasing numbers above 0 and below 1, such as (0.25, 0.5, "
            f"0.75), or (): set --config.{name}."
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
