"""Epochs that the data decide, and the numbers that stood there before.

What they are is said by `training/epoch_rule.py`, once the images are counted.
The warm-up of a schedule follows from them. Runs that go on keep what stood
there when they began, and so they do where a default has changed since.
"""

import copy
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.dotted import get_value, set_value
from tlkeras.errors import InputError, quote

AUTO = "auto"
# Defaults of the versions without `auto`.
BEFORE = {"linear_probe": 20, "fine_tune": 12}
WARMUP_BEFORE = 1.0
# Field -> its default, and that of before.
P_VALUE, RATE = "evaluation.replace_p_value", "phases.fine_tune.learning_rate"
CHANGED = {P_VALUE: (0.95, 0.05), RATE: (6e-3, 3e-3)}


def are_epochs(name: str, value: Any) -> None:
    """Refuses what is neither a whole number nor `auto`."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole and value != AUTO:
        raise InputError(
            f"{name}={quote(value, form=repr)} is no number of epochs; "
            f"expected a whole one, 0 to skip the phase, or {AUTO}: set "
            f"--config.{name}."
        )


def with_epochs(config: ConfigDict, epochs: Mapping[str, Any]) -> ConfigDict:
    """Returns a config whose phases have numbers where they said `auto`.

    Args:
        config: Stays as it is.
        epochs: Phase -> number; what is no number counts as absent.
    """
    found = {
        name: epochs[name]
        for name in config.phases.phase_order
        if config.phases[name].epochs == AUTO
        and isinstance(epochs.get(name), int)
    }
    if not found:
        return config
    stated = copy.deepcopy(config)
    for name, number in found.items():
        stated.phases[name].epochs = number
    return stated


def follow(config: ConfigDict, stored: Mapping[str, Any] | None) -> ConfigDict:
    """Returns a config with the numbers of a run that goes on.

    They stand where the config says `auto`, and where its default is another
    one than it was.

    Args:
        config: As given.
        stored: The config of that run; None: it begins.
    """
    if not stored:
        return config
    phases = {
        name: stored["phases"][name]
        for name in config.phases.phase_order
        if name in stored["phases"]
    }
    config = with_epochs(config, {n: p["epochs"] for n, p in phases.items()})
    config = _with_warmup(
        config,
        {n: p["schedule_args"]["warmup_epochs"] for n, p in phases.items()},
    )
    return _with_former(config, stored)


def as_before(config: ConfigDict) -> ConfigDict:
    """Returns the config that an earlier version would have made of flags."""
    config = with_epochs(config, BEFORE)
    config = _with_warmup(
        config, dict.fromkeys(config.phases.phase_order, WARMUP_BEFORE)
    )
    before: dict[str, Any] = {}
    for name, (_, value) in CHANGED.items():
        set_value(before, name, value)
    return _with_former(config, before)


def _with_warmup(config: ConfigDict, warmup: Mapping[str, Any]) -> ConfigDict:
    """Returns a config with numbers for warm-ups that say `auto`.

    Args:
        config: Stays as it is.
        warmup: Phase -> number; `auto` counts as absent.
    """
    found = {
        name: warmup[name]
        for name in config.phases.phase_order
        if config.phases[name].schedule_args.warmup_epochs == AUTO
        and warmup.get(name, AUTO) != AUTO
    }
    if not found:
        return config
    stated = copy.deepcopy(config)
    for name, number in found.items():
        stated.phases[name].schedule_args.warmup_epochs = number
    return stated


def _with_former(config: ConfigDict, stored: Mapping[str, Any]) -> ConfigDict:
    """Returns a config with the defaults of before, where a run has those.

    Args:
        config: Stays as it is.
        stored: The values of that run.
    """
    found = {}
    for name, (default, before) in CHANGED.items():
        try:
            is_former = get_value(stored, name) == before
            is_default = get_value(config, name) == default
        except (KeyError, AttributeError):  # a phase that one of them lacks
            continue
        if is_former and is_default:
            found[name] = before
    if not found:
        return config
    stated = copy.deepcopy(config)
    for name, value in found.items():
        set_value(stated, name, value)
    return stated
