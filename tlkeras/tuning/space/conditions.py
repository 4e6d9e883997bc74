"""When a field of the config has an effect: a table of conditions.

A field that another one overrules, or that a phase never reads, would be
searched for nothing.
"""

import dataclasses
import fnmatch
from collections.abc import Callable, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Condition:
    """What another field must be.

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


def _never(
    field: str, accepts: Callable[[Any], bool], wanted: str, example: str
) -> Condition:
    return Condition(field, accepts, f"{field} is never {wanted}", example)


def _one_of(field: str, *values: str) -> Condition:
    wanted = " or ".join(values)
    return _never(field, values.__contains__, wanted, values[0])


def _unset(field: str) -> Condition:
    return Condition(field, lambda v: v is None, f"{field} overrules it")


def _is(field: str, wanted: bool) -> Condition:
    return _never(field, lambda v: v is wanted, str(wanted), str(wanted))


def _trains(phase: str) -> Condition:
    """The phase trains layers of the backbone."""
    field = f"{phase}.trainable_from"
    return _never(field, lambda v: v != "none", "other than none", "stage4")


# Argument of a schedule -> those that read it.
READERS = {
    "warmup_epochs": ("cosine",),
    "drop_every_epochs": ("step",),
    "drop_factor": ("step",),
    "decay_per_epoch": ("exponential",),
    "time_constant_epochs": ("inverse_time", "natural_exp"),
    "final_fraction": ("cosine", "one_cycle"),
}
WITH_MOMENTUM = ("sgd", "rmsprop")
SMOOTHED_HEADS = ("linear", "mlp", "multi_label")
SOLVED_HEADS = ("linear", "svm", "multi_label")
GROUPED = ("learning_rate", "weight_decay", "optimizer", "clipnorm")
# Of the head; a phase that solves chooses its own strength instead.
PENALTIES = (
    "model.head_l1",
    "model.head_l2",
    "model.head_max_norm",
    "model.dropout",
    "model.head_initializer",
)
# Fields of a phase that count whether it is solved or fitted.
NOT_FITTED = ("batch_norm", "trainable_from", "augment", "method", "solve*")


def is_fitted(field: str, phase: str) -> bool:
    """Says whether a field belongs to a phase, and counts only if it fits.

    Args:
        field: Dotted name.
        phase: Its name.
    """
    prefix = f"phases.{phase}."
    rest = field.removeprefix(prefix)
    return field.startswith(prefix) and not any(
        fnmatch.fnmatch(rest, pattern) for pattern in NOT_FITTED
    )


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
    if name == "model.hidden_units":
        return [[_one_of("model.head", "mlp")]]
    if name.startswith("data.augment."):
        found = [[_is(f"phases.{phase}.augment", True) for phase in active]]
        if name == "data.augment.randaugment_magnitude":
            layers = "data.augment.randaugment_layers"
            found.insert(0, [_never(layers, lambda v: v > 0, "above 0", "2")])
        return found
    if name in PENALTIES:
        return [[_fits(f"phases.{phase}", values_of) for phase in active]]
    sections = name.split(".")
    if sections[0] != "phases":
        return []
    phase = ".".join(sections[:2])
    if sections[2] == "groups":
        found = _of_group(phase, *sections[3:])
    else:
        found = _of_phase(phase, ".".join(sections[2:]), values_of)
    # A phase that may do either fits where fields of fitting are searched; see
    # `make_plan`. Here is the one whose method is searched too.
    is_method_searched = len(values_of(f"{phase}.method")) > 1
    if is_fitted(name, sections[1]) and is_method_searched:
        found.append([_fits(phase, values_of)])
    return found


def _fits(phase: str, values_of: ValuesOf) -> Condition:
    """The phase fits: a fixed `auto` is made to, a searched one may solve."""
    method = f"{phase}.method"
    may_solve = (
        "none" in values_of(f"{phase}.trainable_from")
        and False in values_of(f"{phase}.augment")
        and not set(SOLVED_HEADS).isdisjoint(values_of("model.head"))
    )
    if may_solve and len(values_of(method)) > 1:
        return _one_of(method, "fit")
    return _one_of(method, "fit", "auto")


def _of_phase(
    phase: str, field: str, values_of: ValuesOf
) -> list[Alternatives]:
    if field in GROUPED:
        groups = _groups(phase, values_of)
        return [[_unset(f"{group}.{field}") for group in groups]]
    if field == "momentum":
        return [_momentum(phase, values_of)]
    if field == "label_smoothing":
        return [[_one_of("model.head", *SMOOTHED_HEADS)]]
    if field == "layer_decay":
        return [[_trains(phase)]]
    if field == "reduce_on_plateau_factor":
        patience = f"{phase}.reduce_on_plateau_patience"
        return [[_never(patience, lambda v: v is not None, "set", "2")]]
    if field.startswith("schedule_args."):
        kinds = READERS[field.removeprefix("schedule_args.")]
        return [[_one_of(f"{phase}.schedule", *kinds)]]
    if field.startswith("solve_"):
        return [
            [_one_of(f"{phase}.method", "solve", "auto")],
            [_one_of(f"{phase}.trainable_from", "none")],
            [_one_of("model.head", *SOLVED_HEADS)],
            [_is(f"{phase}.augment", False)],
        ]
    return []


def _groups(phase: str, values_of: ValuesOf) -> list[str]:
    """Returns the sections of the groups that may train, head first."""
    section = f"{phase}.groups"
    trains = _trains(phase)
    if any(map(trains.accepts, values_of(trains.field))):
        (groups,) = values_of(section)
        return [f"{section}.{name}" for name in groups]
    return [f"{section}.head"]


def _momentum(phase: str, values_of: ValuesOf) -> Alternatives:
    """Returns the optimizers of the groups, their own or the phase's."""
    fields = {
        f"{phase}.optimizer"
        if values_of(f"{group}.optimizer") == [None]
        else f"{group}.optimizer": None
        for group in _groups(phase, values_of)
    }
    return [_one_of(field, *WITH_MOMENTUM) for field in fields]


def _of_group(phase: str, group: str, field: str) -> list[Alternatives]:
    found = [] if group == "head" else [[_trains(phase)]]
    found.append([_unset(f"{phase}.layer_decay")])
    if field == "learning_rate_multiplier":
        found.append([_unset(f"{phase}.groups.{group}.learning_rate")])
    return found
