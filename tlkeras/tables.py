"""Look-up in the project's tables, with the nearest name in the error."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from tlkeras.errors import InputError, quote

T = TypeVar("T")


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?` for the nearest known name, or nothing.

    Example:
    >>> suggest("MobileNetv2", ["MobileNetV2", "VGG16"])
    " Did you mean 'MobileNetV2'?"
    """
    by_folded = {key.lower(): key for key in known}
    near = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.5)
    return f" Did you mean '{by_folded[near[0]]}'?" if near else ""


def lookup(table: Mapping[str, T], name: str, *, what: str) -> T:
    """Returns `table[name]`, or says which name was probably meant.

    Args:
        table: Name -> value.
        name: The name to look up, as the user wrote it.
        what: What the table holds, in the singular, for the message.

    Raises:
        InputError: If the name is not in the table.

    Example:
    >>> lookup({"adam": 1}, "adam", what="optimizer")
    1
    """
    if name in table:
        return table[name]
    listed = ", ".join(sorted(table))
    if len(listed) > 200:
        listed = listed[:200].rsplit(",", 1)[0] + ", ..."
    raise InputError(
        f"Unknown {what} '{quote(name)}'.{suggest(quote(name), table)} "
        f"Expected one of: {listed}."
    )
