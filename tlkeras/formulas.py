"""Cells of a table that a spreadsheet would take for formulas."""

import re
from typing import Any

# What begins a formula, where it is no number; guarded ones are guarded again,
# so that reading knows what was added.
_FORMULA = re.compile(r"'*[=@\t\r]|'*[+-](?![\d.]+(e[+-]?\d+)?$)")


def guard_cell(value: Any) -> Any:
    """Returns a cell that no spreadsheet takes for a formula.

    Example:
    >>> guard_cell("=1+1"), guard_cell("cat"), guard_cell("-0.5")
    ("'=1+1", 'cat', '-0.5')
    """
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return value


def unguard_cell(value: Any) -> Any:
    """Returns what `guard_cell` was given.

    Example:
    >>> unguard_cell("'=1+1"), unguard_cell("'tis")
    ('=1+1', "'tis")
    """
    is_guarded = isinstance(value, str) and value.startswith("'")
    return value[1:] if is_guarded and _FORMULA.match(value[1:]) else value
