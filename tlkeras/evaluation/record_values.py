"""Reading and writing the fields of records, as JSON holds them."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

Record = TypeVar("Record")

# Types of fields -> what JSON may hold there; others are read one by one.
ACCEPTED: dict[Any, Any] = {
    bool: bool,
    int: int,
    float: (int, float),
    str: str,
}


def read_known(record: type[Record], values: Mapping[str, Any]) -> Record:
    """Builds a record of those values that are fields of it.

    Raises:
        TypeError: If one has another type.
    """
    types = {field.name: field.type for field in dataclasses.fields(record)}  # type: ignore[arg-type]
    found = {k: v for k, v in values.items() if k in types}
    for name, value in found.items():
        expected = ACCEPTED.get(types[name], object)
        if not isinstance(value, expected):
            raise TypeError(f"{name} is {value!r}")
    return record(**found)


def prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values with `prefix/` before their keys."""
    return {f"{prefix}/{name}": value for name, value in values.items()}


def below(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values whose keys begin with `prefix/`, without it."""
    return {
        name.removeprefix(f"{prefix}/"): value
        for name, value in values.items()
        if name.startswith(f"{prefix}/")
    }
