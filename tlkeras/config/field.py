"""What a row of the table of fields says about one field of the config."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from tlkeras.config.conditions import When

# (low, high, whether low itself is allowed)
Range = tuple[float, float, bool]
# Of rates, strengths and times: beyond it no number means anything.
LARGEST = 1e6
POSITIVE: Range = (0, LARGEST, False)
NOT_NEGATIVE: Range = (0, LARGEST, True)
COUNT: Range = (1, 10**6, True)
BATCH: Range = (1, 2**16, True)
BYTES: Range = (0, 2**60, True)
SECONDS: Range = (0, 1e9, False)
SHARE: Range = (0, 1, True)
BELOW_ONE: Range = (0, 0.999, True)
SEED: Range = (0, 2**31 - 1, True)
# Where trials may change a field: nowhere, where each trains the whole config,
# or on cached codes too, where trials are heads.
NEVER, IN_FULL, ON_CODES = "", "full", "codes"


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of the config.

    Attributes:
        name: Dotted; `*` stands for the name of a phase or a group.
        choices: Words that it may be; () = any value of its type.
        limits: Of a number.
        word: That may stand in place of a number.
        check: Another rule: (name, value) raises an InputError.
        search: `NEVER`, `IN_FULL` or `ON_CODES`.
        scale: In which it is usually searched, `linear` or `log`.
        method: `fit` or `solve`, where it counts in phases of this method
            only.
        when: What must hold, all of it, for the field to have an effect.
    """

    name: str
    choices: tuple[str, ...] = ()
    limits: Range | None = None
    word: str = ""
    check: Callable[[str, Any], None] | None = None
    search: str = NEVER
    scale: str = "linear"
    method: str = ""
    when: tuple[When, ...] = ()


@functools.lru_cache(maxsize=4096)
def patterns_of(name: str) -> tuple[str, ...]:
    """Returns the names of rows that may be a field's, the closest first.

    Example:
    >>> patterns_of("phases.fine_tune.momentum"), patterns_of("seed")
    (('phases.*.momentum',), ('seed',))
    >>> patterns_of("phases.probe.groups.head.clipnorm")
    ('phases.*.groups.head.clipnorm', 'phases.*.groups.*.clipnorm')
    """
    parts = name.split(".")
    if parts[0] != "phases" or len(parts) < 3:
        return (name,)
    parts[1] = "*"
    own = ".".join(parts)
    if parts[2] == "groups" and len(parts) > 4:
        parts[3] = "*"
    return tuple(dict.fromkeys([own, ".".join(parts)]))


def phase_of(name: str) -> str:
    """Returns the phase to which a field belongs, or "".

    Example:
    >>> phase_of("phases.fine_tune.momentum"), phase_of("model.head")
    ('fine_tune', '')
    """
    parts = name.split(".")
    return parts[1] if parts[0] == "phases" and len(parts) > 2 else ""


def group_of(name: str) -> str:
    """Returns the layer group to which a field belongs, or ""."""
    parts = name.split(".")
    is_of_group = phase_of(name) and parts[2] == "groups" and len(parts) > 4
    return parts[3] if is_of_group else ""
