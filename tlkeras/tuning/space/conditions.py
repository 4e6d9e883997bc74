"""What must hold in some trial for a searched field to have an effect."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tlkeras.config.conditions import SOLVED, TRAINS, When, one_of
from tlkeras.config.field import group_of, phase_of
from tlkeras.config.fields import row_of


@dataclasses.dataclass(frozen=True)
class Condition:
    """What another field must be, in one phase and group.

    Attributes:
        field: Dotted name of the other field.
        accepts: Says whether a value of it will do.
        problem: What is wrong where no value will do, in words.
        example: A value that will do, as a flag takes it; "" = leave it out.
    """

    field: str
    accepts: Callable[[Any], bool]
    problem: str
    example: str = ""


# Conditions of which one must hold.
Alternatives = list[Condition]
# Dotted name of a field -> its value, or those that are searched: all options,
# or both ends.
ValuesOf = Callable[[str], Sequence[Any]]


def conditions_of(
    name: str, values_of: ValuesOf, active: Sequence[str]
) -> list[Alternatives]:
    """Returns what must hold for a field to have an effect.

    Args:
        name: Dotted name of the field.
        values_of: Gives the values that a field takes in the trials.
        active: Names of the phases that run.

    Returns:
        Sets of alternatives; one of each set must hold.

    Example:
    >>> ((condition,),) = conditions_of("model.hidden_units", lambda _: [], [])
    >>> condition.problem
    'model.head is never mlp'
    """
    row = row_of(name)
    found = [
        [
            Condition(f, when.accepts, f"{f} {when.problem}", when.example)
            for f in _places(when, name, values_of, active)
        ]
        for when in row.when
        if not (when.spares_head and group_of(name) == "head")
    ]
    phase = phase_of(name)
    if row.method == "fit" and not phase:
        found.append([_fits(each, values_of) for each in active])
    # A phase that may do either fits where fields of fitting are searched; see
    # `make_plan`. Here is the one whose method is searched too.
    elif row.method == "fit" and len(values_of(f"phases.{phase}.method")) > 1:
        found.append([_fits(phase, values_of)])
    return found


def _places(
    when: When, name: str, values_of: ValuesOf, active: Sequence[str]
) -> list[str]:
    """Returns the fields for which a condition's field stands."""
    phase, group = phase_of(name), group_of(name)
    if "phases.*" not in when.field:
        return [when.field]
    places: dict[str, None] = {}
    for one in [phase] if phase else active:
        field = when.field.replace("phases.*", f"phases.{one}")
        if "groups.*" not in field:
            places[field] = None
            continue
        for each in [group] if group else _groups(one, values_of):
            own = field.replace("groups.*", f"groups.{each}")
            inherits = when.is_inherited and values_of(own) == [None]
            places[field.replace("groups.*.", "") if inherits else own] = None
    return list(places)


def _groups(phase: str, values_of: ValuesOf) -> list[str]:
    """Returns the names of the groups that may train."""
    field = TRAINS.field.replace("*", phase)
    if any(map(TRAINS.accepts, values_of(field))):
        (groups,) = values_of(f"phases.{phase}.groups")
        return list(groups)
    return ["head"]


def _fits(phase: str, values_of: ValuesOf) -> Condition:
    """The phase fits: a fixed `auto` is made to, a searched one may solve."""
    method, *needs = SOLVED
    field = method.field.replace("*", phase)
    may_solve = all(
        any(map(need.accepts, values_of(need.field.replace("*", phase))))
        for need in needs
    )
    is_searched = len(values_of(field)) > 1
    fitting = ["fit"] if may_solve and is_searched else ["fit", "auto"]
    when = one_of(field, *fitting)
    return Condition(field, when.accepts, f"{field} {when.problem}", "fit")
