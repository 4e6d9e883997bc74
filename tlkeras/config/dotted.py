"""Fields of nested sections by their dotted names, such as `model.head_l2`."""

import functools
import operator
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict


def walk(
    section: ConfigDict | dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yields (dotted name, value) of all fields below a section, in order.

    Example:
    >>> list(walk({"seed": 0, "model": {"head": "svm"}}))
    [('seed', 0), ('model.head', 'svm')]
    """
    for key in section:
        value = section[key]
        if _is_section(value):
            yield from walk(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def get_value(section: ConfigDict | dict[str, Any], name: str) -> Any:
    """Returns the value of a field, or a section below, by its dotted name."""
    return functools.reduce(operator.getitem, name.split("."), section)


def set_value(section: Any, name: str, value: Any) -> None:
    """Changes a field; a plain dict gets the sections that it lacks.

    Example:
    >>> values = {}
    >>> set_value(values, "model.head", "svm")
    >>> values
    {'model': {'head': 'svm'}}
    """
    *places, last = name.split(".")
    for place in places:
        if isinstance(section, dict):
            section.setdefault(place, {})
        section = section[place]
    section[last] = value


def differences(
    first: ConfigDict | dict[str, Any],
    second: ConfigDict | dict[str, Any],
    prefix: str = "",
) -> Iterator[tuple[str, Any, Any]]:
    """Yields (dotted name, first's value, second's) where two differ.

    A field or section that one of them lacks is None there. A list equals the
    tuple of its elements: JSON knows no tuples.

    Example:
    >>> list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}))
    [('a.b', 1, 3)]
    """
    for key in dict.fromkeys([*first, *second]):
        name = f"{prefix}{key}"
        mine = first.get(key)
        theirs = second.get(key)
        if _is_section(mine) and _is_section(theirs):
            yield from differences(mine, theirs, f"{name}.")
        elif _plain(mine) != _plain(theirs):
            yield name, mine, theirs


def first_difference(
    first: ConfigDict | dict[str, Any], second: ConfigDict | dict[str, Any]
) -> tuple[str, Any, Any] | None:
    """Returns the difference whose name is the first in order, or None."""
    return min(
        differences(first, second),
        key=lambda found: found[0].split("."),
        default=None,
    )


def _is_section(value: Any) -> bool:
    return isinstance(value, (ConfigDict, dict))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
