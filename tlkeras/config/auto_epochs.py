"""Epochs that the data decide, and the numbers that stood there before.

What they are is said by `training/epoch_rule.py`, once the images are counted.
The warm-up of a schedule follows from them.
"""

import copy
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from tlkeras.errors import InputError, quote

AUTO = "auto"
# Defaults of the versions without `auto`.
BEFORE = {"linear_probe": 20, "fine_tune": 12}
WARMUP_BEFORE = 1.0


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


def follow_epochs(
    config: ConfigDict, stored: Mapping[str, Any] | None
) -> ConfigDict:
    """Returns a config with the numbers of a run that goes on, for `auto`.

    Args:
        config: As given.
        stored: Section `phases` of that run; None: it begins.
    """
    phases = {
        name: stored[name]
        for name in config.phases.phase_order
        if stored and name in stored
    }
    return _with_warmup(
        with_epochs(config, {n: p["epochs"] for n, p in phases.items()}),
        {n: p["schedule_args"]["warmup_epochs"] for n, p in phases.items()},
    )


def _with_warmup(config: ConfigDict, warmup: Mapping[str, Any]) -> ConfigDict:
    """Returns a config with numbers where a warm-up said `auto`."""
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


def as_before(config: ConfigDict) -> ConfigDict:
    """Returns the config that an earlier version would have made of flags."""
    return _with_warmup(
        with_epochs(config, BEFORE),
        dict.fromkeys(config.phases.phase_order, WARMUP_BEFORE),
    )
