"""Shrinking the ranges of a search around what did best.

The rule: the best fifth of a stage's trials (four at least) spans a part of
each range, in the range's own scale. The next stage searches around the best
trial, half that span to each side, but at least a tenth and at most a quarter
of the range. It keeps within the range, unless the best trial lies within
a twentieth of an edge: then the range goes on past that edge. Of a choice, the
options of the best fifth stay.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tlkeras.config.field import POSITIVE
from tlkeras.config.fields import row_of
from tlkeras.tuning.space.space import SearchField, Space

BEST_SHARE, MIN_BEST = 0.2, 4
MIN_HALF, MAX_HALF = 0.1, 0.25  # of the range
EDGE = 0.05

# (values, score) of a finished trial; higher is better.
Scored = tuple[Mapping[str, Any], float]


def shrink_space(
    space: Space, trials: Sequence[Scored]
) -> tuple[Space, list[str]]:
    """Returns the next stage's space, and what to tell about it.

    Args:
        space: Of the stage that ended.
        trials: Its completed trials; with none the space stays.
    """
    if not trials:
        return space, ["no trial completed: the ranges stay"]
    ranked = sorted(trials, key=lambda trial: -trial[1])
    count = max(MIN_BEST, round(BEST_SHARE * len(ranked)))
    top = [values for values, _ in ranked[:count]]
    fields: list[SearchField] = []
    notes: list[str] = []
    for field in space:
        seen = [values[field.name] for values in top if field.name in values]
        if not seen:
            fields.append(field)
        elif field.kind == "choice":
            fields.append(_shrink_choice(field, seen))
        else:
            fields.append(_shrink_range(field, seen, notes))
    for old, new in zip(space, fields, strict=True):
        if old != new:
            notes.append(f"{old.name}: {old.as_text()} -> {new.as_text()}")
    return tuple(fields), notes


def _shrink_choice(field: SearchField, seen: Sequence[Any]) -> SearchField:
    options = tuple(option for option in field.options if option in seen)
    return dataclasses.replace(field, options=options)


def _shrink_range(
    field: SearchField, seen: Sequence[float], notes: list[str]
) -> SearchField:
    units = [field.to_unit(value) for value in seen]
    best = units[0]
    half = min(max((max(units) - min(units)) / 2, MIN_HALF), MAX_HALF)
    low, high = best - half, best + half
    if best > EDGE:
        low = max(low, 0.0)
    if best < 1 - EDGE:
        high = min(high, 1.0)
    shrunk = dataclasses.replace(
        field, low=_bounded(field, low), high=_bounded(field, high)
    )
    for edge, was, now in (
        ("lower", field.low, shrunk.low),
        ("upper", field.high, shrunk.high),
    ):
        if (now < was) if edge == "lower" else (now > was):
            notes.append(
                f"{field.name}: the best, {seen[0]:.3g}, lies at the {edge} "
                f"edge {was:g}; the range goes on to {now:.3g}"
            )
    return shrunk


def _bounded(field: SearchField, unit: float) -> float:
    """Returns the number at a place, within what the field allows."""
    value = field.from_unit(unit)
    low, high, closed = row_of(field.name).limits or POSITIVE
    if not closed and value <= low:
        value = min(field.low, field.high)
    return float(min(max(value, low), high if math.isfinite(high) else value))


def split_stages(num_trials: int, num_stages: int) -> tuple[int, ...]:
    """Divides trials: two thirds to the first stage, the rest in equal parts.

    Example:
    >>> split_stages(100, 2), split_stages(12, 3), split_stages(5, 1)
    ((67, 33), (8, 2, 2), (5,))
    """
    num_stages = min(num_stages, num_trials)
    if num_stages == 1:
        return (num_trials,)
    rest = max(num_stages - 1, num_trials - -(-2 * num_trials // 3))
    later = [rest // (num_stages - 1)] * (num_stages - 1)
    later[0] += rest - sum(later)
    return (max(1, num_trials - rest), *later)
